// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "api.hpp"

namespace causeway::gl_backend {

/// Has a context current on this thread for as long as it lives, and puts back what was current before.
///
/// Threads: thread-bound.
class Current {
public:
  /// attempt: for the text of the error. Errors: Busy (the context is current on another thread), DeviceLost,
  /// InvalidArgument (the context was destroyed).
  [[nodiscard]] static Result<Current> make(const Api& api, EGLDisplay display, EGLContext context,
                                            std::string_view attempt);
  Current(Current&& other) noexcept;
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  Current& operator=(Current&&) = delete;
  ~Current();

private:
  /// What was current. The API that a thread has bound decides which contexts it creates and asks about.
  struct Before {
    EGLenum bound_api;
    EGLDisplay display;
    EGLContext context;
    EGLSurface draw;
    EGLSurface read;
  };
  Current(const Api& api, EGLDisplay display, const Before& before) noexcept
      : api_(&api), display_(display), before_(before) {}

  const Api* api_;
  EGLDisplay display_;
  std::optional<Before> before_;  ///< none: it was current already
};

}  // namespace causeway::gl_backend
