// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "api.hpp"

namespace causeway::gl_backend {

/// A device of EGL (EGL_EXT_device_enumeration), which nobody has initialised yet.
struct EglDevice {
  std::uint32_t index;
  EGLDeviceEXT handle;  ///< null: the default one, without a window system (EGL_MESA_platform_surfaceless)
  std::string name;     ///< "EGL device 0 (/dev/dri/card0)"
  bool software;        ///< EGL_MESA_device_software: it draws on the CPU
};

/// Those of every driver, or the one that EGL takes by default where it cannot list them. None is no error.
[[nodiscard]] std::vector<EglDevice> list_devices(const Api& api);

/// A display on it, which is one for the whole process: EGL gives the same for the same device, and counts
/// nobody's use of it, so it is never terminated here. Errors: Unsupported (no driver starts; says why).
[[nodiscard]] Result<EGLDisplay> initialise(const Api& api, const EglDevice& device);

}  // namespace causeway::gl_backend
