// SPDX-License-Identifier: Apache-2.0
#include "uapi/udmabuf.hpp"

#include <fmt/format.h>
#include <linux/udmabuf.h>

#include <cerrno>

namespace causeway::uapi {

Result<UniqueFd> create_udmabuf(const Kernel& kernel, BorrowedFd udmabuf_device, BorrowedFd memfd,
                                std::uint64_t offset, std::uint64_t size) {
  udmabuf_create request{};
  request.memfd = static_cast<std::uint32_t>(memfd.get());
  request.flags = UDMABUF_FLAGS_CLOEXEC;
  request.offset = offset;
  request.size = size;
  const int fd = kernel.ioctl(udmabuf_device, UDMABUF_CREATE, &request);
  if (fd < 0) {
    auto detail = fmt::format("a udmabuf of {} bytes was refused", size);
    if (fd == -EINVAL) {
      detail +=
          "; the kernel limits each to the module parameter size_limit_mb (64 MB unless it was changed: "
          "/sys/module/udmabuf/parameters/size_limit_mb)";
    }
    return system_error("UDMABUF_CREATE", std::move(detail), -fd);
  }
  return UniqueFd(fd);
}

}  // namespace causeway::uapi
