// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/usage.hpp>

#include "uapi/kernel.hpp"

namespace causeway::uapi {

/// True if the descriptor is one of the kernel's dma-bufs: asked of its file system (DMA_BUF_MAGIC), since a
/// trial SYNC would disturb the caches.
[[nodiscard]] Result<bool> is_dma_buf(const Kernel& kernel, BorrowedFd fd);

/// DMA_BUF_IOCTL_SYNC with START. On current kernels it also waits for the reservation's fences, without a
/// deadline: poll first.
[[nodiscard]] Status sync_start(const Kernel& kernel, BorrowedFd fd, Usage usage);
/// DMA_BUF_IOCTL_SYNC with END; usage must be that of the START.
[[nodiscard]] Status sync_end(const Kernel& kernel, BorrowedFd fd, Usage usage);

/// DMA_BUF_SET_NAME, cut to the 31 bytes that the kernel keeps. For people who debug: a failure is no
/// failure.
void set_name(const Kernel& kernel, BorrowedFd fd, const std::string& name) noexcept;

}  // namespace causeway::uapi
