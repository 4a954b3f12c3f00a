// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "uapi/kernel.hpp"

namespace causeway::uapi {

/// What x86-64 and arm64 with 4 KiB pages call huge: one entry of the page table's middle directory.
inline constexpr std::uint64_t kHugePageSize = std::uint64_t{2} << 20;

/// Puts size bytes of a fresh memfd, from offset on (a multiple of 2 MiB), on huge pages: each whole block of
/// 2 MiB. Memory is then touched and mapped ten to a hundred times faster. To be done before anybody pins the
/// pages (UDMABUF_CREATE).
///
/// Where /sys/kernel/mm/transparent_hugepage/shmem_enabled permits it (advise, within_size or always), the
/// first touch after MADV_HUGEPAGE gives a huge page at once. What is not huge by then is made so by
/// MADV_COLLAPSE, which any user may do whatever is permitted there, and which also tells what is: a kernel
/// without it (before 6.1) is asked for huge pages, but none is counted.
///
/// The bytes, counted from offset, that are known to lie on huge pages now; 0 where the kernel or its free
/// memory does not allow it, which is no failure. They are present from now on: a huge page cannot be
/// allocated lazily.
[[nodiscard]] std::uint64_t obtain_huge_pages(const Kernel& kernel, BorrowedFd memfd, std::uint64_t offset,
                                              std::uint64_t size) noexcept;

}  // namespace causeway::uapi
