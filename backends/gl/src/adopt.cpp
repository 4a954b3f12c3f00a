// SPDX-License-Identifier: Apache-2.0
// The caller's display and context.
#include <fmt/format.h>

#include "context.hpp"
#include "egl_error.hpp"

namespace causeway::gl_backend {
namespace {

Error wrong(Errc code, std::string text) {
  return Error(code, "adopt", std::move(text));
}

Status check(const Api& api, const cw_gl_adopt_v1& info) {
  const auto& egl = api.egl;
  if (egl.QueryString(info.display, EGL_VERSION) == nullptr) {
    return wrong(Errc::InvalidArgument,
                 fmt::format("eglQueryString answers {}: the display is none, or was not initialised",
                             egl_name(egl.GetError())));
  }
  EGLint type = 0;
  if (egl.QueryContext(info.display, info.context, EGL_CONTEXT_CLIENT_TYPE, &type) == EGL_FALSE) {
    return wrong(Errc::InvalidArgument,
                 fmt::format("eglQueryContext answers {}: the context is none, or belongs to another display",
                             egl_name(egl.GetError())));
  }
  if (type != EGL_OPENGL_ES_API) {
    return wrong(Errc::Unsupported,
                 "the context is one of desktop OpenGL or OpenVG; imported memory becomes a texture of a "
                 "context of OpenGL ES (eglBindAPI(EGL_OPENGL_ES_API) before eglCreateContext)");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Context>> adopt(plugin::Host host, const cw_gl_adopt_v1& info) {
  if (info.display == EGL_NO_DISPLAY || info.context == EGL_NO_CONTEXT) {
    return wrong(Errc::InvalidArgument, fmt::format("{} is null; a display is adopted with a context of it",
                                                    info.display == EGL_NO_DISPLAY ? "display" : "context"));
  }
  cw_gl_get_proc_address entry = info.get_proc_address;
  if (entry == nullptr) {
    auto found = system_get_proc_address();
    if (!found) {
      return std::move(found.error());
    }
    entry = *found;
  }
  auto api = load_api(entry);
  if (!api) {
    return std::move(api.error());
  }
  if (auto status = check(*api, info); !status) {
    return std::move(status.error());
  }
  auto made = std::make_unique<Context>(host, *api);
  made->adopted = true;
  made->display = info.display;
  made->context = info.context;
  if (auto status = equip(*made); !status) {
    return std::move(status.error());
  }
  return made;
}

}  // namespace causeway::gl_backend
