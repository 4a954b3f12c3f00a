// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "context.hpp"
#include "timeline.hpp"

namespace causeway::vulkan_backend {

/// Binary semaphores, used again and again: a repeated frame makes none. A semaphore is free again once the
/// batch that waits for it or signals it is done (VUID-vkImportSemaphoreFdKHR-semaphore-01142), which a point
/// of a timeline tells.
///
/// Threads: thread-safe.
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
  /// One that no batch uses and that holds nothing, or whose signal was exported.
  void give_back(VkSemaphore semaphore);
  /// An imported one that no batch was to wait for after all. It is destroyed, since it holds what was
  /// imported until it is waited for: a signal of it would be the signal of somebody else's fence
  /// (VUID-vkQueueSubmit-pSignalSemaphores-00067).
  void discard(VkSemaphore semaphore);

private:
  struct Flight {
    VkSemaphore semaphore;
    std::shared_ptr<Timeline> timeline;
    std::uint64_t point;
  };
  void land_locked();

  const Context& context_;
  std::mutex mutex_;  // guards what follows
  std::vector<VkSemaphore> all_;
  std::vector<VkSemaphore> free_;
  std::vector<Flight> flights_;
};

}  // namespace causeway::vulkan_backend
