// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>

#include "batch_fence.hpp"
#include "context.hpp"
#include "import_memory.hpp"

namespace causeway::vulkan_backend {

/// Writes and reads a few bytes of an imported buffer with the device's own copy commands: the device's side
/// of the alias proof. Made when first used; one submission at a time, each waited for. These waits are part
/// of setting up, so they are not counted as CPU waits.
///
/// Threads: thread-bound.
class Prober {
public:
  explicit Prober(const Context& context) noexcept : context_(context), fence_(context) {}
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;
  ~Prober();

  /// Errors: TimedOut, DeviceLost, OutOfMemory.
  [[nodiscard]] Status write(VkBuffer buffer, const cw_probe& probe);
  [[nodiscard]] Status read(VkBuffer buffer, cw_probe& probe);
  /// Waits, for half a minute at most, for a probe that timed out: what it works on is destroyed when the
  /// attachment is.
  void settle() noexcept;

private:
  [[nodiscard]] Status prepare(std::int64_t deadline_ns);
  [[nodiscard]] Status make_staging();
  [[nodiscard]] Status begin(VkBuffer buffer, const cw_probe& probe, VkAccessFlags access);
  [[nodiscard]] Status finish(VkBuffer buffer, const cw_probe& probe, VkAccessFlags access);

  const Context& context_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
  BatchFence fence_;
  VkBuffer staging_ = VK_NULL_HANDLE;
  Memory staging_memory_;
  void* staging_address_ = nullptr;
};

}  // namespace causeway::vulkan_backend
