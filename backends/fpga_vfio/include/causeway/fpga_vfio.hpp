// SPDX-License-Identifier: Apache-2.0
#pragma once

// A PCIe card of your own, through VFIO. Bind it to vfio-pci first (docs/fpga.md has the commands), then:
//
//   auto card = fpga_vfio::open(runtime, {.address = "0000:01:00.0", .address_bits = 40});
//   ... negotiate with(*card, Usage::Read) ...
//   auto registers = fpga::registers(*card);
//   auto reads = source->on(*card).begin_access(Usage::Read, deadline);    // for each frame
//   fpga_vfio::expect(*card, 0);                 // the interrupt that will tell the end
//   registers->write32(kStart, 1);
//   reads->end();                                // with a fence: who comes next waits for that interrupt
//   fpga_vfio::wait(*card, 0, deadline);         // or wait here; past the deadline the card is reset
//
// Registers, interrupts and device addresses are those of every card: causeway/fpga_card.hpp. All of it is
// inline over the C table of causeway/fpga_vfio_abi.h.

#include <causeway/fpga_vfio_abi.h>
#include <causeway/deadline.hpp>
#include <causeway/fpga_card.hpp>
#include <causeway/runtime.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace causeway::fpga_vfio {

/// How to open a card: where it is, and what VFIO cannot know of it. Threads: reentrant (a value).
struct OpenInfo {
  std::string address{};  ///< of the PCI function, "0000:01:00.0"; empty: the first one bound to vfio-pci
  std::uint32_t address_bits =
      64;                         ///< of the addresses that the card drives; the kernel calls it the DMA mask
  std::uint32_t alignment = 1;    ///< bytes; of strides and of planes' offsets
  std::uint64_t max_segment = 0;  ///< bytes of the longest entry of an SgTable, whole pages; 0: no limit
  std::uint64_t max_object = 0;   ///< bytes of the largest memory object; 0: what fits into the addresses
};

/// Opens a card for this process alone, with bus mastering on; closing resets it where it can be reset.
/// Errors: NotFound (no such function; nothing bound to vfio-pci), Busy (bound to another driver, or open in
/// another process), Unsupported (no IOMMU, a group that is not viable, a kernel without VFIO), Permission,
/// InvalidArgument. Each names the command that would mend it. Threads: thread-safe.
[[nodiscard]] inline Result<Device> open(Runtime& runtime, const OpenInfo& info = {}) {
  auto config = plugin::sized<cw_fpga_vfio_config>();
  config.address_bits = info.address_bits;
  config.alignment = info.alignment;
  config.max_segment = info.max_segment;
  config.max_object = info.max_object;
  return runtime.open_device(
      "fpga_vfio", {.id = info.address, .adopt_interface = CW_FPGA_VFIO_CONFIG_INTERFACE, .adopt = &config});
}

namespace detail {

[[nodiscard]] inline Result<const cw_fpga_vfio*> table_of(const Device& card) {
  const auto* table = static_cast<const cw_fpga_vfio*>(card.interface(CW_FPGA_VFIO_INTERFACE));
  if (table == nullptr) {
    return Error(
        Errc::InvalidArgument, "fpga_vfio",
        "the device " + card.name() + " of the backend " + card.backend() + " is no card behind VFIO");
  }
  return table;
}

}  // namespace detail

/// Says that work is about to start whose end is interrupt n; call it before the register that starts the
/// card. Turns that end from now on, until the interrupt came, end with its fence. Do not read the descriptor
/// of fpga::interrupt(card, n) meanwhile: that takes the interrupt away. Interrupts from before are
/// forgotten. Errors: InvalidArgument (no such card), NotFound (no such interrupt), Busy (it is expected
/// already). Threads: thread-safe.
[[nodiscard]] inline Status expect(const Device& card, std::uint32_t n = 0) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  return fpga::detail::call([&](cw_error* error) { return (*table)->expect(card.raw(), n, error); });
}

/// Waits for the interrupt that was expected last. Errors: TimedOut (the card was reset, and the fence failed
/// with ETIMEDOUT), WrongState (none was expected), Io (somebody reset the card), InvalidArgument, NotFound.
/// Threads: thread-safe.
[[nodiscard]] inline Status wait(const Device& card, std::uint32_t n, Deadline deadline) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  const auto when = deadline.is_never() ? Deadline::Clock::time_point::max() : deadline.when();
  return fpga::detail::call([&](cw_error* error) {
    return (*table)->wait(card.raw(), n, std::chrono::nanoseconds(when.time_since_epoch()).count(), error);
  });
}

/// What the card is; documented in fpga_vfio_abi.h. Errors: InvalidArgument (no such card). Threads:
/// thread-safe.
[[nodiscard]] inline Result<cw_fpga_vfio_info> info(const Device& card) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  auto told = plugin::sized<cw_fpga_vfio_info>();
  (*table)->info(card.raw(), &told);
  return told;
}

}  // namespace causeway::fpga_vfio
