// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "uapi/kernel.hpp"

namespace causeway::uapi {

inline constexpr const char* kUdmabufPath = "/dev/udmabuf";

/// A range of a sealed memfd; offset and size are whole pages.
struct UdmabufPiece {
  BorrowedFd memfd;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// Opens the device. Errors: NotFound, Permission, with what to do about them; OutOfFds.
[[nodiscard]] Result<UniqueFd> open_udmabuf(const Kernel& kernel);

/// A dma-buf over size bytes of a sealed memfd, from offset on; both are whole pages. Errors: InvalidArgument
/// where the kernel's limits are exceeded (it says which), OutOfFds, OutOfMemory.
[[nodiscard]] Result<UniqueFd> create_udmabuf(const Kernel& kernel, BorrowedFd udmabuf_device,
                                              BorrowedFd memfd, std::uint64_t offset, std::uint64_t size);

/// One dma-buf over the pieces, in their order (UDMABUF_CREATE_LIST). Errors: as create_udmabuf.
[[nodiscard]] Result<UniqueFd> create_udmabuf(const Kernel& kernel, BorrowedFd udmabuf_device,
                                              std::span<const UdmabufPiece> pieces);

/// The first START of a udmabuf only builds its page table and tends no cache; later ones do. So it is done
/// before any device can have touched the memory (drivers/dma-buf/udmabuf.c, begin_cpu_udmabuf).
[[nodiscard]] Status prime_udmabuf(const Kernel& kernel, BorrowedFd udmabuf);

}  // namespace causeway::uapi
