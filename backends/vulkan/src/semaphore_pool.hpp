// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "context.hpp"
#include "timeline.hpp"

namespace causeway::vulkan_backend {

/// Binary semaphores, used again and again: a repeated frame makes none. A semaphore is free again once the
/// batch that waits for it or signals it is done (VUID-vkImportSemaphoreFdKHR-semaphore-01142), which a point
/// of a timeline tells.
///
/// Threads: externally synchronized by the owner.
class SemaphorePool {
public:
  explicit SemaphorePool(const Context& context) noexcept : context_(context) {}
  SemaphorePool(const SemaphorePool&) = delete;
  SemaphorePool& operator=(const SemaphorePool&) = delete;
  /// Waits for those that are in flight.
  ~SemaphorePool();

  /// One whose next wait is a wait for the sync_file; its descriptor stays the caller's.
  /// Errors: OutOfMemory, OutOfFds, Unsupported (not accepted as a sync_file), DeviceLost.
  [[nodiscard]] Result<VkSemaphore> import(BorrowedFd sync_file);
  /// One that is unsignalled, and exportable as SYNC_FD where the device exports. Errors: OutOfMemory.
  [[nodiscard]] Result<VkSemaphore> take();
  /// Once the timeline is at the point, it is free.
  void in_flight(VkSemaphore semaphore, std::shared_ptr<Timeline> timeline, std::uint64_t point);
  /// One that no batch uses, or whose signal was exported.
  void give_back(VkSemaphore semaphore);

private:
  struct Flight {
    VkSemaphore semaphore;
    std::shared_ptr<Timeline> timeline;
    std::uint64_t point;
  };
  void land();

  const Context& context_;
  std::vector<VkSemaphore> all_;
  std::vector<VkSemaphore> free_;
  std::vector<Flight> flights_;
};

}  // namespace causeway::vulkan_backend
