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
/// The pool of huge pages, as a udmabuf and as a memfd.
[[nodiscard]] std::vector<std::unique_ptr<core::Allocator>> make_hugetlbs(const uapi::Kernel& kernel);

/// Display memory: one exporter for each card node that the kernel lists now.
[[nodiscard]] std::vector<std::unique_ptr<core::Allocator>> make_drm_dumbs(const uapi::Kernel& kernel);
/// The graphics drivers' own memory and layouts: one for each card node, then one for each render node; none
/// in a build without libgbm's header.
[[nodiscard]] std::vector<std::unique_ptr<core::Allocator>> make_gbms(const uapi::Kernel& kernel);

/// What can own storage, in the order in which it is tried: udmabuf (its memfd can be pinned and mapped with
/// huge pages), the heaps, and memfd, which works anywhere but is no dma-buf. Then those that are had by name
/// only: hugetlb, drm_dumb and gbm. kernel must outlive them.
[[nodiscard]] std::vector<std::unique_ptr<core::Allocator>> make_ladder(const uapi::Kernel& kernel);

}  // namespace causeway::exporters
