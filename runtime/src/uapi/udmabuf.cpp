// SPDX-License-Identifier: Apache-2.0
#include "uapi/udmabuf.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/udmabuf.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "uapi/dma_buf.hpp"

namespace causeway::uapi {

Result<UniqueFd> open_udmabuf(const Kernel& kernel) {
  auto device = kernel.open(kUdmabufPath, O_RDWR);
  if (device) {
    return device;
  }
  if (device.error().code() == Errc::NotFound) {
    return std::move(device.error()).within("this kernel offers no udmabuf (module udmabuf)");
  }
  if (device.error().code() == Errc::Permission) {
    return std::move(device.error())
        .within("udmabuf needs access to its device (group kvm, or the seat's user)");
  }
  return device;
}

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

Result<UniqueFd> create_udmabuf(const Kernel& kernel, BorrowedFd udmabuf_device,
                                std::span<const UdmabufPiece> pieces) {
  std::uint64_t total = 0;
  std::vector<udmabuf_create_item> items;
  items.reserve(pieces.size());
  for (const auto& piece : pieces) {
    items.push_back({.memfd = static_cast<std::uint32_t>(piece.memfd.get()),
                     .__pad = 0,
                     .offset = piece.offset,
                     .size = piece.size});
    total += piece.size;
  }
  if (items.empty() || items.size() > std::numeric_limits<std::uint32_t>::max()) {
    return Error(Errc::InvalidArgument, "UDMABUF_CREATE_LIST",
                 fmt::format("{} pieces were given; a udmabuf has at least one", items.size()));
  }
  // The request ends in the array; in words of 64 bits, so that it is aligned as the struct is.
  const std::array<std::uint32_t, 2> head{UDMABUF_FLAGS_CLOEXEC, static_cast<std::uint32_t>(items.size())};
  static_assert(sizeof(head) == sizeof(udmabuf_create_list) && offsetof(udmabuf_create_list, flags) == 0);
  const std::size_t item_bytes = items.size() * sizeof(udmabuf_create_item);
  std::vector<std::uint64_t> request((sizeof(head) + item_bytes) / sizeof(std::uint64_t));
  auto* bytes = reinterpret_cast<std::byte*>(request.data());
  std::memcpy(bytes, head.data(), sizeof(head));
  std::memcpy(bytes + sizeof(head), items.data(), item_bytes);

  const int fd = kernel.ioctl(udmabuf_device, UDMABUF_CREATE_LIST, request.data());
  if (fd < 0) {
    auto detail = fmt::format("a udmabuf of {} bytes in {} pieces was refused", total, items.size());
    if (fd == -EINVAL) {
      detail +=
          "; the kernel limits the pieces to the module parameter list_limit (1024 unless it was changed) "
          "and the bytes to size_limit_mb (64 MB), both in /sys/module/udmabuf/parameters; and it takes "
          "whole "
          "pages only, within memfds that are sealed against shrinking and not against writing "
          "(F_SEAL_SHRINK, F_SEAL_WRITE)";
    }
    return system_error("UDMABUF_CREATE_LIST", std::move(detail), -fd);
  }
  return UniqueFd(fd);
}

Status prime_udmabuf(const Kernel& kernel, BorrowedFd udmabuf) {
  if (auto started = sync_start(kernel, udmabuf, Usage::ReadWrite); !started) {
    return started;
  }
  return sync_end(kernel, udmabuf, Usage::ReadWrite);
}

}  // namespace causeway::uapi
