// SPDX-License-Identifier: Apache-2.0
// The caller's device, context and queue.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cl_error.hpp"
#include "context.hpp"

namespace causeway::opencl_backend {
namespace {

Error wrong(std::string text) {
  return Error(Errc::InvalidArgument, "adopt", std::move(text));
}

Status check_there(const cw_opencl_adopt_v1& info) {
  const std::array<std::pair<const char*, bool>, 4> parts{{{"platform", info.platform != nullptr},
                                                           {"device", info.device != nullptr},
                                                           {"context", info.context != nullptr},
                                                           {"queue", info.queue != nullptr}}};
  for (const auto& [name, there] : parts) {
    if (!there) {
      return wrong(fmt::format("{} is null; a device is adopted with its platform, context and queue", name));
    }
  }
  return {};
}

Status check_context(const Context& made, const cw_opencl_adopt_v1& info) {
  std::size_t bytes = 0;
  cl_int result = made.api.GetContextInfo(info.context, CL_CONTEXT_DEVICES, 0, nullptr, &bytes);
  std::vector<cl_device_id> devices(bytes / sizeof(cl_device_id));
  if (result == CL_SUCCESS && !devices.empty()) {
    result = made.api.GetContextInfo(info.context, CL_CONTEXT_DEVICES, devices.size() * sizeof(cl_device_id),
                                     devices.data(), nullptr);
  }
  if (result != CL_SUCCESS) {
    return wrong(
        fmt::format("clGetContextInfo answers {}: the context is none, or was released", to_string(result)));
  }
  if (std::find(devices.begin(), devices.end(), info.device) == devices.end()) {
    return wrong(
        fmt::format("the context has {} device(s), and {} is not among them; make the context with "
                    "the device that is adopted",
                    devices.size(), made.facts.name));
  }
  return {};
}

template <class T>
cl_int ask(const Api& api, cl_command_queue queue, cl_command_queue_info what, T& answer) {
  // NOLINTNEXTLINE(bugprone-sizeof-expression): handles are pointers
  return api.GetCommandQueueInfo(queue, what, sizeof(T), &answer, nullptr);
}

Status check_queue(Context& made, const cw_opencl_adopt_v1& info) {
  cl_context context = nullptr;
  cl_device_id device = nullptr;
  cl_command_queue_properties properties = 0;
  cl_int result = ask(made.api, info.queue, CL_QUEUE_CONTEXT, context);
  if (result == CL_SUCCESS) {
    result = ask(made.api, info.queue, CL_QUEUE_DEVICE, device);
  }
  if (result == CL_SUCCESS) {
    result = ask(made.api, info.queue, CL_QUEUE_PROPERTIES, properties);
  }
  if (result != CL_SUCCESS) {
    return wrong(fmt::format("clGetCommandQueueInfo answers {}: the queue is none, or was released",
                             to_string(result)));
  }
  if (context != info.context) {
    return wrong("the queue belongs to another context than the one that is adopted with it");
  }
  if (device != info.device) {
    return wrong(
        fmt::format("the queue is one of another device of the context, not of {}", made.facts.name));
  }
  if ((properties & CL_QUEUE_ON_DEVICE) != 0) {
    return wrong("the queue is on the device (CL_QUEUE_ON_DEVICE); one that a host enqueues to is needed");
  }
  made.out_of_order = (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0;
  return {};
}

}  // namespace

Result<std::unique_ptr<Context>> adopt(plugin::Host host, const cw_opencl_adopt_v1& info) {
  if (auto status = check_there(info); !status) {
    return std::move(status.error());
  }
  auto api = system_api();
  if (!api) {
    return std::move(api.error());
  }
  auto made = std::make_unique<Context>(host, **api);
  made->adopted = true;
  cl_platform_id platform = nullptr;
  const cl_int result =
      // NOLINTNEXTLINE(bugprone-sizeof-expression): handles are pointers
      made->api.GetDeviceInfo(info.device, CL_DEVICE_PLATFORM, sizeof(platform), &platform, nullptr);
  if (result != CL_SUCCESS) {
    return wrong(fmt::format("clGetDeviceInfo answers {}: the device is none", to_string(result)));
  }
  if (platform != info.platform) {
    return wrong("the device belongs to another platform (driver) than the one that is adopted with it");
  }
  auto facts = inspect(made->api, info.platform, info.device, 0);
  if (!facts) {
    return std::move(facts.error());
  }
  made->facts = std::move(*facts);
  if (auto status = check_context(*made, info); !status) {
    return std::move(status.error());
  }
  if (auto status = check_queue(*made, info); !status) {
    return std::move(status.error());
  }
  if (made->api.RetainContext(info.context) != CL_SUCCESS) {
    return wrong("the context cannot be retained: it was released");
  }
  made->context = ContextHandle(made->api, info.context);
  if (made->api.RetainCommandQueue(info.queue) != CL_SUCCESS) {
    return wrong("the queue cannot be retained: it was released");
  }
  made->queue = QueueHandle(made->api, info.queue);
  if (auto status = equip(*made, info.path); !status) {
    return std::move(status.error());
  }
  return made;
}

}  // namespace causeway::opencl_backend
