// SPDX-License-Identifier: Apache-2.0
#pragma once

// A driver for QEMU's teaching card "edu" (docs/specs/edu.rst), written with the public headers alone, as one
// for a card of your own would be. The tests use it on the card that QEMU plays in the guest, and on one that
// they play themselves.

#include <algorithm>
#include <causeway/causeway.hpp>
#include <causeway/fpga_vfio.hpp>

#include <cstdint>
#include <functional>
#include <utility>

namespace edu {

using causeway::Deadline;
using causeway::Device;
using causeway::Mapping;
using causeway::Status;
namespace fpga = causeway::fpga;
namespace fpga_vfio = causeway::fpga_vfio;

inline constexpr std::uint32_t kIdentity = 0x00;  ///< 0x010000ed, the upper 16 bits being the version
inline constexpr std::uint32_t kLiveness = 0x04;  ///< reads as the complement of what was written
inline constexpr std::uint32_t kInterruptStatus = 0x24;
inline constexpr std::uint32_t kRaise = 0x60;
inline constexpr std::uint32_t kAcknowledge = 0x64;
inline constexpr std::uint32_t kSource = 0x80;
inline constexpr std::uint32_t kDestination = 0x88;
inline constexpr std::uint32_t kCount = 0x90;
inline constexpr std::uint32_t kCommand = 0x98;
inline constexpr std::uint32_t kRun = 1, kFromCard = 2, kWithInterrupt = 4;
inline constexpr std::uint64_t kOwnMemory = 0x40000;  ///< where the card's own 4096 bytes are, for its DMA
inline constexpr std::uint32_t kMost = 4096;          ///< bytes of a transfer

/// What VFIO cannot know of it.
inline fpga_vfio::OpenInfo open_info(std::string address = {}) {
  return {.address = std::move(address), .address_bits = 28, .alignment = 4, .max_segment = kMost};
}

class Card {
public:
  explicit Card(Device card) : card_(std::move(card)), registers_(fpga::registers(card_).value()) {}

  /// Called once the card was started: a card that a test plays works there.
  std::function<void()> started;

  /// Starts a transfer between the card's own memory and a device address; its interrupt is expected.
  Status start(bool from_card, std::uint64_t iova, std::uint32_t bytes) {
    if (auto expected = fpga_vfio::expect(card_, 0); !expected) {
      return expected;
    }
    const auto write = [&](std::uint32_t offset, std::uint64_t value) {
      registers_.write32(offset, static_cast<std::uint32_t>(value)).value();
    };
    write(kSource, from_card ? kOwnMemory : iova);
    write(kDestination, from_card ? iova : kOwnMemory);
    write(kCount, bytes);
    write(kCommand, kRun | kWithInterrupt | (from_card ? kFromCard : 0U));
    if (started) {
      started();
    }
    return {};
  }
  Status finish(Deadline deadline) {
    auto waited = fpga_vfio::wait(card_, 0, deadline);
    if (waited) {
      registers_.write32(kAcknowledge, registers_.read32(kInterruptStatus).value()).value();
    }
    return waited;
  }
  Status move(bool from_card, std::uint64_t iova, std::uint32_t bytes, Deadline deadline) {
    auto status = start(from_card, iova, bytes);
    return status ? finish(deadline) : status;
  }
  /// Everything of one mapping into another, a segment after the other, through the card's own memory.
  Status copy(const Mapping& from, const Mapping& to, Deadline deadline) {
    for (std::size_t i = 0; i < std::min(from.sg().size(), to.sg().size()); ++i) {
      const auto bytes = static_cast<std::uint32_t>(std::min(from.sg()[i].length, to.sg()[i].length));
      auto status = move(false, from.sg()[i].address, bytes, deadline);
      if (status) {
        status = move(true, to.sg()[i].address, bytes, deadline);
      }
      if (!status) {
        return status;
      }
    }
    return {};
  }

  [[nodiscard]] const fpga::Registers& registers() const { return registers_; }

private:
  Device card_;
  fpga::Registers registers_;
};

}  // namespace edu
