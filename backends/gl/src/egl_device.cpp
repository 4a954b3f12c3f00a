// SPDX-License-Identifier: Apache-2.0
#include "egl_device.hpp"

#include <fmt/format.h>

#include "egl_error.hpp"

namespace causeway::gl_backend {
namespace {

std::string name_of(const Api& api, EGLDeviceEXT handle, std::uint32_t index, bool software) {
  if (software) {
    return fmt::format("EGL device {} (software)", index);
  }
  const char* extensions = api.egl.QueryDeviceString(handle, EGL_EXTENSIONS);
  const char* node = offers(extensions, "EGL_EXT_device_drm")
                         ? api.egl.QueryDeviceString(handle, EGL_DRM_DEVICE_FILE_EXT)
                         : nullptr;
  return node != nullptr ? fmt::format("EGL device {} ({})", index, node)
                         : fmt::format("EGL device {}", index);
}

}  // namespace

std::vector<EglDevice> list_devices(const Api& api) {
  const auto& egl = api.egl;
  // Extensions of the library itself (EGL_EXT_client_extensions).
  const char* extensions = egl.QueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS);
  const bool enumerates = offers(extensions, "EGL_EXT_platform_device") &&
                          offers(extensions, "EGL_EXT_device_enumeration") &&
                          offers(extensions, "EGL_EXT_device_query") && egl.GetPlatformDisplay != nullptr &&
                          egl.QueryDevices != nullptr && egl.QueryDeviceString != nullptr;
  std::vector<EglDevice> found;
  if (!enumerates) {
    if (offers(extensions, "EGL_MESA_platform_surfaceless") && egl.GetPlatformDisplay != nullptr) {
      found.push_back({0, nullptr, "EGL device 0 (surfaceless)", false});
    }
    return found;
  }
  EGLint count = 0;
  if (egl.QueryDevices(0, nullptr, &count) == EGL_FALSE || count <= 0) {
    return found;
  }
  std::vector<EGLDeviceEXT> handles(static_cast<std::size_t>(count));
  if (egl.QueryDevices(count, handles.data(), &count) == EGL_FALSE) {
    return found;
  }
  handles.resize(static_cast<std::size_t>(count));
  for (const auto handle : handles) {
    const auto index = static_cast<std::uint32_t>(found.size());
    const bool software = offers(egl.QueryDeviceString(handle, EGL_EXTENSIONS), "EGL_MESA_device_software");
    found.push_back({index, handle, name_of(api, handle, index, software), software});
  }
  return found;
}

Result<EGLDisplay> initialise(const Api& api, const EglDevice& device) {
  const auto& egl = api.egl;
  EGLDisplay display =
      device.handle != nullptr
          ? egl.GetPlatformDisplay(EGL_PLATFORM_DEVICE_EXT, device.handle, nullptr)
          : egl.GetPlatformDisplay(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr);
  if (display == EGL_NO_DISPLAY) {
    return egl_error(api, "eglGetPlatformDisplay", "getting a display on " + device.name);
  }
  if (egl.Initialize(display, nullptr, nullptr) == EGL_FALSE) {
    return Error(Errc::Unsupported, "eglInitialize",
                 fmt::format("no driver starts on {} ({})", device.name, egl_name(egl.GetError())));
  }
  return display;
}

}  // namespace causeway::gl_backend
