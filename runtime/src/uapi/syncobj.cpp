// SPDX-License-Identifier: Apache-2.0
#include "uapi/syncobj.hpp"

#include <drm.h>
#include <fmt/format.h>

#include <cerrno>
#include <limits>
#include <utility>

// Linux 6.6; older headers of libdrm lack it.
#ifndef DRM_IOCTL_SYNCOBJ_EVENTFD
struct drm_syncobj_eventfd {
  __u32 handle;
  __u32 flags;
  __u64 point;
  __s32 fd;
  __u32 pad;
};
#define DRM_IOCTL_SYNCOBJ_EVENTFD DRM_IOWR(0xCF, struct drm_syncobj_eventfd)
#endif
// Linux 5.2.
#ifndef DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED
#define DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED (1 << 0)
#endif

namespace causeway::uapi {
namespace {

Error failure(const char* operation, std::string what, int system_errno) {
  switch (system_errno) {
    case ENOENT:
      return Error(Errc::NotFound, operation,
                   std::move(what) +
                       "; there is no such syncobj in this file description: a handle is known only to the "
                       "one that made it, so pass that very descriptor, or a duplicate of it",
                   system_errno);
    case ENOTTY:
    case EOPNOTSUPP:
    case ENOSYS:
      return Error(Errc::Unsupported, operation,
                   std::move(what) +
                       "; the driver behind this node has no syncobjs with timelines, or the "
                       "descriptor is no DRM node",
                   system_errno);
    default: return system_error(operation, std::move(what), system_errno);
  }
}

/// A syncobj that is destroyed at the end of its scope.
class Temporary {
public:
  [[nodiscard]] static Result<Temporary> create(const Kernel& kernel, BorrowedFd node) {
    auto handle = create_syncobj(kernel, node);
    if (!handle) {
      return std::move(handle.error());
    }
    return Temporary(kernel, node, *handle);
  }
  Temporary(Temporary&& other) noexcept
      : kernel_(other.kernel_), node_(other.node_), handle_(std::exchange(other.handle_, 0)) {}
  Temporary& operator=(Temporary&&) = delete;
  ~Temporary() {
    if (handle_ != 0) {
      destroy_syncobj(kernel_, node_, handle_);
    }
  }
  [[nodiscard]] std::uint32_t handle() const noexcept { return handle_; }

private:
  Temporary(const Kernel& kernel, BorrowedFd node, std::uint32_t handle) noexcept
      : kernel_(kernel), node_(node), handle_(handle) {}

  const Kernel& kernel_;
  const BorrowedFd node_;
  std::uint32_t handle_;
};

struct PointOf {
  std::uint32_t handle;
  std::uint64_t point;
};

/// DRM_IOCTL_SYNCOBJ_TRANSFER: 0 or -errno.
int transfer(const Kernel& kernel, BorrowedFd node, PointOf from, PointOf to) {
  drm_syncobj_transfer request{};
  request.src_handle = from.handle;
  request.src_point = from.point;
  request.dst_handle = to.handle;
  request.dst_point = to.point;
  return kernel.ioctl(node, DRM_IOCTL_SYNCOBJ_TRANSFER, &request);
}

}  // namespace

Result<bool> has_timeline_syncobjs(const Kernel& kernel, BorrowedFd node) {
  drm_get_cap request{};
  request.capability = DRM_CAP_SYNCOBJ_TIMELINE;
  const int result = kernel.ioctl(node, DRM_IOCTL_GET_CAP, &request);
  if (result == -EINVAL) {
    return false;  // a kernel that does not know the question
  }
  if (result < 0) {
    return failure("DRM_IOCTL_GET_CAP",
                   fmt::format("descriptor {} could not be asked for timeline syncobjs", node.get()),
                   -result);
  }
  return request.value != 0;
}

Result<std::uint32_t> create_syncobj(const Kernel& kernel, BorrowedFd node) {
  drm_syncobj_create request{};
  if (const int result = kernel.ioctl(node, DRM_IOCTL_SYNCOBJ_CREATE, &request); result < 0) {
    return failure("DRM_IOCTL_SYNCOBJ_CREATE", "a syncobj could not be made", -result);
  }
  return request.handle;
}

void destroy_syncobj(const Kernel& kernel, BorrowedFd node, std::uint32_t handle) noexcept {
  drm_syncobj_destroy request{};
  request.handle = handle;
  static_cast<void>(kernel.ioctl(node, DRM_IOCTL_SYNCOBJ_DESTROY, &request));
}

Result<std::uint64_t> query_syncobj(const Kernel& kernel, BorrowedFd node, std::uint32_t handle,
                                    TimelineMark mark) {
  std::uint64_t point = 0;
  drm_syncobj_timeline_array request{};
  request.handles = reinterpret_cast<std::uintptr_t>(&handle);
  request.points = reinterpret_cast<std::uintptr_t>(&point);
  request.count_handles = 1;
  request.flags = mark == TimelineMark::Submitted ? DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED : 0;
  if (const int result = kernel.ioctl(node, DRM_IOCTL_SYNCOBJ_QUERY, &request); result < 0) {
    return failure("DRM_IOCTL_SYNCOBJ_QUERY",
                   fmt::format("syncobj {} could not be asked where it is", handle), -result);
  }
  return point;
}

Status signal_syncobj(const Kernel& kernel, BorrowedFd node, std::uint32_t handle, std::uint64_t point) {
  drm_syncobj_timeline_array request{};
  request.handles = reinterpret_cast<std::uintptr_t>(&handle);
  request.points = reinterpret_cast<std::uintptr_t>(&point);
  request.count_handles = 1;
  if (const int result = kernel.ioctl(node, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &request); result < 0) {
    return failure("DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL",
                   fmt::format("point {} of syncobj {} could not be signalled", point, handle), -result);
  }
  return {};
}

Result<bool> wait_submitted(const Kernel& kernel, BorrowedFd node, std::uint32_t handle, std::uint64_t point,
                            Deadline deadline) {
  drm_syncobj_timeline_wait request{};
  request.handles = reinterpret_cast<std::uintptr_t>(&handle);
  request.points = reinterpret_cast<std::uintptr_t>(&point);
  request.count_handles = 1;
  // Absolute, so that a call that a signal interrupted can be made again as it is. 0: do not wait.
  const auto when = std::chrono::nanoseconds(deadline.when().time_since_epoch()).count();
  request.timeout_nsec = when > 0 ? when : 0;
  request.flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT | DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE;
  const int result = kernel.ioctl(node, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &request);
  if (result == -ETIME) {
    return false;
  }
  if (result < 0) {
    return failure("DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT",
                   fmt::format("point {} of syncobj {} cannot be waited for", point, handle), -result);
  }
  return true;
}

Status watch_syncobj(const Kernel& kernel, BorrowedFd node, std::uint32_t handle, std::uint64_t point,
                     BorrowedFd eventfd) {
  drm_syncobj_eventfd request{};
  request.handle = handle;
  request.point = point;
  request.fd = eventfd.get();
  const int result = kernel.ioctl(node, DRM_IOCTL_SYNCOBJ_EVENTFD, &request);
  if (result >= 0) {
    return {};
  }
  auto what = fmt::format("point {} of syncobj {} cannot be watched by an eventfd", point, handle);
  if (result == -EINVAL || result == -ENOTTY || result == -EOPNOTSUPP) {
    // EINVAL is also what drm_ioctl() answers to a number that it does not know; this request is sound.
    return Error(Errc::Unsupported, "DRM_IOCTL_SYNCOBJ_EVENTFD",
                 std::move(what) + "; the kernel has this since Linux 6.6, for drivers with timelines",
                 -result);
  }
  return failure("DRM_IOCTL_SYNCOBJ_EVENTFD", std::move(what), -result);
}

Result<UniqueFd> export_point(const Kernel& kernel, BorrowedFd node, std::uint32_t handle,
                              std::uint64_t point) {
  // HANDLE_TO_FD knows no points (before Linux 6.16): a binary syncobj takes the point's fence over first.
  auto binary = Temporary::create(kernel, node);
  if (!binary) {
    return std::move(binary.error());
  }
  if (const int result = transfer(kernel, node, {handle, point}, {binary->handle(), 0}); result < 0) {
    if (result == -EINVAL) {
      return Error(Errc::WrongState, "DRM_IOCTL_SYNCOBJ_TRANSFER",
                   fmt::format("nobody has submitted work for point {} of syncobj {}, so that there is no "
                               "fence yet that a sync_file could stand for; submit it first",
                               point, handle),
                   EINVAL);
    }
    return failure("DRM_IOCTL_SYNCOBJ_TRANSFER",
                   fmt::format("point {} of syncobj {} could not be exported", point, handle), -result);
  }
  drm_syncobj_handle request{};
  request.handle = binary->handle();
  request.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE;
  request.fd = -1;
  if (const int result = kernel.ioctl(node, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &request); result < 0) {
    return failure("DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD",
                   fmt::format("point {} of syncobj {} could not be exported as a sync_file", point, handle),
                   -result);
  }
  return UniqueFd(request.fd);
}

Status import_point(const Kernel& kernel, BorrowedFd node, std::uint32_t handle, std::uint64_t point,
                    BorrowedFd sync_file) {
  auto binary = Temporary::create(kernel, node);
  if (!binary) {
    return std::move(binary.error());
  }
  drm_syncobj_handle request{};
  request.handle = binary->handle();
  request.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE;
  request.fd = sync_file.get();
  if (const int result = kernel.ioctl(node, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &request); result < 0) {
    return system_error(
        "DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE",
        fmt::format("the sync_file of descriptor {} could not be taken into a syncobj", sync_file.get()),
        -result);
  }
  if (const int result = transfer(kernel, node, {binary->handle(), 0}, {handle, point}); result < 0) {
    return failure("DRM_IOCTL_SYNCOBJ_TRANSFER",
                   fmt::format("a fence could not become point {} of syncobj {}", point, handle), -result);
  }
  return {};
}

}  // namespace causeway::uapi
