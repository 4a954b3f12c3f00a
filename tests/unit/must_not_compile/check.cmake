# SPDX-License-Identifier: Apache-2.0
#
# cmake -DCOMPILER= -DSOURCE= -DINCLUDE_DIRS= -DWORDS= -P check.cmake
# INCLUDE_DIRS is separated by colons.
string(REPLACE ":" ";" INCLUDE_DIRS "${INCLUDE_DIRS}")
list(REMOVE_ITEM INCLUDE_DIRS "")
list(TRANSFORM INCLUDE_DIRS PREPEND -I)
set(compile ${COMPILER} -std=c++20 -Wall -Wextra -Werror -fsyntax-only ${INCLUDE_DIRS})

# The case without its mistake first: a case that never compiles proves nothing.
execute_process(COMMAND ${compile} ${SOURCE} RESULT_VARIABLE failed ERROR_VARIABLE said)
if(failed)
  message(FATAL_ERROR "${SOURCE} does not compile without its mistake:\n${said}")
endif()
execute_process(COMMAND ${compile} -DMISTAKE ${SOURCE} RESULT_VARIABLE failed ERROR_VARIABLE said)
if(NOT failed)
  message(FATAL_ERROR "${SOURCE} compiles with its mistake")
endif()
if(NOT said MATCHES "${WORDS}")
  message(FATAL_ERROR "${SOURCE} is refused, but for another reason than ${WORDS}:\n${said}")
endif()
