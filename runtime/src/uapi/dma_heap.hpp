// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "uapi/kernel.hpp"

namespace causeway::uapi {

/// Where the kernel lists its heaps. Their names differ from machine to machine ("system", "linux,cma",
/// "reserved", "default_cma_region", vendors' own), so they are enumerated and never assumed.
inline constexpr const char* kDmaHeapDirectory = "/dev/dma_heap";

/// DMA_HEAP_IOCTL_ALLOC: a zeroed dma-buf of size bytes, whole pages. Errors: OutOfMemory, OutOfFds.
[[nodiscard]] Result<UniqueFd> allocate_from_heap(const Kernel& kernel, BorrowedFd heap, std::uint64_t size);

}  // namespace causeway::uapi
