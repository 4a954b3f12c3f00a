// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fence.hpp>
#include <causeway/result.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

namespace causeway {

class Device;
class Runtime;
namespace core {
class HostFence;
class HostTimelineState;
}  // namespace core

/// The producer's end of a fence that a program signals: a camera's frame has arrived, a task of the CPU is
/// done. If it goes unsignalled, its fence fails with ECANCELED: nobody waits for ever. If its process is
/// killed, waiters in other processes see EOWNERDEAD (Fence::from_event).
///
/// Threads: thread-safe.
class HostEvent {
public:
  /// producer: what the event stands for wrote through the CPU's caches, or is not known to have.
  /// Errors: OutOfMemory, WrongState (a forked process).
  [[nodiscard]] static Result<HostEvent> create(Runtime& runtime, Producer producer = Producer::Unknown);
  /// The fence of something that is over already, and that a driver told by other means (VIDIOC_DQBUF). at:
  /// when it was, where that is known. error: 0, or the errno of work that failed. No fence if
  /// there is no device (Attachment::device() of an attachment that was moved away).
  [[nodiscard]] static Fence of_past(const Device& device,
                                     std::optional<std::chrono::steady_clock::time_point> at, int error = 0);

  HostEvent(HostEvent&& other) noexcept;
  HostEvent& operator=(HostEvent&& other) noexcept;
  HostEvent(const HostEvent&) = delete;
  HostEvent& operator=(const HostEvent&) = delete;
  ~HostEvent();

  [[nodiscard]] const Fence& fence() const noexcept { return fence_; }
  /// Signals, then runs the callbacks on this thread. error: 0, or the errno of the work that failed.
  /// Errors: WrongState (signalled before, moved away, or a forked process).
  [[nodiscard]] Status signal(int error = 0);

  explicit HostEvent(std::shared_ptr<core::HostFence> state) noexcept;  ///< for the runtime itself

private:
  std::shared_ptr<core::HostFence> state_;
  Fence fence_;
};

/// Points in the order of a program's work, with sequence numbers, as a timeline semaphore has them:
/// signalling one signals all before it. When it goes, the points that are left fail with ECANCELED.
///
/// Threads: thread-safe.
class HostTimeline {
public:
  /// Errors: WrongState (a forked process).
  [[nodiscard]] static Result<HostTimeline> create(Runtime& runtime, Producer producer = Producer::Unknown);

  HostTimeline(HostTimeline&&) noexcept;
  HostTimeline& operator=(HostTimeline&&) noexcept;
  HostTimeline(const HostTimeline&) = delete;
  HostTimeline& operator=(const HostTimeline&) = delete;
  ~HostTimeline();

  /// The context of all its points; 0 of a timeline that was moved away.
  [[nodiscard]] std::uint64_t context() const noexcept;
  /// The last point that was signalled; 0 at the start.
  [[nodiscard]] std::uint64_t value() const;
  /// A fence that signals when the timeline gets to this point; the same one however often it is asked for
  /// while it is pending. Errors: WrongState (moved away, or a forked process).
  [[nodiscard]] Result<Fence> point(std::uint64_t sequence);
  /// Signals every point up to this one. error: the errno of the work that failed, for all of them.
  /// Errors: InvalidArgument (not beyond value(): a timeline never goes backwards), WrongState (moved away,
  /// or a forked process).
  [[nodiscard]] Status signal(std::uint64_t sequence, int error = 0);

  explicit HostTimeline(std::shared_ptr<core::HostTimelineState> state) noexcept;  ///< for the runtime itself

private:
  std::shared_ptr<core::HostTimelineState> state_;
};

}  // namespace causeway
