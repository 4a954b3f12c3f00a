// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fd.hpp>
#include <causeway/fence.hpp>
#include <causeway/result.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace causeway {

class Runtime;
namespace core {
class SyncobjState;
}  // namespace core

/// A timeline of the kernel's: a DRM syncobj, whose points are submitted in order and signal in order. A
/// cheap shared handle. (Kernel documentation: "DRM Sync Objects", drm-mm.rst.)
///
/// A point gets its fence when work is submitted for it: by signal(), by import_sync_file(), or by a driver
/// that knows the syncobj. Only then can it become a sync_file. Before that it can be waited for as follows:
/// on a timeline made by create(), waiting on this thread is refused with WrongState, since what is waited
/// for is a signal that this very program has yet to submit; poll Fence::readiness(), which wakes once
/// another thread did. On one that was adopted, others may submit, and Fence::wait() waits for that, too, to
/// its deadline.
///
/// Threads: thread-safe.
class SyncobjTimeline {
public:
  /// A timeline of our own, at 0, on a DRM node that is opened for it ("/dev/dri/renderD128").
  /// Errors: NotFound, Permission, Unsupported (a driver without timelines, as vgem), OutOfFds, OutOfMemory.
  [[nodiscard]] static Result<SyncobjTimeline> create(Runtime& runtime, const std::string& path);
  /// The same on a node that the caller has open. node is duplicated.
  [[nodiscard]] static Result<SyncobjTimeline> create(Runtime& runtime, BorrowedFd node);
  /// A timeline that the caller made, or a library for it. handle stays the caller's and must live as long as
  /// this object and its fences. It means something only in the file description that made it: node is that
  /// one, or a duplicate; it is duplicated.
  /// Errors: NotFound (the description knows no such handle), Unsupported, OutOfFds.
  [[nodiscard]] static Result<SyncobjTimeline> adopt(Runtime& runtime, BorrowedFd node, std::uint32_t handle);

  /// The context of all its points.
  [[nodiscard]] std::uint64_t context() const noexcept;
  /// The last point that has signalled; 0 at the start. Errors: Io.
  [[nodiscard]] Result<std::uint64_t> value() const;
  /// The last point that work was submitted for, signalled or not. Errors: Io.
  [[nodiscard]] Result<std::uint64_t> submitted() const;

  /// A fence that signals when the timeline gets to this point, submitted or not. Errors: InvalidArgument (0:
  /// points begin at 1).
  [[nodiscard]] Result<Fence> point(std::uint64_t value) const;

  /// Submits a point that is done already: it signals once all before it have.
  /// Errors: InvalidArgument (not beyond submitted(); the kernel would take it, answer success and ignore
  /// it).
  Status signal(std::uint64_t value) const;

  /// Submits a point that signals with the fence, and once all before it have.
  /// Errors: InvalidArgument (not beyond submitted()), OutOfMemory.
  Status import_sync_file(const SyncFile& fence, std::uint64_t value) const;
  /// A sync_file that signals with the point, pending or not.
  /// Errors: WrongState (nobody has submitted work for it), InvalidArgument (0), OutOfFds, OutOfMemory.
  [[nodiscard]] Result<SyncFile> export_sync_file(std::uint64_t value) const;

  /// Lends the node, for ioctls of the caller's own and for drivers.
  [[nodiscard]] BorrowedFd node() const noexcept;
  [[nodiscard]] std::uint32_t handle() const noexcept;

  explicit SyncobjTimeline(std::shared_ptr<core::SyncobjState> state) noexcept;  ///< for the runtime itself

private:
  std::shared_ptr<core::SyncobjState> state_;
};

}  // namespace causeway
