// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "uapi/kernel.hpp"

namespace causeway::uapi {

// DRM's syncobjs (drivers/gpu/drm/drm_syncobj.c). A handle is known to the file description that made it and
// to no other. Wherever a point is asked for, 0 means the one fence of a binary syncobj.

/// Whether the driver behind this node has timelines (DRM_CAP_SYNCOBJ_TIMELINE).
/// Errors: Unsupported (not a DRM node).
[[nodiscard]] Result<bool> has_timeline_syncobjs(const Kernel& kernel, BorrowedFd node);

/// Errors: Unsupported (a driver without syncobjs), OutOfMemory.
[[nodiscard]] Result<std::uint32_t> create_syncobj(const Kernel& kernel, BorrowedFd node);
/// It fails only for a handle that is none.
void destroy_syncobj(const Kernel& kernel, BorrowedFd node, std::uint32_t handle) noexcept;

/// Which point a query is about: the last that has signalled, or the last that work was submitted for.
enum class TimelineMark { Signalled, Submitted };
/// DRM_IOCTL_SYNCOBJ_QUERY. Errors: NotFound (no such handle in this file description), Unsupported.
[[nodiscard]] Result<std::uint64_t> query_syncobj(const Kernel& kernel, BorrowedFd node, std::uint32_t handle,
                                                  TimelineMark mark);

/// DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL. The kernel takes a point that is behind the timeline, answers 0, and
/// changes nothing: ask query_syncobj first.
[[nodiscard]] Status signal_syncobj(const Kernel& kernel, BorrowedFd node, std::uint32_t handle,
                                    std::uint64_t point);

/// Waits until work was submitted for the point; false at the deadline. That the work is done is another
/// matter: export it, and poll that. Errors: NotFound (no such handle), OutOfMemory.
[[nodiscard]] Result<bool> wait_submitted(const Kernel& kernel, BorrowedFd node, std::uint32_t handle,
                                          std::uint64_t point, Deadline deadline);

/// DRM_IOCTL_SYNCOBJ_EVENTFD: adds 1 to the eventfd once the point is submitted and signalled.
/// Errors: Unsupported (before Linux 6.6), NotFound (no such handle), OutOfMemory.
[[nodiscard]] Status watch_syncobj(const Kernel& kernel, BorrowedFd node, std::uint32_t handle,
                                   std::uint64_t point, BorrowedFd eventfd);

/// A sync_file of a point, by way of a binary syncobj that lives for this call.
/// Errors: WrongState (no work was submitted for it), NotFound (no such handle), OutOfFds, OutOfMemory.
[[nodiscard]] Result<UniqueFd> export_point(const Kernel& kernel, BorrowedFd node, std::uint32_t handle,
                                            std::uint64_t point);
/// The reverse: the point signals with the sync_file, and after the points before it.
/// Errors: InvalidArgument (not a sync_file), NotFound (no such handle), OutOfMemory.
[[nodiscard]] Status import_point(const Kernel& kernel, BorrowedFd node, std::uint32_t handle,
                                  std::uint64_t point, BorrowedFd sync_file);

}  // namespace causeway::uapi
