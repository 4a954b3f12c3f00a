// SPDX-License-Identifier: Apache-2.0
#include "context.hpp"

#include "validation.hpp"

namespace causeway::vulkan_backend {

Context::~Context() {
  if (adopted) {
    return;
  }
  if (device != VK_NULL_HANDLE) {
    api.DeviceWaitIdle(device);  // on VK_ERROR_DEVICE_LOST nothing runs any more, either
    api.DestroyDevice(device, nullptr);
  }
  if (instance != VK_NULL_HANDLE) {
    stop_validation(instance_api, instance, messenger);
    instance_api.DestroyInstance(instance, nullptr);
  }
}

void learn_habits(Context& context) {
  if (context.extensions.dma_buf()) {
    context.fd_habit = FdHabit::learn(context);
    // Only a driver that maps the descriptor with mmap can take a memfd; others would refuse it, or worse.
    context.imports_memfd = context.physical.on_cpu() && takes_memfd(context);
  }
  if (context.physical.driver_id == VK_DRIVER_ID_NVIDIA_PROPRIETARY) {
    context.host.log(
        CW_LOG_INFO,
        "NVIDIA's driver attaches no implicit fences: waiting on a dma-buf that it uses succeeds "
        "at once, so hand fences over explicitly");
  }
}

}  // namespace causeway::vulkan_backend
