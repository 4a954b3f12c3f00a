// SPDX-License-Identifier: Apache-2.0
#include "uapi/dma_heap.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/dma-heap.h>

namespace causeway::uapi {

Result<UniqueFd> allocate_from_heap(const Kernel& kernel, BorrowedFd heap, std::uint64_t size) {
  dma_heap_allocation_data request{};
  request.len = size;
  request.fd_flags = O_RDWR | O_CLOEXEC;
  if (const int result = kernel.ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &request); result < 0) {
    return system_error("DMA_HEAP_IOCTL_ALLOC", fmt::format("the heap refused {} bytes", size), -result);
  }
  return UniqueFd(static_cast<int>(request.fd));
}

}  // namespace causeway::uapi
