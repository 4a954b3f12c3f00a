// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

// The card's registers and descriptors, as rtl/ has them. The rings are those of the Xilinx AXI DMA (PG021);
// what begins at 0x80 is ours.
namespace causeway::fpga_sim_backend {

enum class Ring : std::uint32_t { Mm2s = 0x00, S2mm = 0x30 };  ///< where the ring's registers begin
inline constexpr std::array kRings{Ring::Mm2s, Ring::S2mm};

/// The halves of an address that go into two registers, or words of a descriptor.
constexpr std::uint32_t low(std::uint64_t address) {
  return static_cast<std::uint32_t>(address);
}
constexpr std::uint32_t high(std::uint64_t address) {
  return static_cast<std::uint32_t>(address >> 32U);
}

namespace reg {
inline constexpr std::uint32_t kControl = 0x00;  ///< DMACR; this and the next ones from the ring's begin
inline constexpr std::uint32_t kStatus = 0x04;   ///< DMASR
inline constexpr std::uint32_t kCurrent = 0x08;  ///< CURDESC, CURDESC_MSB
inline constexpr std::uint32_t kTail = 0x10;     ///< TAILDESC, TAILDESC_MSB
inline constexpr std::uint32_t kTailHigh = 0x14;
inline constexpr std::uint32_t kKernel = 0x80;
inline constexpr std::uint32_t kWidth = 0x84;
inline constexpr std::uint32_t kHeight = 0x88;
inline constexpr std::uint32_t kInStride = 0x8c;
inline constexpr std::uint32_t kOutStride = 0x90;
inline constexpr std::uint32_t kKernelStatus = 0x94;
inline constexpr std::uint32_t kLimits = 0x98;
inline constexpr std::uint32_t kStates = 0x9c;
inline constexpr std::uint32_t kEnd = 0xa0;  ///< bytes of the register space
}  // namespace reg

namespace control {  // DMACR
inline constexpr std::uint32_t kRun = 1U << 0;
inline constexpr std::uint32_t kReset = 1U << 2;
inline constexpr std::uint32_t kCyclic = 1U << 4;
inline constexpr std::uint32_t kIocIrq = 1U << 12;
inline constexpr std::uint32_t kErrorIrq = 1U << 14;
}  // namespace control

namespace status {  // DMASR
inline constexpr std::uint32_t kHalted = 1U << 0;
inline constexpr std::uint32_t kIdle = 1U << 1;
inline constexpr std::uint32_t kDmaIntErr = 1U << 4;
inline constexpr std::uint32_t kDmaSlvErr = 1U << 5;
inline constexpr std::uint32_t kDmaDecErr = 1U << 6;
inline constexpr std::uint32_t kSgIntErr = 1U << 8;
inline constexpr std::uint32_t kSgSlvErr = 1U << 9;
inline constexpr std::uint32_t kSgDecErr = 1U << 10;
inline constexpr std::uint32_t kErrors =
    kDmaIntErr | kDmaSlvErr | kDmaDecErr | kSgIntErr | kSgSlvErr | kSgDecErr;
inline constexpr std::uint32_t kIoc = 1U << 12;
inline constexpr std::uint32_t kErrorIrq = 1U << 14;
}  // namespace status

namespace kernel {                                  // KERNEL
inline constexpr std::uint32_t kEnable = 1U << 31;  ///< 0: the settings may change, and a new image begins
inline constexpr std::uint32_t kRedShift = 8;       ///< the bytes of a pixel, two bits each
inline constexpr std::uint32_t kGreenShift = 10;
inline constexpr std::uint32_t kBlueShift = 12;
inline constexpr std::uint32_t kMismatch = 1;  ///< KERNEL_STATUS
}  // namespace kernel

/// A descriptor in memory, at a multiple of 64 bytes (PG021, "Scatter Gather Descriptor").
struct Descriptor {
  std::uint32_t next;
  std::uint32_t next_msb;
  std::uint32_t address;
  std::uint32_t address_msb;
  std::uint32_t reserved[2];
  std::uint32_t control;
  std::uint32_t status;
  std::uint32_t application[8];  // not used
};
static_assert(sizeof(Descriptor) == 64);

namespace descriptor {
inline constexpr std::uint32_t kSof = 1U << 27;  // CONTROL (TXSOF, TXEOF) and STATUS (RXSOF, RXEOF)
inline constexpr std::uint32_t kEof = 1U << 26;
inline constexpr std::uint32_t kBytes = (1U << 26) - 1;  // STATUS: transferred
inline constexpr std::uint32_t kIntErr = 1U << 28;       // STATUS
inline constexpr std::uint32_t kSlvErr = 1U << 29;
inline constexpr std::uint32_t kDecErr = 1U << 30;
inline constexpr std::uint32_t kComplete = 1U << 31;
}  // namespace descriptor

inline constexpr unsigned kLengthBits = 20;  ///< of CONTROL's length field

}  // namespace causeway::fpga_sim_backend
