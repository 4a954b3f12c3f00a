// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/result.hpp>
#include <cstdint>
#include <string_view>

#include "context.hpp"

namespace causeway::vulkan_backend {

/// A VkFence for one batch after the other. While a batch is out, its fence may be neither reset nor
/// destroyed (VUID-vkResetFences-pFences-01123, VUID-vkDestroyFence-fence-01120), nor may what it works on
/// go; and a wait that ran out of memory has not seen its end. So it counts as out until it is seen to be
/// done, or the device is lost.
///
/// Threads: externally synchronized by the owner.
class BatchFence {
public:
  explicit BatchFence(const Context& context) noexcept : context_(context) {}
  BatchFence(const BatchFence&) = delete;
  BatchFence& operator=(const BatchFence&) = delete;
  /// settle() comes before.
  ~BatchFence();

  /// Fit for the next batch, once the one before is done. Errors: TimedOut (that one is still out),
  /// OutOfMemory, DeviceLost.
  [[nodiscard]] Status prepare(std::int64_t deadline_ns, std::string_view attempt);
  /// For vkQueueSubmit, after prepare().
  [[nodiscard]] VkFence get() const noexcept { return fence_; }
  /// It was submitted.
  void went_out() noexcept { out_ = true; }
  [[nodiscard]] bool out() const noexcept { return out_; }
  /// For the batch that is out. Errors: TimedOut, OutOfMemory, DeviceLost.
  [[nodiscard]] Status wait(std::int64_t deadline_ns, std::string_view attempt);
  /// The same, where nobody can be told: tries again after a failure, until that moment.
  void settle(std::int64_t deadline_ns) noexcept;

private:
  VkResult wait_once(std::int64_t deadline_ns) noexcept;

  const Context& context_;
  VkFence fence_ = VK_NULL_HANDLE;
  bool out_ = false;
};

}  // namespace causeway::vulkan_backend
