# SPDX-License-Identifier: Apache-2.0
#
# The library is put together from object libraries, one for each room of the house. Each sees only the
# include directories it may see, so that an arrow in the wrong direction does not compile:
#   causeway_headers   the public headers and the plugin ABI
#   runtime/src/*      headers + runtime/src
#   backends/*         headers + the backend's own include directory and sources
set(CAUSEWAY_OBJECT_LIBRARIES "" CACHE INTERNAL "")
set(CAUSEWAY_BACKENDS "" CACHE INTERNAL "")
set(CAUSEWAY_LINKED "" CACHE INTERNAL "")

# causeway_room(NAME SOURCES … [SEES target…] [USES library…] [INCLUDE private dir…])
#   SEES: interface targets; USES: libraries that the finished library links privately.
function(causeway_room name)
  cmake_parse_arguments(arg "" "" "SOURCES;SEES;USES;INCLUDE" ${ARGN})
  add_library(${name} OBJECT ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC causeway_headers ${arg_SEES} PRIVATE causeway_compile_options ${arg_USES})
  target_include_directories(${name} PRIVATE ${arg_INCLUDE})
  set(CAUSEWAY_OBJECT_LIBRARIES ${CAUSEWAY_OBJECT_LIBRARIES} ${name} CACHE INTERNAL "")
  set(CAUSEWAY_LINKED ${CAUSEWAY_LINKED} ${arg_USES} CACHE INTERNAL "")
endfunction()

# causeway_backend(NAME SOURCES … [USES library…])
#   A built-in backend: defines `extern "C" const cw_backend* causeway_<name>_backend(uint32_t host_version)`,
#   has its sources in src/ and its typed public headers in include/causeway/.
function(causeway_backend name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES" ${ARGN})
  add_library(causeway_${name}_headers INTERFACE)
  target_include_directories(causeway_${name}_headers INTERFACE
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>)
  causeway_room(causeway_backend_${name}
    SOURCES ${arg_SOURCES} SEES causeway_${name}_headers USES ${arg_USES} INCLUDE src)
  set(CAUSEWAY_BACKENDS ${CAUSEWAY_BACKENDS} ${name} CACHE INTERNAL "")
endfunction()

# The library `causeway::causeway`: every room, and the table of the built-in backends.
function(causeway_compose_library)
  set(declarations "")
  set(entries "")
  foreach(name IN LISTS CAUSEWAY_BACKENDS)
    string(APPEND declarations "extern \"C\" const cw_backend* causeway_${name}_backend(std::uint32_t);\n")
    string(APPEND entries "    &causeway_${name}_backend,\n")
  endforeach()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/builtin_backends.cpp.in
                 ${PROJECT_BINARY_DIR}/generated/builtin_backends.cpp @ONLY)
  add_library(causeway STATIC ${PROJECT_BINARY_DIR}/generated/builtin_backends.cpp)
  add_library(causeway::causeway ALIAS causeway)
  target_include_directories(causeway PRIVATE ${PROJECT_SOURCE_DIR}/runtime/src)
  target_link_libraries(causeway PUBLIC causeway_headers PRIVATE causeway_compile_options)
  foreach(room IN LISTS CAUSEWAY_OBJECT_LIBRARIES)
    target_sources(causeway PRIVATE $<TARGET_OBJECTS:${room}>)
  endforeach()
  foreach(name IN LISTS CAUSEWAY_BACKENDS)
    target_link_libraries(causeway PUBLIC causeway_${name}_headers)
  endforeach()
  list(REMOVE_DUPLICATES CAUSEWAY_LINKED)
  target_link_libraries(causeway PRIVATE ${CAUSEWAY_LINKED} ${CMAKE_DL_LIBS})
endfunction()
