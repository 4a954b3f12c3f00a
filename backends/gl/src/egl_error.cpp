// SPDX-License-Identifier: Apache-2.0
#include "egl_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace causeway::gl_backend {
namespace {

// KHR_robustness; gl2ext.h has the name with a suffix.
constexpr GLenum kContextLost = 0x0507;

struct Row {
  std::uint32_t code;
  const char* name;
  Errc errc;
};

// Names and meanings: EGL 1.5, section 3.1, Errors. What a driver refuses although it looked sound to us is
// Unsupported.
constexpr auto kEgl = std::to_array<Row>({
    {EGL_SUCCESS, "EGL_SUCCESS", Errc::Internal},
    {EGL_NOT_INITIALIZED, "EGL_NOT_INITIALIZED", Errc::Unsupported},
    {EGL_BAD_ACCESS, "EGL_BAD_ACCESS", Errc::Busy},
    {EGL_BAD_ALLOC, "EGL_BAD_ALLOC", Errc::OutOfMemory},
    {EGL_BAD_ATTRIBUTE, "EGL_BAD_ATTRIBUTE", Errc::Unsupported},
    {EGL_BAD_CONTEXT, "EGL_BAD_CONTEXT", Errc::InvalidArgument},
    {EGL_BAD_CONFIG, "EGL_BAD_CONFIG", Errc::Unsupported},
    {EGL_BAD_CURRENT_SURFACE, "EGL_BAD_CURRENT_SURFACE", Errc::WrongState},
    {EGL_BAD_DISPLAY, "EGL_BAD_DISPLAY", Errc::InvalidArgument},
    {EGL_BAD_SURFACE, "EGL_BAD_SURFACE", Errc::InvalidArgument},
    {EGL_BAD_MATCH, "EGL_BAD_MATCH", Errc::Unsupported},
    {EGL_BAD_PARAMETER, "EGL_BAD_PARAMETER", Errc::Unsupported},
    {EGL_BAD_NATIVE_PIXMAP, "EGL_BAD_NATIVE_PIXMAP", Errc::Internal},
    {EGL_BAD_NATIVE_WINDOW, "EGL_BAD_NATIVE_WINDOW", Errc::Internal},
    {EGL_CONTEXT_LOST, "EGL_CONTEXT_LOST", Errc::DeviceLost},
});

// OpenGL ES 3.2, section 2.3.1, Errors.
constexpr auto kGl = std::to_array<Row>({
    {GL_INVALID_ENUM, "GL_INVALID_ENUM", Errc::Unsupported},
    {GL_INVALID_VALUE, "GL_INVALID_VALUE", Errc::Unsupported},
    {GL_INVALID_OPERATION, "GL_INVALID_OPERATION", Errc::Unsupported},
    {GL_INVALID_FRAMEBUFFER_OPERATION, "GL_INVALID_FRAMEBUFFER_OPERATION", Errc::Unsupported},
    {GL_OUT_OF_MEMORY, "GL_OUT_OF_MEMORY", Errc::OutOfMemory},
    {kContextLost, "GL_CONTEXT_LOST", Errc::DeviceLost},
});

template <class Table>
const Row* find(const Table& table, std::uint32_t code) noexcept {
  const auto row = std::find_if(table.begin(), table.end(), [=](const Row& one) { return one.code == code; });
  return row != table.end() ? &*row : nullptr;
}

Error failure(const Row* row, const std::string& name, std::string_view command, std::string_view attempt) {
  const Errc errc = row != nullptr ? row->errc : Errc::Io;
  return Error(
      errc, std::string(command),
      fmt::format("{} failed with {}{}", attempt, name,
                  errc == Errc::DeviceLost ? ": the device is gone, and everything on it with it" : ""));
}

}  // namespace

std::string egl_name(EGLint code) {
  const Row* row = find(kEgl, static_cast<std::uint32_t>(code));
  return row != nullptr ? row->name : fmt::format("EGL error {:#x}", code);
}

std::string gl_name(GLenum code) {
  const Row* row = find(kGl, code);
  return row != nullptr ? row->name : fmt::format("GL error {:#x}", code);
}

Error egl_error(EGLint code, std::string_view command, std::string_view attempt) {
  return failure(find(kEgl, static_cast<std::uint32_t>(code)), egl_name(code), command, attempt);
}

Error egl_error(const Api& api, std::string_view command, std::string_view attempt) {
  return egl_error(api.egl.GetError(), command, attempt);
}

Error gl_error(GLenum code, std::string_view command, std::string_view attempt) {
  return failure(find(kGl, code), gl_name(code), command, attempt);
}

}  // namespace causeway::gl_backend
