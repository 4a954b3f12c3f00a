// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>
#include <string>
#include <string_view>

#include "api.hpp"

namespace causeway::gl_backend {

/// "EGL_BAD_MATCH"; "EGL error 0x3099" where it is not known here.
[[nodiscard]] std::string egl_name(EGLint code);
/// "GL_OUT_OF_MEMORY"; "GL error 0x599" where it is not known here.
[[nodiscard]] std::string gl_name(GLenum code);

/// The failure of an EGL command that was tried in order to do attempt ("making a context"), by eglGetError,
/// which is asked for it here. EGL_CONTEXT_LOST is DeviceLost.
[[nodiscard]] Error egl_error(const Api& api, std::string_view command, std::string_view attempt);
/// As before, with a code that was asked for earlier.
[[nodiscard]] Error egl_error(EGLint code, std::string_view command, std::string_view attempt);
/// The failure of commands of OpenGL ES, by a code that glGetError gave.
[[nodiscard]] Error gl_error(GLenum code, std::string_view command, std::string_view attempt);

}  // namespace causeway::gl_backend
