// SPDX-License-Identifier: Apache-2.0
#include "uapi/dma_buf.hpp"

#include <fmt/format.h>
#include <linux/dma-buf.h>
#include <linux/magic.h>

#include <array>
#include <cstring>
#include <utility>

#ifndef DMA_BUF_MAGIC
#define DMA_BUF_MAGIC 0x444d4142
#endif

namespace causeway::uapi {
namespace {

Status sync(const Kernel& kernel, BorrowedFd fd, Usage usage, std::uint64_t phase) {
  dma_buf_sync request{};
  request.flags = phase | (reads(usage) ? std::uint64_t{DMA_BUF_SYNC_READ} : 0U) |
                  (writes(usage) ? std::uint64_t{DMA_BUF_SYNC_WRITE} : 0U);
  if (const int result = kernel.ioctl(fd, DMA_BUF_IOCTL_SYNC, &request); result < 0) {
    return system_error("DMA_BUF_IOCTL_SYNC",
                        fmt::format("CPU access could not be {} (flags {:#x})",
                                    phase == DMA_BUF_SYNC_START ? "begun" : "ended", request.flags),
                        -result);
  }
  return {};
}

}  // namespace

Result<bool> is_dma_buf(const Kernel& kernel, BorrowedFd fd) {
  auto system = kernel.file_system(fd);
  if (!system) {
    return std::move(system.error());
  }
  return system->type == DMA_BUF_MAGIC;
}

Status sync_start(const Kernel& kernel, BorrowedFd fd, Usage usage) {
  return sync(kernel, fd, usage, DMA_BUF_SYNC_START);
}

Status sync_end(const Kernel& kernel, BorrowedFd fd, Usage usage) {
  return sync(kernel, fd, usage, DMA_BUF_SYNC_END);
}

void set_name(const Kernel& kernel, BorrowedFd fd, const std::string& name) noexcept {
  std::array<char, 32> text{};
  std::memcpy(text.data(), name.data(), std::min(name.size(), text.size() - 1));
  static_cast<void>(kernel.ioctl(fd, DMA_BUF_SET_NAME_B, text.data()));
}

}  // namespace causeway::uapi
