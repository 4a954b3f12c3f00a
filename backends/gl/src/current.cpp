// SPDX-License-Identifier: Apache-2.0
#include "current.hpp"

#include <fmt/format.h>

#include <utility>

#include "egl_error.hpp"

namespace causeway::gl_backend {

Result<Current> Current::make(const Api& api, EGLDisplay display, EGLContext context,
                              std::string_view attempt) {
  const auto& egl = api.egl;
  const Before before{egl.QueryAPI(), egl.GetCurrentDisplay(), egl.GetCurrentContext(),
                      egl.GetCurrentSurface(EGL_DRAW), egl.GetCurrentSurface(EGL_READ)};
  Current current(api, display, before);
  if (before.context == context && before.display == display) {
    current.before_.reset();
    return current;
  }
  egl.BindAPI(EGL_OPENGL_ES_API);
  if (egl.MakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context) == EGL_FALSE) {
    const EGLint code = egl.GetError();
    egl.BindAPI(before.bound_api);
    current.before_.reset();
    if (code == EGL_BAD_ACCESS) {
      return Error(Errc::Busy, "eglMakeCurrent",
                   fmt::format("{} failed with EGL_BAD_ACCESS: the context is current on another thread; an "
                               "access begins and ends on the thread where its context is current, or while "
                               "it is current nowhere",
                               attempt));
    }
    return egl_error(code, "eglMakeCurrent", attempt);
  }
  return current;
}

Current::Current(Current&& other) noexcept
    : api_(other.api_), display_(other.display_), before_(std::exchange(other.before_, std::nullopt)) {}

Current::~Current() {
  if (!before_) {
    return;
  }
  const auto& egl = api_->egl;
  egl.BindAPI(before_->bound_api);
  if (before_->context != EGL_NO_CONTEXT) {
    egl.MakeCurrent(before_->display, before_->draw, before_->read, before_->context);
  } else {
    egl.MakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
  }
}

}  // namespace causeway::gl_backend
