// SPDX-License-Identifier: Apache-2.0
// A device of the machine, with a context of our own.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "context.hpp"
#include "egl_device.hpp"
#include "egl_error.hpp"

namespace causeway::gl_backend {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// The one that id names, or all of them, hardware first.
Result<std::vector<EglDevice>> choose(std::vector<EglDevice> devices, std::string_view id) {
  if (devices.empty()) {
    return Error(Errc::NotFound, "eglQueryDevicesEXT",
                 "EGL has no devices here: no driver is installed; Debian's package libgl1-mesa-dri brings "
                 "Mesa's, one of which runs on any CPU");
  }
  if (id.empty()) {
    std::stable_partition(devices.begin(), devices.end(),
                          [](const auto& device) { return !device.software; });
    return devices;
  }
  std::string names;
  for (const auto& device : devices) {
    if (std::to_string(device.index) == id || lower(device.name).find(lower(id)) != std::string::npos) {
      return std::vector{device};
    }
    names += fmt::format("{}{}", names.empty() ? "" : ", ", device.name);
  }
  return Error(Errc::NotFound, "open",
               fmt::format("no EGL device has the index or the name \"{}\"; there are {}", id, names));
}

Result<EGLContext> make_context(const Context& made) {
  const auto& egl = made.api.egl;
  if (!offers(egl.QueryString(made.display, EGL_EXTENSIONS), "EGL_KHR_no_config_context")) {
    return Error(Errc::Unsupported, "open",
                 "the driver lacks EGL_KHR_no_config_context; a display and context of your own can be "
                 "adopted all the same");
  }
  const EGLenum bound_api = egl.QueryAPI();
  egl.BindAPI(EGL_OPENGL_ES_API);
  EGLContext context = EGL_NO_CONTEXT;
  for (const EGLint version : {3, 2}) {
    const std::array<EGLint, 3> words{EGL_CONTEXT_CLIENT_VERSION, version, EGL_NONE};
    context = egl.CreateContext(made.display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, words.data());
    if (context != EGL_NO_CONTEXT) {
      break;
    }
  }
  const EGLint code = context == EGL_NO_CONTEXT ? egl.GetError() : EGL_SUCCESS;
  egl.BindAPI(bound_api);
  if (context == EGL_NO_CONTEXT) {
    return egl_error(code, "eglCreateContext", "making a context of OpenGL ES 2 or 3");
  }
  return context;
}

Result<std::unique_ptr<Context>> open_one(plugin::Host host, const Api& api, const EglDevice& device) {
  auto display = initialise(api, device);
  if (!display) {
    return std::move(display.error());
  }
  auto made = std::make_unique<Context>(host, api);
  made->display = *display;
  made->index = device.index;
  made->software = device.software;
  auto context = make_context(*made);
  if (!context) {
    return std::move(context.error());
  }
  made->context = *context;
  if (auto status = equip(*made); !status) {
    return std::move(status.error());
  }
  return made;
}

}  // namespace

Result<std::unique_ptr<Context>> open_own_device(plugin::Host host, std::string_view id) {
  auto entry = system_get_proc_address();
  if (!entry) {
    return std::move(entry.error());
  }
  auto api = load_api(*entry);
  if (!api) {
    return std::move(api.error());
  }
  auto candidates = choose(list_devices(*api), id);
  if (!candidates) {
    return std::move(candidates.error());
  }
  std::string reasons;
  Errc code = Errc::Unsupported;
  for (const auto& device : *candidates) {
    auto made = open_one(host, *api, device);
    if (made) {
      return made;
    }
    code = made.error().code();
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", device.name, made.error().detail());
  }
  return Error(code, "open", fmt::format("no EGL device works: {}", reasons));
}

}  // namespace causeway::gl_backend
