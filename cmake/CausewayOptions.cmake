# SPDX-License-Identifier: Apache-2.0
option(CAUSEWAY_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(CAUSEWAY_BUILD_SAMPLES "Build the samples" ${PROJECT_IS_TOP_LEVEL})
option(CAUSEWAY_BUILD_BENCH "Build the benchmark suite" ${PROJECT_IS_TOP_LEVEL})
set(CAUSEWAY_SANITIZE "" CACHE STRING "Sanitizers for every target: 'address,undefined' or 'thread'")
option(CAUSEWAY_WARNINGS_AS_ERRORS "Fail on compiler warnings" ${PROJECT_IS_TOP_LEVEL})

# One interface target carries how our own code is compiled; nothing of it reaches a user of the library.
add_library(causeway_compile_options INTERFACE)
target_compile_options(causeway_compile_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wcast-qual -Wformat=2 -Wundef
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast -Wextra-semi>
  # Designated initialisers leave members out on purpose.
  -Wno-missing-field-initializers
  $<$<BOOL:${CAUSEWAY_WARNINGS_AS_ERRORS}>:-Werror>)

if(CAUSEWAY_SANITIZE)
  add_compile_options(-fsanitize=${CAUSEWAY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CAUSEWAY_SANITIZE})
endif()

find_program(CAUSEWAY_CCACHE ccache)
mark_as_advanced(CAUSEWAY_CCACHE)
if(CAUSEWAY_CCACHE AND PROJECT_IS_TOP_LEVEL)
  # A second clone, and CI, find what the first one compiled: paths count from the source folder.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CAUSEWAY_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
