// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/usage.hpp>

#include <atomic>
#include <cstdint>

namespace causeway::core {

/// Whose turn it is on a buffer, within this process: nobody's, some readers', or one writer's. It excludes
/// by refusing, never by blocking; across processes the kernel's fences order the accesses.
///
/// Threads: thread-safe.
class AccessState {
public:
  [[nodiscard]] bool try_begin(Usage usage) noexcept {
    std::int32_t seen = turns_.load(std::memory_order_relaxed);
    for (;;) {
      const bool free = writes(usage) ? seen == 0 : seen >= 0;
      if (!free) {
        return false;
      }
      const std::int32_t wanted = writes(usage) ? kWriter : seen + 1;
      // Ordered against BufferState::lazy(): see end_and_look().
      if (turns_.compare_exchange_weak(seen, wanted, std::memory_order_seq_cst, std::memory_order_relaxed)) {
        return true;
      }
    }
  }

  void end(Usage usage) noexcept {
    if (writes(usage)) {
      turns_.store(0, std::memory_order_release);
    } else {
      turns_.fetch_sub(1, std::memory_order_release);
    }
  }

  /// As end(); what the caller looks at next is not older than the end. Whoever changes that, and then finds
  /// a turn that is not idle(), knows that its end will see the change.
  void end_and_look(Usage usage) noexcept {
    if (writes(usage)) {
      turns_.exchange(0, std::memory_order_seq_cst);
    } else {
      turns_.fetch_sub(1, std::memory_order_seq_cst);
    }
  }

  [[nodiscard]] bool idle() const noexcept { return turns_.load(std::memory_order_seq_cst) == 0; }

private:
  static constexpr std::int32_t kWriter = -1;
  std::atomic<std::int32_t> turns_{0};  // kWriter, or how many read
};

}  // namespace causeway::core
