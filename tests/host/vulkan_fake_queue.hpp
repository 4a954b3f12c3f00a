// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace causeway::test {

/// The queue and the semaphores of the fake driver: timelines, SYNC_FD in and out, and failures on command.
/// reset() puts it into FakeDriver, which is reset, too.
struct FakeQueue {
  using Point = std::pair<VkSemaphore, std::uint64_t>;
  struct Batch {
    std::vector<Point> waits;
    std::vector<VkCommandBuffer> commands;
    std::vector<Point> signals;
    VkFence fence = VK_NULL_HANDLE;
  };
  std::vector<Batch> batches;  ///< every one that was submitted
  bool holds = false;          ///< batches stay undone until run()
  /// If not VK_SUCCESS, the next call of that kind fails with it, once.
  VkResult create_fails = VK_SUCCESS;
  VkResult import_fails = VK_SUCCESS;
  VkResult export_fails = VK_SUCCESS;
  VkResult submit_fails = VK_SUCCESS;
  VkResult commands_fail = VK_SUCCESS;
  VkResult signal_fails = VK_SUCCESS;
  VkResult fence_wait_fails = VK_SUCCESS;
  bool lost = false;          ///< every call that can answers VK_ERROR_DEVICE_LOST
  bool sync_fd = true;        ///< says that it imports and exports SYNC_FD
  bool exports_none = false;  ///< answers -1: the work is done
  bool opaque = false;        ///< says that it shares timelines as OPAQUE_FD
  VkResult opaque_import_fails = VK_SUCCESS;
  /// Asked for each failed import: does the driver close the descriptor?
  std::function<bool(VkResult)> closes = [](VkResult) { return false; };

  int semaphores = 0;  ///< alive
  int made = 0;        ///< in all
  int command_buffers = 0;
  int imports = 0;  ///< as SYNC_FD, as the next
  int exports = 0;
  int signals = 0;         ///< from the CPU, that succeeded
  int opaque_imports = 0;  ///< that succeeded
  int opaque_exports = 0;
  std::vector<Point> cpu_waits;       ///< that vkWaitSemaphores was asked for
  std::vector<std::string> mistakes;  ///< of the caller, by the specification

  /// What was submitted is done, as far as the timelines that it waits for are there.
  void run();
  /// What a submission of a caller's own would signal.
  void reach(VkSemaphore semaphore, std::uint64_t value);
  [[nodiscard]] std::uint64_t value(VkSemaphore semaphore) const;

  static FakeQueue& instance();
  static void reset();
};

}  // namespace causeway::test
