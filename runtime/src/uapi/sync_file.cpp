// SPDX-License-Identifier: Apache-2.0
#include "uapi/sync_file.hpp"

#include <fmt/format.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

// Linux 6.0; older headers lack them.
#ifndef DMA_BUF_IOCTL_EXPORT_SYNC_FILE
struct dma_buf_export_sync_file {
  __u32 flags;
  __s32 fd;
};
struct dma_buf_import_sync_file {
  __u32 flags;
  __s32 fd;
};
#define DMA_BUF_IOCTL_EXPORT_SYNC_FILE _IOWR(DMA_BUF_BASE, 2, struct dma_buf_export_sync_file)
#define DMA_BUF_IOCTL_IMPORT_SYNC_FILE _IOW(DMA_BUF_BASE, 3, struct dma_buf_import_sync_file)
#endif

namespace causeway::uapi {
namespace {

Error no_sync_file(BorrowedFd fd, int system_errno) {
  return Error(Errc::InvalidArgument, "SYNC_IOC_FILE_INFO",
               fmt::format("descriptor {} is no sync_file; those come from EXPORT_SYNC_FILE, from a Vulkan "
                           "semaphore as SYNC_FD, or from a syncobj",
                           fd.get()),
               system_errno);
}

Error bridge_error(const char* operation, std::string detail, int system_errno) {
  if (system_errno == ENOTTY) {
    return Error(Errc::Unsupported, operation,
                 std::move(detail) + "; this kernel has it since Linux 6.0, or the descriptor is no dma-buf",
                 system_errno);
  }
  return system_error(operation, std::move(detail), system_errno);
}

}  // namespace

Result<SyncFileInfo> query_sync_file(const Kernel& kernel, BorrowedFd sync_file) {
  if (!sync_file.valid()) {
    return no_sync_file(sync_file, EBADF);
  }
  // A first call tells how many fences there are; they cannot change, since a sync_file is immutable.
  sync_file_info request{};
  if (const int result = kernel.ioctl(sync_file, SYNC_IOC_FILE_INFO, &request); result < 0) {
    return result == -ENOMEM ? system_error("SYNC_IOC_FILE_INFO", "a fence could not be examined", ENOMEM)
                             : no_sync_file(sync_file, -result);
  }
  SyncFileInfo info{.signalled = request.status != 0,
                    .error = request.status < 0 ? -request.status : 0,
                    .fences = request.num_fences};
  if (!info.signalled || request.num_fences == 0) {
    return info;
  }
  std::vector<sync_fence_info> fences(request.num_fences);
  request.sync_fence_info = reinterpret_cast<std::uintptr_t>(fences.data());
  request.flags = 0;
  if (kernel.ioctl(sync_file, SYNC_IOC_FILE_INFO, &request) == 0) {
    for (const auto& fence : fences) {
      info.signalled_at = std::max(info.signalled_at, static_cast<std::int64_t>(fence.timestamp_ns));
    }
  }
  return info;
}

Result<UniqueFd> merge_sync_files(const Kernel& kernel, const std::string& name, BorrowedFd a, BorrowedFd b) {
  sync_merge_data request{};
  std::memcpy(request.name, name.data(), std::min(name.size(), sizeof(request.name) - 1));
  request.fd2 = b.get();
  request.fence = -1;
  if (const int result = kernel.ioctl(a, SYNC_IOC_MERGE, &request); result < 0) {
    return system_error(
        "SYNC_IOC_MERGE",
        fmt::format("descriptors {} and {} could not be merged into one sync_file", a.get(), b.get()),
        -result);
  }
  return UniqueFd(request.fence);
}

Result<UniqueFd> export_sync_file(const Kernel& kernel, BorrowedFd dma_buf, Usage usage) {
  dma_buf_export_sync_file request{};
  request.flags = writes(usage) ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_READ;
  request.fd = -1;
  if (const int result = kernel.ioctl(dma_buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request); result < 0) {
    return bridge_error("DMA_BUF_IOCTL_EXPORT_SYNC_FILE", "the fences of a dma-buf could not be had",
                        -result);
  }
  return UniqueFd(request.fd);
}

Status import_sync_file(const Kernel& kernel, BorrowedFd dma_buf, BorrowedFd sync_file, Usage usage) {
  dma_buf_import_sync_file request{};
  request.flags = writes(usage) ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_READ;
  request.fd = sync_file.get();
  if (const int result = kernel.ioctl(dma_buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &request); result < 0) {
    return bridge_error("DMA_BUF_IOCTL_IMPORT_SYNC_FILE",
                        "a fence could not be put into a dma-buf's reservation", -result);
  }
  return {};
}

}  // namespace causeway::uapi
