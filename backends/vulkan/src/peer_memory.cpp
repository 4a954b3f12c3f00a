// SPDX-License-Identifier: Apache-2.0
#include "peer_memory.hpp"

#include <fmt/format.h>

#include <causeway/plugin/descriptor.hpp>
#include "vk_error.hpp"

namespace causeway::vulkan_backend {

PeerMemory& PeerMemory::of_process() {
  static auto& one = *new PeerMemory;
  return one;
}

void PeerMemory::add(ObjectId id, const Export& exported) {
  const std::lock_guard lock(mutex_);
  exports_.insert_or_assign(id, exported);
}

void PeerMemory::forget(ObjectId id) noexcept {
  const std::lock_guard lock(mutex_);
  exports_.erase(id);
}

Result<OpaqueMemory> PeerMemory::share(ObjectId id, const Context& with) {
  const std::lock_guard lock(mutex_);  // until the descriptor is there: its owner may free the memory then
  const auto found = exports_.find(id);
  if (found == exports_.end()) {
    return Error(Errc::Unsupported, "attach",
                 "it is no memory that a Vulkan device of this process has exported as bytes, and still has");
  }
  const auto& [context, memory, allocation_size, memory_type, opaque] = found->second;
  if (!with.physical.same_driver(context->physical)) {
    return Error(
        Errc::Unsupported, "attach",
        fmt::format("{} exported it, and is not the same device under the same driver by its deviceUUID "
                    "and driverUUID",
                    context->name()));
  }
  if (!opaque) {
    return Error(
        Errc::Unsupported, "attach",
        fmt::format("{} exported it as a dma-buf, and by its compatibleHandleTypes cannot export one "
                    "memory as OPAQUE_FD, too",
                    context->name()));
  }
  const VkMemoryGetFdInfoKHR info{VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR, nullptr, memory,
                                  VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT};
  int fd = -1;
  const VkResult result = context->api.GetMemoryFdKHR(context->device, &info, &fd);
  if (result == VK_ERROR_TOO_MANY_OBJECTS) {
    return Error(Errc::OutOfFds, "vkGetMemoryFdKHR", "no descriptor is left for the shared memory");
  }
  if (result != VK_SUCCESS) {
    return vk_error("vkGetMemoryFdKHR", result, "exporting the memory as OPAQUE_FD");
  }
  return OpaqueMemory{plugin::take_from_driver(context->host, fd), allocation_size, memory_type};
}

}  // namespace causeway::vulkan_backend
