// SPDX-License-Identifier: Apache-2.0
#include <causeway/fence.hpp>

#include <causeway/host_event.hpp>
#include <causeway/runtime.hpp>

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/fence_list.hpp"
#include "core/host_fence.hpp"
#include "core/runtime_state.hpp"
#include "core/sync_file_state.hpp"
#include "uapi/sync_file.hpp"

namespace causeway {
namespace {

Result<Fence> merge_sync_files(const core::FenceRefs& fences) {
  const auto& runtime = fences.front()->runtime();
  bool coherent = true;
  UniqueFd merged;
  BorrowedFd so_far(-1);  // merged, or the first one's own
  std::vector<UniqueFd> exported;
  for (const auto& fence : fences) {
    coherent = coherent && fence->cache_coherent();
    BorrowedFd next(-1);
    if (const auto* sync_file = dynamic_cast<const core::SyncFileState*>(fence.get())) {
      next = sync_file->fd();
    } else {
      auto made = fence->dup_sync_file();
      if (!made) {
        return std::move(made.error());
      }
      exported.push_back(std::move(*made));
      next = exported.back().borrow();
    }
    if (!so_far.valid()) {
      so_far = next;
      continue;
    }
    auto both = uapi::merge_sync_files(runtime->kernel(), "causeway", so_far, next);
    if (!both) {
      return std::move(both.error());
    }
    merged = std::move(*both);
    so_far = merged.borrow();
  }
  return Fence(std::make_shared<core::SyncFileState>(runtime, std::move(merged),
                                                     coherent ? Producer::CacheCoherent : Producer::Unknown));
}

/// Counts down; the last one signals.
struct Countdown {
  explicit Countdown(std::shared_ptr<core::HostFence> event, std::size_t count)
      : all(std::move(event)), left(count) {}

  void one_done(int failure) {
    if (failure != 0) {
      error.store(failure, std::memory_order_relaxed);
    }
    if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      static_cast<void>(all->signal(error.load(std::memory_order_relaxed)));  // nobody else signals it
    }
  }

  std::shared_ptr<core::HostFence> all;
  std::atomic<std::size_t> left;
  std::atomic<int> error{0};
};

Fence merge_events(const core::FenceRefs& fences) {
  const bool coherent =
      std::all_of(fences.begin(), fences.end(), [](const auto& fence) { return fence->cache_coherent(); });
  auto all = std::make_shared<core::HostFence>(fences.front()->runtime(), core::FenceState::Place(),
                                               coherent ? Producer::CacheCoherent : Producer::Unknown);
  const auto countdown = std::make_shared<Countdown>(all, fences.size());
  for (const auto& fence : fences) {
    if (!fence->add_callback([countdown](int error) { countdown->one_done(error); })) {
      const auto outcome = fence->outcome();
      countdown->one_done(outcome ? outcome->error : 0);
    }
  }
  return Fence(std::move(all));
}

}  // namespace

Fence::Fence() noexcept = default;
Fence::Fence(std::shared_ptr<core::FenceState> state) noexcept : state_(std::move(state)) {}

Result<Fence> Fence::from_sync_file(Runtime& runtime, BorrowedFd fd, Producer producer) {
  auto state = core::SyncFileState::import(runtime.state(), fd, producer);
  if (!state) {
    return std::move(state.error());
  }
  return Fence(std::move(*state));
}

Result<Fence> Fence::from_event(Runtime& runtime, BorrowedFd fd, Producer producer) {
  auto state = core::RemoteEvent::import(runtime.state(), fd, producer);
  if (!state) {
    return std::move(state.error());
  }
  return Fence(std::move(*state));
}

Result<Fence> Fence::merge(std::span<const Fence> fences) {
  core::FenceRefs left;
  int failed = 0;
  std::shared_ptr<core::FenceState> failure;
  for (const auto& fence : fences) {
    if (!fence.valid()) {
      return Error(Errc::InvalidArgument, "Fence::merge", "among the fences to merge is one that is none");
    }
    if (fence.state()->runtime() != fences.front().state()->runtime()) {
      return Error(Errc::InvalidArgument, "Fence::merge",
                   "the fences to merge belong to different runtimes; all must be of one");
    }
    if (auto here = fence.state()->runtime()->check_process("Fence::merge"); !here) {
      return std::move(here.error());
    }
    const auto outcome = fence.state()->outcome();
    if (!outcome) {
      core::add_wait(left, fence.state());
    } else if (outcome->error != 0) {
      failed = outcome->error;
      failure = fence.state();
    }
  }
  if (left.empty()) {
    return Fence(failed != 0 ? std::move(failure) : nullptr);
  }
  if (failed != 0) {
    left.push_back(std::move(failure));  // so that the whole fails as it must
  }
  if (left.size() == 1) {
    return Fence(std::move(left.front()));
  }
  const auto events = static_cast<std::size_t>(std::count_if(
      left.begin(), left.end(), [](const auto& fence) { return fence->kind() == FenceKind::HostEvent; }));
  if (std::any_of(left.begin(), left.end(), [](const auto& fence) {
        return fence->kind() == FenceKind::HostEvent && fence->dispatched();
      })) {
    return Error(Errc::Unsupported, "Fence::merge",
                 "among the fences to merge is an event of another process, which signals nobody here until "
                 "somebody looks at it; pass the fences on as a list, or wait for that one first");
  }
  if (events == left.size()) {
    return merge_events(left);
  }
  if (events != 0) {
    return Error(
        Errc::Unsupported, "Fence::merge",
        "fences of the kernel and events of programs are among them, and no one descriptor stands for "
        "both; pass them on as a list");
  }
  return merge_sync_files(left);
}

FenceKind Fence::kind() const noexcept {
  return state_ == nullptr ? FenceKind::SyncFile : state_->kind();
}
std::uint64_t Fence::context() const noexcept {
  return state_ == nullptr ? 0 : state_->place().context;
}
std::uint64_t Fence::sequence() const noexcept {
  return state_ == nullptr ? 0 : state_->place().sequence;
}

FenceStatus Fence::status() const {
  const auto outcome = state_ == nullptr ? core::FenceOutcome{} : state_->outcome();
  if (!outcome) {
    return FenceStatus::Pending;
  }
  return outcome->error == 0 ? FenceStatus::Signalled : FenceStatus::Failed;
}

int Fence::error() const {
  const auto outcome = state_ == nullptr ? std::nullopt : state_->outcome();
  return outcome ? outcome->error : 0;
}

std::optional<std::chrono::steady_clock::time_point> Fence::signalled_at() const {
  const auto outcome = state_ == nullptr ? std::nullopt : state_->outcome();
  return outcome ? outcome->at : std::nullopt;
}

Status Fence::wait(Deadline deadline) const {
  if (state_ == nullptr) {
    return {};
  }
  if (auto here = state_->runtime()->check_process("Fence::wait"); !here) {
    return here;
  }
  auto done = state_->settle_counted(deadline);
  if (!done) {
    return std::move(done.error());
  }
  if (!*done) {
    return Error(Errc::TimedOut, "Fence::wait", "the fence was still pending at the deadline");
  }
  const int failure = error();
  return failure == 0 ? Status() : core::fence_failure(failure);
}

namespace {
Error no_fence(const char* operation) {
  return Error(Errc::InvalidArgument, operation,
               "there is no fence in this object; there is nothing to wait for");
}

Status check_fence(const std::shared_ptr<core::FenceState>& fence, const char* operation) {
  return fence == nullptr ? no_fence(operation) : fence->runtime()->check_process(operation);
}
}  // namespace

Result<Pollable> Fence::readiness() const {
  if (auto sound = check_fence(state_, "Fence::readiness"); !sound) {
    return std::move(sound.error());
  }
  return state_->readiness();
}

std::optional<Fence::CallbackId> Fence::add_callback(Callback callback) const {
  return state_ == nullptr ? std::nullopt : state_->add_callback(std::move(callback));
}

bool Fence::remove_callback(CallbackId id) const {
  return state_ != nullptr && state_->remove_callback(id);
}

Result<UniqueFd> Fence::dup_sync_file() const {
  if (auto sound = check_fence(state_, "Fence::dup_sync_file"); !sound) {
    return std::move(sound.error());
  }
  return state_->dup_sync_file();
}

Result<UniqueFd> Fence::dup_event() const {
  if (auto sound = check_fence(state_, "Fence::dup_event"); !sound) {
    return std::move(sound.error());
  }
  return state_->dup_event();
}

SyncFile::SyncFile(std::shared_ptr<core::SyncFileState> state) noexcept : state_(std::move(state)) {}

Result<SyncFile> SyncFile::from_fd(Runtime& runtime, BorrowedFd fd, Producer producer) {
  auto state = core::SyncFileState::import(runtime.state(), fd, producer);
  if (!state) {
    return std::move(state.error());
  }
  return SyncFile(std::move(*state));
}

Result<SyncFile> SyncFile::of(const Fence& fence) {
  if (auto known = std::dynamic_pointer_cast<core::SyncFileState>(fence.state())) {
    return SyncFile(std::move(known));
  }
  auto fd = fence.dup_sync_file();
  if (!fd) {
    return std::move(fd.error());
  }
  return SyncFile(std::make_shared<core::SyncFileState>(
      fence.state()->runtime(), std::move(*fd),
      fence.state()->cache_coherent() ? Producer::CacheCoherent : Producer::Unknown));
}

Fence SyncFile::fence() const noexcept {
  return Fence(state_);
}

BorrowedFd SyncFile::fd() const noexcept {
  return state_->fd();
}

}  // namespace causeway
