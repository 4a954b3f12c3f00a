// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/allocator.hpp"
#include "uapi/kernel.hpp"
#include "uapi/udmabuf.hpp"

namespace causeway::exporters {

/// A buffer of each size (bytes, whole pages) on one memfd. Each is a dma-buf of its own over its range,
/// since one dma-buf for all would give all one reservation, and makes its own pinnable view: the memfd and
/// its offset. The memory of all goes when the last of them does. Buffers of 2 MiB and more lie on huge pages
/// if those are wished for and can be had. Errors: InvalidArgument (no buffer, or no whole pages), and those
/// of the udmabuf exporter.
[[nodiscard]] Result<std::vector<core::Storage>> make_udmabuf_slab(const uapi::Kernel& kernel,
                                                                   std::span<const std::uint64_t> sizes,
                                                                   core::Pages pages,
                                                                   const std::string& name);

/// One dma-buf over ranges of sealed memfds, in their order: pages that lie apart become one buffer. It has a
/// pinnable view only if the ranges follow one another in one memfd. The memfds stay the caller's. Errors:
/// InvalidArgument, those of the udmabuf exporter.
[[nodiscard]] Result<core::Storage> make_udmabuf_of_ranges(const uapi::Kernel& kernel,
                                                           std::span<const uapi::UdmabufPiece> ranges,
                                                           const std::string& name);

}  // namespace causeway::exporters
