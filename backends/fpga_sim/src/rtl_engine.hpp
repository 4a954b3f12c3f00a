// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "bus.hpp"

namespace causeway::fpga_sim_backend {

/// The verilated engine between its registers and a memory, one clock at a time.
/// Threads: thread-bound, to the one that made it.
class RtlEngine {
public:
  /// Where each state machine stands; the values are rtl/'s.
  struct States {
    std::uint8_t mm2s_ring, s2mm_ring, mm2s_mover, s2mm_mover;
  };

  virtual ~RtlEngine() = default;
  /// One clock. True if anything crossed the bus.
  virtual bool clock() = 0;
  /// By APB, which takes two clocks. offset: bytes, a multiple of 4 below reg::kEnd.
  virtual std::uint32_t read_register(std::uint32_t offset) = 0;
  virtual void write_register(std::uint32_t offset, std::uint32_t value) = 0;
  /// The interrupt lines: bit 0 MM2S, bit 1 S2MM.
  [[nodiscard]] virtual unsigned interrupts() const = 0;
  [[nodiscard]] virtual States states() const = 0;
  /// Breaches of AXI4's rules by the engine, ever: none.
  [[nodiscard]] virtual std::uint64_t violations() const = 0;
  [[nodiscard]] virtual std::uint64_t clocks() const = 0;
  [[nodiscard]] virtual std::uint64_t bytes_read() const = 0;  ///< by MM2S
  [[nodiscard]] virtual std::uint64_t bytes_written() const = 0;
};

/// data_bits: 64 or 512. memory and pace must outlive it.
[[nodiscard]] std::unique_ptr<RtlEngine> make_rtl_engine(unsigned data_bits, BusMemory& memory,
                                                         BusPace& pace);

}  // namespace causeway::fpga_sim_backend
