// SPDX-License-Identifier: Apache-2.0
// A device of the machine, with a context and a queue of our own.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "cl_error.hpp"
#include "context.hpp"

namespace causeway::opencl_backend {
namespace {

int rank(cl_device_type type) noexcept {
  if ((type & CL_DEVICE_TYPE_GPU) != 0) {
    return 3;
  }
  if ((type & CL_DEVICE_TYPE_ACCELERATOR) != 0) {
    return 2;
  }
  return (type & CL_DEVICE_TYPE_CPU) != 0 ? 1 : 0;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

Result<DeviceFacts> choose(const std::vector<DeviceFacts>& devices, std::string_view id) {
  if (devices.empty()) {
    return Error(Errc::NotFound, "clGetPlatformIDs",
                 "this machine has no OpenCL device of version 1.2 or later: no driver (ICD) is installed in "
                 "/etc/OpenCL/vendors, or none starts; Debian's package pocl-opencl-icd has one that runs on "
                 "any CPU");
  }
  if (id.empty()) {
    return *std::max_element(devices.begin(), devices.end(),
                             [](const auto& a, const auto& b) { return rank(a.type) < rank(b.type); });
  }
  std::string names;
  for (const auto& device : devices) {
    if (std::to_string(device.index) == id) {
      return device;
    }
    names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", device.index, device.name);
  }
  const std::string wanted = lower(id);
  for (const auto& device : devices) {
    if (lower(device.name).find(wanted) != std::string::npos) {
      return device;
    }
  }
  return Error(Errc::NotFound, "open",
               fmt::format("no OpenCL device has the index or the name \"{}\"; there are {}", id, names));
}

}  // namespace

Result<std::unique_ptr<Context>> open_own_device(plugin::Host host, std::string_view id, std::uint32_t path) {
  auto api = system_api();
  if (!api) {
    return std::move(api.error());
  }
  auto devices = list_devices(**api, host);
  if (!devices) {
    return std::move(devices.error());
  }
  auto facts = choose(*devices, id);
  if (!facts) {
    return std::move(facts.error());
  }
  auto made = std::make_unique<Context>(host, **api);
  made->facts = std::move(*facts);
  const cl_context_properties properties[] = {
      CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(made->facts.platform), 0};
  cl_int result = CL_SUCCESS;
  cl_context context = made->api.CreateContext(properties, 1, &made->facts.device, nullptr, nullptr, &result);
  if (context == nullptr || result != CL_SUCCESS) {
    return cl_error("clCreateContext", result, fmt::format("making a context on {}", made->facts.name));
  }
  made->context = ContextHandle(made->api, context);
  cl_command_queue queue = made->api.CreateCommandQueue(context, made->facts.device, 0, &result);
  if (queue == nullptr || result != CL_SUCCESS) {
    return cl_error("clCreateCommandQueue", result, fmt::format("making a queue on {}", made->facts.name));
  }
  made->queue = QueueHandle(made->api, queue);
  if (auto status = equip(*made, path); !status) {
    return std::move(status.error());
  }
  return made;
}

}  // namespace causeway::opencl_backend
