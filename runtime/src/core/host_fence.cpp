// SPDX-License-Identifier: Apache-2.0
#include "core/host_fence.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "core/runtime_state.hpp"

namespace causeway::core {
namespace {

constexpr int kLargestErrno = 4095;

Error no_sync_file() {
  return Error(
      Errc::Unsupported, "Fence::dup_sync_file",
      "a program signals this fence, and only the kernel signals sync_files: it might wait for ever; "
      "wait for the event first, or pass it on by dup_event()");
}

Result<Pollable> pollable(const uapi::Kernel& kernel, BorrowedFd fd) {
  auto own = kernel.duplicate(fd);
  if (!own) {
    return std::move(own.error());
  }
  return Pollable{.fd = std::move(*own), .events = POLLIN};
}

}  // namespace

HostFence::~HostFence() {
  // Nobody waits here any more; who holds the reading end in another process sees it hang up, or this.
  if (!runtime()->in_own_process()) {
    return;  // the pipe's other ends are the parent's business, and so is its event
  }
  const std::lock_guard lock(pipe_mutex_);
  if (!outcome_) {
    tell_waiters_locked(ECANCELED);
  }
}

Status HostFence::end(const FenceOutcome& outcome) {
  if (auto here = runtime()->check_process("HostEvent::signal"); !here) {
    return here;
  }
  const int error = outcome.error;
  if (error < 0 || error > kLargestErrno) {
    return Error(Errc::InvalidArgument, "HostEvent::signal",
                 fmt::format("{} is no errno; 0 says that the work succeeded", error));
  }
  {
    const std::lock_guard lock(pipe_mutex_);
    if (outcome_) {
      return Error(Errc::WrongState, "HostEvent::signal", "this event was signalled before; it signals once");
    }
    outcome_ = outcome;
    record(*outcome_);
    tell_waiters_locked(error);
  }
  signalled_.notify_all();
  run_callbacks();
  return {};
}

void HostFence::tell_waiters_locked(int error) noexcept {
  if (!pipe_.writing_end.valid()) {
    return;
  }
  const std::array<std::byte, kLargestErrno + 1> bytes{};
  // Fits into an empty pipe at once, and nobody else writes; a reader that has gone is no failure, and the
  // signal for that is turned off by asking first.
  pollfd end{.fd = pipe_.writing_end.get(), .events = POLLOUT, .revents = 0};
  if (::poll(&end, 1, 0) > 0 && (end.revents & POLLERR) == 0) {
    static_cast<void>(::write(pipe_.writing_end.get(), bytes.data(), static_cast<std::size_t>(error) + 1));
  }
  pipe_.writing_end.reset();
}

Result<BorrowedFd> HostFence::event_fd() {
  const std::lock_guard lock(pipe_mutex_);
  if (!pipe_.reading_end.valid()) {
    auto made = runtime()->kernel().pipe();
    if (!made) {
      return std::move(made.error());
    }
    pipe_ = std::move(*made);
    if (outcome_) {
      tell_waiters_locked(outcome_->error);
    }
  }
  return pipe_.reading_end.borrow();
}

Result<Pollable> HostFence::readiness() {
  auto fd = event_fd();
  if (!fd) {
    return std::move(fd.error());
  }
  return pollable(runtime()->kernel(), *fd);
}

Result<UniqueFd> HostFence::dup_sync_file() {
  return no_sync_file();
}

Result<UniqueFd> HostFence::dup_event() {
  auto fd = event_fd();
  if (!fd) {
    return std::move(fd.error());
  }
  return runtime()->kernel().duplicate(*fd);
}

Result<std::optional<FenceOutcome>> HostFence::ask(Deadline deadline) {
  std::unique_lock lock(pipe_mutex_);
  const auto done = [this] { return outcome_.has_value(); };
  if (done() || deadline.left() == Deadline::Clock::duration::zero()) {
    return outcome_;
  }
  if (deadline.is_never()) {
    signalled_.wait(lock, done);
  } else {
    signalled_.wait_until(lock, deadline.when(), done);
  }
  return outcome_;
}

Result<std::shared_ptr<RemoteEvent>> RemoteEvent::import(std::shared_ptr<RuntimeState> runtime, BorrowedFd fd,
                                                         Producer producer) {
  if (auto here = runtime->check_process("Fence::from_event"); !here) {
    return std::move(here.error());
  }
  const auto& kernel = runtime->kernel();
  int unread = 0;
  if (!fd.valid() || kernel.ioctl(fd, FIONREAD, &unread) < 0 || !kernel.is_pipe(fd)) {
    return Error(Errc::InvalidArgument, "Fence::from_event",
                 fmt::format("descriptor {} is no event; those come from Fence::dup_event() in the process "
                             "that signals",
                             fd.get()));
  }
  auto own = kernel.duplicate(fd);
  if (!own) {
    return std::move(own.error());
  }
  return std::make_shared<RemoteEvent>(std::move(runtime), std::move(*own), producer);
}

Result<std::optional<FenceOutcome>> RemoteEvent::ask(Deadline deadline) {
  const auto& kernel = runtime()->kernel();
  auto ready = kernel.poll(fd_.borrow(), POLLIN, deadline);  // POLLHUP is told unasked
  if (!ready) {
    return std::move(ready.error());
  }
  if (!*ready) {
    return std::optional<FenceOutcome>();
  }
  int unread = 0;
  if (const int result = kernel.ioctl(fd_.borrow(), FIONREAD, &unread); result < 0) {
    return uapi::system_error("FIONREAD", "an event of another process cannot be examined", -result);
  }
  return std::optional(FenceOutcome{.error = unread == 0 ? EOWNERDEAD : unread - 1, .at = {}});
}

Result<Pollable> RemoteEvent::readiness() {
  return pollable(runtime()->kernel(), fd_.borrow());
}

Result<UniqueFd> RemoteEvent::dup_sync_file() {
  return no_sync_file();
}

Result<UniqueFd> RemoteEvent::dup_event() {
  return runtime()->kernel().duplicate(fd_.borrow());
}

HostTimelineState::~HostTimelineState() {
  for (auto& [sequence, fence] : pending_) {
    static_cast<void>(fence->signal(ECANCELED));  // whoever holds it is told
  }
}

std::uint64_t HostTimelineState::value() const {
  const std::lock_guard lock(mutex_);
  return value_;
}

Result<std::shared_ptr<FenceState>> HostTimelineState::point(std::uint64_t sequence) {
  if (auto here = runtime_->check_process("HostTimeline::point"); !here) {
    return std::move(here.error());
  }
  std::shared_ptr<HostFence> passed;
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = pending_.find(sequence); known != pending_.end()) {
      return std::shared_ptr<FenceState>(known->second);
    }
    auto fence = std::make_shared<HostFence>(
        runtime_, FenceState::Place{.context = context_, .sequence = sequence}, producer_);
    if (sequence > value_) {
      pending_.emplace(sequence, fence);
      return std::shared_ptr<FenceState>(std::move(fence));
    }
    passed = std::move(fence);
  }
  if (auto signalled = passed->signal(0); !signalled) {
    return std::move(signalled.error());
  }
  return std::shared_ptr<FenceState>(std::move(passed));
}

Status HostTimelineState::signal(std::uint64_t sequence, int error) {
  if (auto here = runtime_->check_process("HostTimeline::signal"); !here) {
    return here;
  }
  std::vector<std::shared_ptr<HostFence>> due;
  {
    const std::lock_guard lock(mutex_);
    if (sequence <= value_) {
      return Error(Errc::InvalidArgument, "HostTimeline::signal",
                   fmt::format("point {} was to be signalled, and the timeline is at {}; it never goes "
                               "backwards",
                               sequence, value_));
    }
    value_ = sequence;
    const auto end = pending_.upper_bound(sequence);
    for (auto entry = pending_.begin(); entry != end; ++entry) {
      due.push_back(std::move(entry->second));
    }
    pending_.erase(pending_.begin(), end);
  }
  Status first;
  for (const auto& fence : due) {
    if (auto signalled = fence->signal(error); !signalled && first) {
      first = std::move(signalled);
    }
  }
  return first;
}

}  // namespace causeway::core
