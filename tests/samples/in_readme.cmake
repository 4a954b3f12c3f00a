# SPDX-License-Identifier: Apache-2.0
# Fails unless the README's code block behind the marker <!-- samples/NAME --> is the file SOURCE without its licence
# line: cmake -D README=… -D SOURCE=… -P in_readme.cmake
file(READ "${README}" readme)
file(READ "${SOURCE}" source)
get_filename_component(name "${SOURCE}" NAME)
set(marker "<!-- samples/${name} -->\n```cpp\n")
string(FIND "${readme}" "${marker}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${README} has no code block behind the marker <!-- samples/${name} -->.")
endif()
string(LENGTH "${marker}" length)
math(EXPR at "${at} + ${length}")
string(SUBSTRING "${readme}" ${at} -1 shown)
string(FIND "${shown}" "```" end)
string(SUBSTRING "${shown}" 0 ${end} shown)
string(REGEX REPLACE "^// SPDX-License-Identifier[^\n]*\n" "" source "${source}")
if(NOT shown STREQUAL source)
  message(FATAL_ERROR "The code block behind <!-- samples/${name} --> in ${README} is not what ${SOURCE} holds. "
                      "Paste the file there, without its first line.")
endif()
