// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "context.hpp"
#include "sync_file.hpp"

namespace causeway::opencl_backend {

/// The ends of accesses as fences: points of the queue's own timeline (CW_FENCE_DEVICE), each with the event
/// that ends its work. A queue's markers end in the order in which they were enqueued, so a later point
/// speaks for all before it. One that somebody else must wait for is made into a sync_file where the driver
/// makes them, else into an event of the host, which the driver signals by clSetEventCallback.
///
/// Threads: thread-safe; drivers call back on threads of theirs.
class Timeline {
public:
  explicit Timeline(const Context& context) : context_(context), sync_files_(context) {}
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;
  /// Waits until the driver has made its last call.
  ~Timeline();

  [[nodiscard]] cw_fence add(EventHandle event);
  /// The operations of cw_backend. Errors of wait: TimedOut, DeviceLost, and what the command failed with.
  [[nodiscard]] Status wait(const cw_fence& fence, std::int64_t deadline_ns);
  [[nodiscard]] Status export_fence(const cw_fence& fence, cw_fence& out);
  void release(const cw_fence& fence);

private:
  struct Completion;
  struct Point {
    std::shared_ptr<EventHandle> event;
    std::shared_ptr<Completion> exported;
  };
  [[nodiscard]] Result<std::shared_ptr<EventHandle>> event_of(const cw_fence& fence);
  [[nodiscard]] Status export_event(const cw_fence& fence, cl_event event, cw_fence& out);
  /// Lets go of events of the host that were signalled and that nobody speaks of any more.
  void reap();

  const Context& context_;
  SyncFileMaker sync_files_;
  std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Point> points_;
  std::vector<std::shared_ptr<Completion>> orphans_;  ///< exported, released, and not yet signalled
};

}  // namespace causeway::opencl_backend
