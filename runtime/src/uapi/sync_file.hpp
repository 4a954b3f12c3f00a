// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/usage.hpp>

#include <cstdint>
#include <string>

#include "uapi/kernel.hpp"

namespace causeway::uapi {

/// What SYNC_IOC_FILE_INFO tells (Documentation/driver-api/sync_file.rst).
struct SyncFileInfo {
  bool signalled = false;
  int error = 0;                  ///< an errno if a fence in it failed, else 0
  std::int64_t signalled_at = 0;  ///< nanoseconds on CLOCK_MONOTONIC, of the last one; 0 if unknown
  std::uint32_t fences = 0;       ///< how many the file holds; 0 for one that had nothing to wait for
};

/// Errors: InvalidArgument (the descriptor is no sync_file), OutOfMemory.
[[nodiscard]] Result<SyncFileInfo> query_sync_file(const Kernel& kernel, BorrowedFd sync_file);

/// SYNC_IOC_MERGE: a sync_file that signals once both have. Of fences of one context the kernel keeps the
/// latest. Errors: InvalidArgument, OutOfFds, OutOfMemory.
[[nodiscard]] Result<UniqueFd> merge_sync_files(const Kernel& kernel, const std::string& name, BorrowedFd a,
                                                BorrowedFd b);

/// DMA_BUF_IOCTL_EXPORT_SYNC_FILE: what someone with that usage has to wait for, merged into one (for Read
/// the writers; for Write everybody). Errors: Unsupported (a kernel before 6.0), OutOfFds, OutOfMemory.
[[nodiscard]] Result<UniqueFd> export_sync_file(const Kernel& kernel, BorrowedFd dma_buf, Usage usage);

/// DMA_BUF_IOCTL_IMPORT_SYNC_FILE: puts the fences into the dma-buf's reservation, as a writer's or a
/// reader's. Errors: Unsupported (a kernel before 6.0), InvalidArgument, OutOfMemory.
[[nodiscard]] Status import_sync_file(const Kernel& kernel, BorrowedFd dma_buf, BorrowedFd sync_file,
                                      Usage usage);

}  // namespace causeway::uapi
