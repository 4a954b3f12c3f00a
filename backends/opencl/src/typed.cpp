// SPDX-License-Identifier: Apache-2.0
#include <causeway/opencl.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/runtime.hpp>
#include <string>

namespace causeway::opencl {

Result<Device> open(Runtime& runtime, std::string_view id, ImportPath path) {
  auto raw = plugin::sized<cw_opencl_open_v1>();
  raw.path = static_cast<std::uint32_t>(path);
  return runtime.open_device("opencl",
                             {.id = std::string(id), .adopt_interface = CW_OPENCL_OPEN_V1, .adopt = &raw});
}

Result<Device> adopt(Runtime& runtime, const AdoptInfo& info) {
  auto raw = plugin::sized<cw_opencl_adopt_v1>();
  raw.path = static_cast<std::uint32_t>(info.path);
  raw.platform = info.platform;
  raw.device = info.device;
  raw.context = info.context;
  raw.queue = info.queue;
  return runtime.open_device("opencl", {.id = {}, .adopt_interface = CW_OPENCL_ADOPT_V1, .adopt = &raw});
}

Result<Handles> handles(const Device& device) {
  const auto* table = static_cast<const cw_opencl_device_v1*>(device.interface(CW_OPENCL_DEVICE_V1));
  if (table == nullptr) {
    return Error(
        Errc::InvalidArgument, "opencl::handles",
        "the device " + device.name() + " is of the backend '" + device.backend() + "', not of 'opencl'");
  }
  auto raw = plugin::sized<cw_opencl_handles_v1>();
  table->handles(device.raw(), &raw);
  return Handles{raw.platform, raw.device, raw.context, raw.queue};
}

Result<const View*> view(const Mapping& mapping) {
  const auto* found = static_cast<const View*>(mapping.native(CW_OPENCL_VIEW_V1));
  if (found == nullptr) {
    return Error(Errc::InvalidArgument, "opencl::view",
                 "the mapping is empty, or of a device that is not of the backend 'opencl'");
  }
  return found;
}

Status end_with(const Mapping& mapping, cl_event event) {
  const auto seen = view(mapping);
  if (!seen) {
    return seen.error();
  }
  auto failure = plugin::sized<cw_error>();
  const auto status = (*seen)->sync->end_with((*seen)->owner, (*seen)->attachment, event, &failure);
  return status == CW_OK ? Status() : Status(plugin::take_error(status, failure));
}

}  // namespace causeway::opencl
