// SPDX-License-Identifier: Apache-2.0
#include <causeway/gl.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/runtime.hpp>
#include <string>

namespace causeway::gl {

Result<Device> open(Runtime& runtime, std::string_view id) {
  return runtime.open_device("gl", {.id = std::string(id)});
}

Result<Device> adopt(Runtime& runtime, const AdoptInfo& info) {
  auto raw = plugin::sized<cw_gl_adopt_v1>();
  raw.get_proc_address = info.get_proc_address;
  raw.display = info.display;
  raw.context = info.context;
  return runtime.open_device("gl", {.id = {}, .adopt_interface = CW_GL_ADOPT_V1, .adopt = &raw});
}

Result<Handles> handles(const Device& device) {
  const auto* table = static_cast<const cw_gl_device_v1*>(device.interface(CW_GL_DEVICE_V1));
  if (table == nullptr) {
    return Error(
        Errc::InvalidArgument, "gl::handles",
        "the device " + device.name() + " is of the backend '" + device.backend() + "', not of 'gl'");
  }
  auto raw = plugin::sized<cw_gl_handles_v1>();
  table->handles(device.raw(), &raw);
  return Handles{raw.display, raw.context, raw.get_proc_address};
}

Result<const View*> view(const Mapping& mapping) {
  const auto* found = static_cast<const View*>(mapping.native(CW_GL_VIEW_V1));
  if (found == nullptr) {
    return Error(Errc::InvalidArgument, "gl::view",
                 "the mapping is empty, or of a device that is not of the backend 'gl'");
  }
  return found;
}

}  // namespace causeway::gl
