// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "uapi/kernel.hpp"

namespace causeway::uapi {

inline constexpr const char* kUdmabufPath = "/dev/udmabuf";

/// UDMABUF_CREATE: a dma-buf over [offset, offset + size) of a memfd that is sealed against shrinking; offset
/// and size in bytes, whole pages. Errors: InvalidArgument (too large for the module's limit), OutOfFds.
[[nodiscard]] Result<UniqueFd> create_udmabuf(const Kernel& kernel, BorrowedFd udmabuf_device,
                                              BorrowedFd memfd, std::uint64_t offset, std::uint64_t size);

}  // namespace causeway::uapi
