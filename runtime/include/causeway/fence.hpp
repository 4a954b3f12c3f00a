// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/deadline.hpp>
#include <causeway/fd.hpp>
#include <causeway/result.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace causeway {

class Runtime;
namespace core {
class FenceState;
class SyncFileState;
}  // namespace core

/// Something for poll(2): the descriptor, and the event that it will show. Owned by the caller.
/// Threads: reentrant (a value).
struct Pollable {
  UniqueFd fd;
  short events = 0;
};

/// Who signals a fence; values equal cw_fence_kind of plugin/backend_abi.h.
enum class FenceKind : std::uint32_t {
  SyncFile = CW_FENCE_SYNC_FILE,          ///< the kernel: a sync_file
  SyncobjPoint = CW_FENCE_SYNCOBJ_POINT,  ///< the kernel: a point of a DRM syncobj's timeline
  HostEvent = CW_FENCE_HOST_EVENT,        ///< a program
  Device = CW_FENCE_DEVICE,               ///< a device's own, which its backend makes into others on demand
};

enum class FenceStatus : std::uint8_t {
  Pending,
  Signalled,
  Failed,  ///< signalled, too, but the work behind it failed; Fence::error() says how
};

/// Whether what a fence stands for wrote past the CPU's caches.
enum class Producer : std::uint8_t {
  Unknown,        ///< may be any device: the CPU's caches are tended only after the fence has signalled
  CacheCoherent,  ///< known to write through the CPU's caches, or to write no memory at all
};

/// A moment in a device's or program's work: it is pending, and then signalled, once and for good. The kernel
/// calls it struct dma_fence. A cheap shared handle; a default-made one is no fence.
///
/// Fences of one context signal in the order of their sequence numbers, so that the latest speaks for all.
/// The kernel does not tell the context of a sync_file, so each counts as one of its own.
///
/// Threads: thread-safe. Waiting, signalling, adding and removing callbacks may all happen at once.
class Fence {
public:
  /// Is given the errno of a fence that failed, else 0.
  using Callback = std::function<void(int error)>;
  using CallbackId = std::uint64_t;

  Fence() noexcept;

  /// Takes part in a sync_file (Documentation/driver-api/sync_file.rst). fd stays the caller's: it is
  /// duplicated. Errors: InvalidArgument (no descriptor, or not a sync_file's), OutOfFds.
  [[nodiscard]] static Result<Fence> from_sync_file(Runtime& runtime, BorrowedFd fd,
                                                    Producer producer = Producer::Unknown);
  /// Takes part in an event that another process signals: the descriptor that dup_event() gave there. If that
  /// process ends without a signal, the fence fails with EOWNERDEAD. fd is duplicated.
  /// Errors: InvalidArgument (no descriptor, or not of such an event), OutOfFds.
  [[nodiscard]] static Result<Fence> from_event(Runtime& runtime, BorrowedFd fd,
                                                Producer producer = Producer::Unknown);

  /// One fence that signals once all have, and fails if one did. Signalled ones and those that a later one of
  /// their context covers are left out. What the kernel signals is merged by it (SYNC_IOC_MERGE); events of
  /// programs are merged here, but for those of other processes. Nothing to wait for gives no fence: valid()
  /// is false. Errors: Unsupported (kernel fences and events together: no one descriptor can stand for both;
  /// pass them on as a list), OutOfFds, OutOfMemory.
  [[nodiscard]] static Result<Fence> merge(std::span<const Fence> fences);

  [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }
  [[nodiscard]] FenceKind kind() const noexcept;
  /// The timeline it belongs to: a number that no other timeline of this process has.
  [[nodiscard]] std::uint64_t context() const noexcept;
  /// Its place on that timeline.
  [[nodiscard]] std::uint64_t sequence() const noexcept;

  /// Now, without waiting. Runs no callbacks.
  [[nodiscard]] FenceStatus status() const;
  /// The errno of a fence that failed, else 0.
  [[nodiscard]] int error() const;
  /// On CLOCK_MONOTONIC; none while it is pending, or if nobody tells.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> signalled_at() const;

  /// Waits on this thread until it is signalled; counted in Counters::cpu_waits if it was not. Then runs the
  /// callbacks of a fence of the kernel's. A deadline in the past asks without waiting.
  /// Errors: TimedOut; Io with the fence's errno if it failed (EOWNERDEAD: whoever was to signal it is gone).
  [[nodiscard]] Status wait(Deadline deadline) const;

  /// A descriptor that becomes readable, or hangs up, when it is signalled; for the caller's own poll loop.
  /// Errors: OutOfFds; Unsupported (a device's fence whose driver has no descriptors; wait() works).
  [[nodiscard]] Result<Pollable> readiness() const;

  /// Adds a callback, which runs once, with no lock held, after those added before it: for an event on the
  /// thread that signals it, for any other fence on the thread that next calls Runtime::dispatch() or waits
  /// for it. Empty if the fence has signalled: then callback does not run, and never will (the kernel's
  /// dma_fence_add_callback answers ENOENT). A callback must not throw.
  [[nodiscard]] std::optional<CallbackId> add_callback(Callback callback) const;
  /// True if it was still there, and will not run; false if it has run, or runs at this moment.
  bool remove_callback(CallbackId id) const;

  /// A sync_file that signals with this fence, for the caller: from a sync_file, from a submitted syncobj
  /// point, from a device's fence whose driver exports. Made at this moment, since it costs.
  /// Errors: Unsupported (an event: only the kernel signals sync_files), WrongState (a syncobj point that
  /// nobody has submitted work for), OutOfFds.
  [[nodiscard]] Result<UniqueFd> dup_sync_file() const;
  /// A descriptor for from_event() in another process. Errors: Unsupported (not an event), OutOfFds.
  [[nodiscard]] Result<UniqueFd> dup_event() const;

  bool operator==(const Fence& other) const noexcept { return state_ == other.state_; }

  explicit Fence(std::shared_ptr<core::FenceState> state) noexcept;  ///< for the runtime itself
  [[nodiscard]] const std::shared_ptr<core::FenceState>& state() const noexcept { return state_; }

private:
  std::shared_ptr<core::FenceState> state_;
};

/// A fence that the kernel signals: the one kind that can be put into a dma-buf's reservation.
///
/// Threads: thread-safe.
class SyncFile {
public:
  /// As Fence::from_sync_file.
  [[nodiscard]] static Result<SyncFile> from_fd(Runtime& runtime, BorrowedFd fd,
                                                Producer producer = Producer::Unknown);
  /// As Fence::dup_sync_file, kept. Errors: the same.
  [[nodiscard]] static Result<SyncFile> of(const Fence& fence);

  [[nodiscard]] Fence fence() const noexcept;
  /// Lends the descriptor for as long as this object lives.
  [[nodiscard]] BorrowedFd fd() const noexcept;

  explicit SyncFile(std::shared_ptr<core::SyncFileState> state) noexcept;  ///< for the runtime itself

private:
  std::shared_ptr<core::SyncFileState> state_;
};

}  // namespace causeway
