// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <span>

#include "context.hpp"

namespace causeway::gl_backend {

/// Waits before accesses, and their ends as fences: points of the context's own timeline (CW_FENCE_DEVICE),
/// each with the EGLSync that ends its work. One that somebody else must wait for is exported as a sync_file
/// where the driver makes them.
///
/// Threads: thread-safe.
class Timeline {
public:
  explicit Timeline(const Context& context) : context_(context) {}
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  /// An access begins, for which the application's context waits: for sync_files on the device; its own
  /// fences are in order anyway. Errors: Unsupported (other kinds), Busy, OutOfFds, OutOfMemory, DeviceLost.
  [[nodiscard]] Status begin(std::span<const cw_fence> fences);
  /// An access ends, which given belongs to. It is over whatever is answered. The end of all that was
  /// submitted to the application's context so far; of kind NONE if that is done, after a counted wait on the
  /// CPU where the driver makes no fences.
  [[nodiscard]] Result<cw_fence> end(std::span<const cw_fence> given);

  /// The operations of cw_backend. Errors of wait: TimedOut, DeviceLost.
  [[nodiscard]] Status wait(const cw_fence& fence, std::int64_t deadline_ns);
  [[nodiscard]] Status export_sync_file(const cw_fence& fence, cw_fence& out);
  void release(const cw_fence& fence);
  [[nodiscard]] Status wait_idle(std::int64_t deadline_ns);

private:
  class Sync;
  [[nodiscard]] Result<std::shared_ptr<Sync>> sync_of(const cw_fence& fence);
  /// The application's context, on this thread, and nobody else of this class on another.
  [[nodiscard]] Result<Current> application(std::string_view attempt);
  [[nodiscard]] Status wait_on_device(std::span<const cw_fence> fences);
  [[nodiscard]] Status wait_for_sync_file(const cw_fence& fence);

  const Context& context_;
  std::mutex current_mutex_;                ///< a context is current on one thread at a time
  std::atomic<std::uint64_t> begun_ = 1;    ///< accesses, ever; from 1
  std::atomic<std::uint64_t> ended_ = 1;    ///< of those
  std::atomic<std::uint64_t> idle_at_ = 0;  ///< without fences: so many had begun and ended when it was idle
  std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Sync>> points_;
};

/// Waits for what was submitted to the context that is current. Where the driver makes no fences, a wait has
/// no end but the work's: a deadline that has passed is then answered with TimedOut, and any other is not
/// kept. Errors: TimedOut, DeviceLost, OutOfMemory.
[[nodiscard]] Status finish_by(const Context& context, std::int64_t deadline_ns);

}  // namespace causeway::gl_backend
