// SPDX-License-Identifier: Apache-2.0
#pragma once

// EGL between the backend and the driver: calls that fail when a test says so, extensions that are hidden,
// and books of what was made. Taken up by gl::AdoptInfo::get_proc_address. One for the process; reset() it
// first.

#include <causeway/gl_abi.h>

#include <cstdint>
#include <string>

namespace causeway::test {

struct GlBooks {
  std::int64_t images = 0;  ///< made and not destroyed
  std::int64_t textures = 0;
  std::int64_t syncs = 0;
  std::int64_t contexts = 0;
};

class FaultyGl {
public:
  /// As eglGetProcAddress.
  static __eglMustCastToProperFunctionPointerType get(const char* name);

  static void reset();
  /// The next calls of this function fail: after that many that succeed, with that code for eglGetError
  /// (glGetError where the function is one of OpenGL ES), so many times.
  static void fail(const std::string& function, std::uint32_t code, int after = 0, int times = 1);
  /// Whether a failure that was asked for has come.
  static bool failed();
  /// The display's list of extensions lacks it.
  static void hide(const std::string& extension);
  static const GlBooks& books();
};

}  // namespace causeway::test
