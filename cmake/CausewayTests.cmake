# SPDX-License-Identifier: Apache-2.0
#
# Tests are whole programs: one CTest entry for each program and tier, named <tier>.<name> and labelled with the
# tier. A GoogleTest program leaves its XML in <build>/results/<tier>/, which `./dev test` sums up. Exit code 77
# means skipped.

# causeway_gtest(NAME SOURCES … TIERS unit|host|guest|hardware… [USES library…] [MACHINE machine])
#   MACHINE: in the tier guest, the program runs in a guest of its own kind, tests/guest/machines/<machine>.sh; its
#   label is then guest-<machine>.
function(causeway_gtest name)
  cmake_parse_arguments(arg "" "TIMEOUT;MACHINE" "SOURCES;TIERS;USES;ENVIRONMENT" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE causeway::causeway causeway_compile_options causeway_test_main
    GTest::gtest GTest::gmock ${arg_USES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/runtime/src)
  foreach(tier IN LISTS arg_TIERS)
    add_test(NAME ${tier}.${name} COMMAND ${name})
    causeway_test_properties(${tier}.${name} ${tier} "${arg_TIMEOUT}"
      "GTEST_OUTPUT=xml:${PROJECT_BINARY_DIR}/results/${tier}/" ${arg_ENVIRONMENT})
    causeway_test_machine(${tier}.${name} ${tier} "${arg_MACHINE}")
  endforeach()
endfunction()

# causeway_command_test(NAME TIER tier COMMAND … [MACHINE machine]): passes if the command exits with 0.
function(causeway_command_test name)
  cmake_parse_arguments(arg "" "TIER;TIMEOUT;MACHINE" "COMMAND;ENVIRONMENT" ${ARGN})
  add_test(NAME ${arg_TIER}.${name} COMMAND ${arg_COMMAND})
  causeway_test_properties(${arg_TIER}.${name} ${arg_TIER} "${arg_TIMEOUT}" ${arg_ENVIRONMENT})
  causeway_test_machine(${arg_TIER}.${name} ${arg_TIER} "${arg_MACHINE}")
endfunction()

function(causeway_test_machine test tier machine)
  if(tier STREQUAL guest AND machine)
    set_tests_properties(${test} PROPERTIES LABELS guest-${machine})
  endif()
endfunction()

function(causeway_test_properties test tier timeout)
  if(NOT timeout)
    set(timeout 120)
  endif()
  if(tier STREQUAL guest)
    math(EXPR timeout "${timeout} * 3") # emulated
  endif()
  set(environment "CAUSEWAY_TEST_TIER=${tier}" ${ARGN})
  if(CAUSEWAY_SANITIZE STREQUAL thread)
    list(APPEND environment "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
  endif()
  set_tests_properties(${test} PROPERTIES LABELS ${tier} SKIP_RETURN_CODE 77 TIMEOUT ${timeout}
    ENVIRONMENT "${environment}")
endfunction()
