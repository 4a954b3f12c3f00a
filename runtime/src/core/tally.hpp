// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/counters.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/copy_bytes.hpp"

namespace causeway::core {

/// The live counters behind Counters. Threads: thread-safe; each counter is exact, together they are no
/// snapshot.
class Tally {
public:
  void add_copied_bytes(std::uint64_t amount) noexcept { add(copied_bytes_, amount); }
  void add_cpu_wait(std::uint64_t amount = 1) noexcept { add(cpu_waits_, amount); }
  void add_sync_start() noexcept { add(sync_starts_, 1); }
  void add_sync_end() noexcept { add(sync_ends_, 1); }
  void add_sync_owed() noexcept { add(sync_owed_, 1); }
  void add_sync_paid() noexcept { add(sync_paid_, 1); }
  void add_sync_elided_coherent() noexcept { add(sync_elided_coherent_, 1); }
  void add_alias_proof() noexcept { add(alias_proofs_, 1); }

  /// sync_elided: of all buffers, which count it themselves.
  [[nodiscard]] Counters read(std::uint64_t sync_elided) const noexcept {
    return {.copied_bytes = copied_bytes_.load(std::memory_order_relaxed),
            .cpu_waits = cpu_waits_.load(std::memory_order_relaxed),
            .sync_starts = sync_starts_.load(std::memory_order_relaxed),
            .sync_ends = sync_ends_.load(std::memory_order_relaxed),
            .sync_owed = sync_owed_.load(std::memory_order_relaxed),
            .sync_paid = sync_paid_.load(std::memory_order_relaxed),
            .sync_elided = sync_elided,
            .sync_elided_coherent = sync_elided_coherent_.load(std::memory_order_relaxed),
            .alias_proofs = alias_proofs_.load(std::memory_order_relaxed)};
  }

  /// The one place where this library copies the contents of buffers.
  void copy(std::span<std::byte> to, std::span<const std::byte> from) noexcept {
    copy_bytes(to.data(), from.data(), from.size());
    add_copied_bytes(from.size());
  }

private:
  using Counter = std::atomic<std::uint64_t>;
  static void add(Counter& counter, std::uint64_t amount) noexcept {
    counter.fetch_add(amount, std::memory_order_relaxed);
  }

  Counter copied_bytes_{0};
  Counter cpu_waits_{0};
  Counter sync_starts_{0};
  Counter sync_ends_{0};
  Counter sync_owed_{0};
  Counter sync_paid_{0};
  Counter sync_elided_coherent_{0};
  Counter alias_proofs_{0};
};

}  // namespace causeway::core
