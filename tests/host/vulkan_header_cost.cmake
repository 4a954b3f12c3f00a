# SPDX-License-Identifier: Apache-2.0
#
# What a program that includes causeway/causeway.hpp already pays for causeway/vulkan.hpp beside it: Vulkan's own
# vulkan_core.h, and at most a fiftieth more. Counted in bytes after preprocessing, which are the same on every run.
# Called with COMPILER, INCLUDES (a list of folders).
set(folder ${CMAKE_CURRENT_BINARY_DIR})
list(TRANSFORM INCLUDES PREPEND -I)

function(bytes_of result name)
  list(JOIN ARGN ">\n#include <" lines)
  file(WRITE ${folder}/header_cost_${name}.cpp "#include <${lines}>\n")
  execute_process(COMMAND ${COMPILER} -std=c++20 -E ${INCLUDES} ${folder}/header_cost_${name}.cpp
    OUTPUT_VARIABLE text RESULT_VARIABLE failed ERROR_VARIABLE why)
  if(failed)
    message(FATAL_ERROR "${name}: ${why}")
  endif()
  # Without the lines that say where the text came from.
  string(REGEX REPLACE "(^|\n)# [^\n]*" "" code "${text}")
  string(LENGTH "${code}" length)
  set(${result} ${length} PARENT_SCOPE)
  string(REGEX MATCHALL "/vulkan/[a-z_]+\\.h[a-z]*\"" headers "${text}")
  list(REMOVE_DUPLICATES headers)
  set(${result}_headers "${headers}" PARENT_SCOPE)
endfunction()

bytes_of(core core vulkan/vulkan_core.h)
bytes_of(without without causeway/causeway.hpp)
bytes_of(with with causeway/causeway.hpp causeway/vulkan.hpp)
math(EXPR added "${with} - ${without}")
math(EXPR permitted "${core} + ${core} / 50")
message("vulkan_core.h: ${core} bytes; causeway/vulkan.hpp adds ${added} to causeway/causeway.hpp; permitted: ${permitted}")
if(added GREATER permitted)
  message(FATAL_ERROR "an include of causeway/vulkan.hpp costs more than vulkan_core.h")
endif()
if(NOT with_headers STREQUAL core_headers)
  message(FATAL_ERROR "causeway/vulkan.hpp brings other headers of Vulkan's: ${with_headers}")
endif()
if(NOT without_headers STREQUAL "")
  message(FATAL_ERROR "causeway/causeway.hpp brings headers of Vulkan's: ${without_headers}")
endif()
