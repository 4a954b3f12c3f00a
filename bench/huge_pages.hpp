// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace causeway::bench {

inline constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;

/// Makes the whole huge pages of a shared mapping so, with MADV_COLLAPSE (Linux 6.1), which needs no
/// permission. data: aligned to kHugePage. False if the system refuses.
[[nodiscard]] bool collapse(std::byte* data, std::uint64_t bytes) noexcept;

/// Whether collapse() works here: tried once, with one huge page.
[[nodiscard]] bool huge_pages_work();

}  // namespace causeway::bench
