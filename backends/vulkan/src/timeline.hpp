// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <atomic>
#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "context.hpp"

namespace causeway::vulkan_backend {

/// next: what extends its creation, or null. Errors: OutOfMemory, DeviceLost.
[[nodiscard]] Result<VkSemaphore> make_timeline_semaphore(const Context& context, const void* next);

/// A timeline semaphore, and the last point that was promised on it. Destroyed with this object, once that
/// point is reached.
///
/// Threads: thread-safe, but for promising, which happens in the order of the submissions that signal.
class Timeline {
public:
  Timeline(const Context& context, std::uint64_t handle) noexcept : context_(context), handle_(handle) {}
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;
  ~Timeline();

  /// Once, before it is used. Errors: OutOfMemory, DeviceLost.
  [[nodiscard]] Status make();
  /// A descriptor of the semaphore for another device of the same driver (OPAQUE_FD), where the device shares
  /// timelines. Errors: OutOfFds, OutOfMemory.
  [[nodiscard]] Result<UniqueFd> share() const;
  /// Lets it be the semaphore behind such a descriptor from now on. Errors: Unsupported, OutOfMemory.
  [[nodiscard]] Status become(UniqueFd shared);
  /// Whether it did: another device signals its points.
  [[nodiscard]] bool foreign() const noexcept { return foreign_; }

  [[nodiscard]] VkSemaphore semaphore() const noexcept { return semaphore_; }
  /// cw_fence::handle of its points.
  [[nodiscard]] std::uint64_t handle() const noexcept { return handle_; }
  [[nodiscard]] std::uint64_t promised() const noexcept { return promised_; }
  void promise(std::uint64_t point) noexcept { promised_ = point; }

  /// Without waiting. Errors: DeviceLost, OutOfMemory.
  [[nodiscard]] Result<bool> reached(std::uint64_t point) const;
  /// Errors: TimedOut, DeviceLost, OutOfMemory.
  [[nodiscard]] Status wait(std::uint64_t point, std::int64_t deadline_ns) const;

private:
  const Context& context_;
  const std::uint64_t handle_;
  VkSemaphore semaphore_ = VK_NULL_HANDLE;
  std::atomic<std::uint64_t> promised_ = 0;
  std::atomic<bool> foreign_ = false;
};

/// The timelines of a device, found by the handles that its fences bear. One stays for as long as somebody
/// made it or holds a fence of it.
///
/// Threads: thread-safe.
class Timelines {
public:
  explicit Timelines(const Context& context) noexcept : context_(context) {}

  /// Errors: OutOfMemory, DeviceLost.
  [[nodiscard]] Result<std::shared_ptr<Timeline>> create();
  /// Null: no fence of this device bears that handle.
  [[nodiscard]] std::shared_ptr<Timeline> find(std::uint64_t handle) const;
  /// A fence more, a fence less.
  void hold(const std::shared_ptr<Timeline>& timeline);
  void release(std::uint64_t handle) noexcept;
  /// For every point that this device promised so far. Errors: TimedOut, DeviceLost, OutOfMemory.
  [[nodiscard]] Status wait_all(std::int64_t deadline_ns) const;

private:
  struct Entry {
    std::weak_ptr<Timeline> timeline;
    std::shared_ptr<Timeline> kept;  ///< while fences is not 0
    std::size_t fences = 0;
  };

  const Context& context_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Entry> entries_;
  std::uint64_t next_handle_ = 1;
};

}  // namespace causeway::vulkan_backend
