// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "core/allocator.hpp"
#include "uapi/kernel.hpp"

namespace causeway::exporters {

[[nodiscard]] std::unique_ptr<core::Allocator> make_udmabuf(const uapi::Kernel& kernel);
[[nodiscard]] std::unique_ptr<core::Allocator> make_memfd(const uapi::Kernel& kernel);
/// One exporter for each heap that the kernel lists now.
[[nodiscard]] std::vector<std::unique_ptr<core::Allocator>> make_dma_heaps(const uapi::Kernel& kernel);

/// What can own storage, in the order in which it is tried: udmabuf (its memfd can be pinned and mapped with
/// huge pages), the heaps, and memfd, which works anywhere but is no dma-buf. kernel must outlive them.
[[nodiscard]] std::vector<std::unique_ptr<core::Allocator>> make_ladder(const uapi::Kernel& kernel);

}  // namespace causeway::exporters
