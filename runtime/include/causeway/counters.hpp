// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace causeway {

/// What a runtime has done since its start; take two and subtract. Threads: reentrant (a value).
struct Counters {
  std::uint64_t copied_bytes = 0;  ///< bytes that a CPU copied between two buffers
  std::uint64_t cpu_waits = 0;     ///< times that a CPU waited for a device
  std::uint64_t sync_starts = 0;   ///< DMA_BUF_IOCTL_SYNC START issued
  std::uint64_t sync_ends = 0;     ///< DMA_BUF_IOCTL_SYNC END issued
  std::uint64_t alias_proofs = 0;  ///< imports that were proved; others are of a kind that was proved already

  [[nodiscard]] constexpr Counters operator-(const Counters& since) const noexcept {
    return {.copied_bytes = copied_bytes - since.copied_bytes,
            .cpu_waits = cpu_waits - since.cpu_waits,
            .sync_starts = sync_starts - since.sync_starts,
            .sync_ends = sync_ends - since.sync_ends,
            .alias_proofs = alias_proofs - since.alias_proofs};
  }
};

}  // namespace causeway
