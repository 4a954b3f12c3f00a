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
  /// ENDs that were put off when their access ended: the CPU may touch the memory again before anybody else
  /// does, or the device that works through the CPU was not done.
  std::uint64_t sync_owed = 0;
  std::uint64_t sync_paid = 0;  ///< owed ENDs that were issued after all; the difference is owed still
  /// Brackets of the CPU, START and END, that were left out as only the CPU had touched the memory since the
  /// bracket before.
  std::uint64_t sync_elided = 0;
  /// Owed ENDs that a device did not need before its access, being I/O-coherent by its backend's evidence.
  std::uint64_t sync_elided_coherent = 0;
  std::uint64_t alias_proofs = 0;  ///< imports that were proved; others are of a kind that was proved already

  [[nodiscard]] constexpr Counters operator-(const Counters& since) const noexcept {
    return {.copied_bytes = copied_bytes - since.copied_bytes,
            .cpu_waits = cpu_waits - since.cpu_waits,
            .sync_starts = sync_starts - since.sync_starts,
            .sync_ends = sync_ends - since.sync_ends,
            .sync_owed = sync_owed - since.sync_owed,
            .sync_paid = sync_paid - since.sync_paid,
            .sync_elided = sync_elided - since.sync_elided,
            .sync_elided_coherent = sync_elided_coherent - since.sync_elided_coherent,
            .alias_proofs = alias_proofs - since.alias_proofs};
  }
};

}  // namespace causeway
