// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "core/fence_state.hpp"
#include "uapi/kernel.hpp"

namespace causeway::core {

/// A fence that this process signals.
///
/// Its descriptor is made when somebody asks for it: the reading end of a pipe. A pipe can be shared by any
/// number of waiters in any number of processes, since they only look: at the signal errno + 1 bytes are
/// written, and the writing end is closed. A pipe that hung up and holds nothing lost its producer.
///
/// Threads: thread-safe.
class HostFence final : public FenceState {
public:
  HostFence(std::shared_ptr<RuntimeState> runtime, Place place, Producer producer) noexcept
      : FenceState(std::move(runtime), FenceKind::HostEvent, place, producer) {}
  ~HostFence() override;

  /// Errors: WrongState (signalled before), InvalidArgument (error is no errno).
  [[nodiscard]] Status signal(int error) { return end({.error = error, .at = Deadline::Clock::now()}); }
  /// The same of work that ended at another moment than now. Errors: as signal.
  [[nodiscard]] Status end(const FenceOutcome& outcome);
  /// Lends the reading end. Errors: OutOfFds.
  [[nodiscard]] Result<BorrowedFd> event_fd();

  [[nodiscard]] Result<Pollable> readiness() override;
  [[nodiscard]] Result<UniqueFd> dup_sync_file() override;
  [[nodiscard]] Result<UniqueFd> dup_event() override;

private:
  [[nodiscard]] Result<std::optional<FenceOutcome>> ask(Deadline deadline) override;
  [[nodiscard]] bool dispatched() const noexcept override { return false; }
  void tell_waiters_locked(int error) noexcept;

  std::mutex pipe_mutex_;  // guards what follows
  std::condition_variable signalled_;
  std::optional<FenceOutcome> outcome_;
  uapi::Kernel::Pipe pipe_;
};

/// An event of another process, by the reading end of its pipe. Threads: thread-safe.
class RemoteEvent final : public FenceState {
public:
  /// fd is duplicated.
  [[nodiscard]] static Result<std::shared_ptr<RemoteEvent>> import(std::shared_ptr<RuntimeState> runtime,
                                                                   BorrowedFd fd, Producer producer);

  RemoteEvent(std::shared_ptr<RuntimeState> runtime, UniqueFd fd, Producer producer) noexcept
      : FenceState(std::move(runtime), FenceKind::HostEvent, Place(), producer), fd_(std::move(fd)) {}

  [[nodiscard]] BorrowedFd fd() const noexcept { return fd_.borrow(); }
  [[nodiscard]] Result<Pollable> readiness() override;
  [[nodiscard]] Result<UniqueFd> dup_sync_file() override;
  [[nodiscard]] Result<UniqueFd> dup_event() override;

private:
  [[nodiscard]] Result<std::optional<FenceOutcome>> ask(Deadline deadline) override;

  const UniqueFd fd_;
};

/// What is behind a HostTimeline. Threads: thread-safe.
class HostTimelineState {
public:
  HostTimelineState(std::shared_ptr<RuntimeState> runtime, Producer producer) noexcept
      : runtime_(std::move(runtime)), producer_(producer) {}
  HostTimelineState(const HostTimelineState&) = delete;
  HostTimelineState& operator=(const HostTimelineState&) = delete;
  ~HostTimelineState();

  [[nodiscard]] std::uint64_t context() const noexcept { return context_; }
  [[nodiscard]] std::uint64_t value() const;
  [[nodiscard]] Result<std::shared_ptr<FenceState>> point(std::uint64_t sequence);
  [[nodiscard]] Status signal(std::uint64_t sequence, int error);

private:
  const std::shared_ptr<RuntimeState> runtime_;
  const Producer producer_;
  const std::uint64_t context_ = next_fence_context();

  mutable std::mutex mutex_;  // guards what follows
  std::uint64_t value_ = 0;
  std::map<std::uint64_t, std::shared_ptr<HostFence>> pending_;
};

}  // namespace causeway::core
