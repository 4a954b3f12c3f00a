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

EnabledParts enabled_parts(const Context& context) noexcept {
  return {.memory_fd = context.extensions.has(VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME),
          .host_pointer = context.extensions.host_pointer(),
          .timeline = context.timeline,
          .timeline_khr = context.extensions.has(VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME),
          .semaphore_fd = context.extensions.has(VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME)};
}

namespace {

VkExternalSemaphoreFeatureFlags semaphore_features(const Context& context, VkSemaphoreType type,
                                                   VkExternalSemaphoreHandleTypeFlagBits handle) {
  const VkSemaphoreTypeCreateInfo kind{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, nullptr, type, 0};
  const VkPhysicalDeviceExternalSemaphoreInfo which{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
                                                    type == VK_SEMAPHORE_TYPE_TIMELINE ? &kind : nullptr,
                                                    handle};
  VkExternalSemaphoreProperties answer{VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES, nullptr, 0, 0, 0};
  context.instance_api.GetPhysicalDeviceExternalSemaphoreProperties(context.physical.handle, &which, &answer);
  return answer.externalSemaphoreFeatures;
}

}  // namespace

void learn_habits(Context& context) {
  if (context.extensions.has(VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME)) {
    const auto sync_fd =
        semaphore_features(context, VK_SEMAPHORE_TYPE_BINARY, VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT);
    context.imports_sync_fd = (sync_fd & VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT) != 0;
    context.exports_sync_fd = (sync_fd & VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT) != 0;
    if (context.timeline) {
      constexpr VkExternalSemaphoreFeatureFlags kBoth =
          VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT | VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT;
      context.shares_timelines = (semaphore_features(context, VK_SEMAPHORE_TYPE_TIMELINE,
                                                     VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT) &
                                  kBoth) == kBoth;
    }
    if (context.physical.is_lavapipe() && context.imports_sync_fd &&
        (context.submits || context.takes_turns)) {
      context.semaphore_habit = FdHabit::learn_of_semaphores(context);
    }
  }
  // Of the others only what the specification permits is asked: no file that is not of the handle's type
  // (VUID-VkImportMemoryFdInfoKHR-handleType-00670, VUID-VkImportSemaphoreFdInfoKHR-fd-01544).
  if (context.physical.is_lavapipe() && context.extensions.dma_buf()) {
    context.fd_habit = FdHabit::learn(context);
    context.imports_memfd = takes_memfd(context);
  }
  if (context.physical.driver_id == VK_DRIVER_ID_NVIDIA_PROPRIETARY) {
    context.host.log(
        CW_LOG_INFO,
        "NVIDIA's driver attaches no implicit fences: waiting on a dma-buf that it uses succeeds "
        "at once, so hand fences over explicitly");
  }
}

}  // namespace causeway::vulkan_backend
