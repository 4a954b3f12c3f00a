// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/usage.hpp>

#include <atomic>
#include <cstdint>

namespace causeway::core {

/// Whose turn it is, or whose turns are asked about.
enum class TurnsOf : std::uint8_t { Cpu, Devices, All };

/// Whose turn it is on a buffer, within this process: nobody's, some readers', or one writer's. It excludes
/// by refusing, never by blocking; across processes the kernel's fences order the accesses.
///
/// Threads: thread-safe.
class AccessState {
public:
  /// whose: Cpu or Devices.
  [[nodiscard]] bool try_begin(Usage usage, TurnsOf whose) noexcept {
    std::uint64_t seen = turns_.load(std::memory_order_relaxed);
    // Ordered against BufferState::lazy(): see end().
    if (writes(usage)) {
      return seen == 0 && turns_.compare_exchange_strong(seen, writer(whose), std::memory_order_seq_cst,
                                                         std::memory_order_relaxed);
    }
    while ((seen & (writer(TurnsOf::Cpu) | writer(TurnsOf::Devices))) == 0) {
      if (turns_.compare_exchange_weak(seen, seen + one_reader(whose), std::memory_order_seq_cst,
                                       std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  /// Nothing that the turn kept alive may be touched afterwards. Whoever changes what an end has to look at,
  /// and then finds the turn open, leaves that to it by TurnWatch.
  void end(Usage usage, TurnsOf whose) noexcept {
    if (writes(usage)) {
      turns_.store(0, std::memory_order_release);
    } else {
      turns_.fetch_sub(one_reader(whose), std::memory_order_release);
    }
  }

  [[nodiscard]] bool idle() const noexcept { return turns_.load(std::memory_order_seq_cst) == 0; }
  [[nodiscard]] bool open(TurnsOf whose) const noexcept {
    return (turns_.load(std::memory_order_seq_cst) & mask(whose)) != 0;
  }

private:
  /// The lower half counts the CPU's turns, the upper one those of devices: 31 bits of readers, and the
  /// writer above them.
  static constexpr std::uint64_t one_reader(TurnsOf whose) noexcept {
    return whose == TurnsOf::Cpu ? 1 : std::uint64_t{1} << 32;
  }
  static constexpr std::uint64_t writer(TurnsOf whose) noexcept { return one_reader(whose) << 31; }
  static constexpr std::uint64_t mask(TurnsOf whose) noexcept {
    return whose == TurnsOf::All ? ~std::uint64_t{0} : (writer(whose) << 1) - one_reader(whose);
  }

  std::atomic<std::uint64_t> turns_{0};
};

}  // namespace causeway::core
