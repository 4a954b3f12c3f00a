# SPDX-License-Identifier: Apache-2.0
# Verilator names its C++ files as it likes: all.cpp includes them.
# cmake -D FOLDER=… -P one_source.cmake
file(GLOB made RELATIVE ${FOLDER} ${FOLDER}/*.cpp)
list(REMOVE_ITEM made all.cpp)
list(SORT made)
set(text "")
foreach(source IN LISTS made)
  string(APPEND text "#include \"${source}\"\n")
endforeach()
file(WRITE ${FOLDER}/all.cpp "${text}")
