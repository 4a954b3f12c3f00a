// SPDX-License-Identifier: Apache-2.0
#pragma once

// For drivers of FPGA cards, whichever backend the card hangs on (docs/fpga.md shows one):
//
//   auto registers = fpga::registers(card);          // BAR 0
//   auto done = fpga::interrupt(card, 0);            // an eventfd
//   auto source = fpga::iova(mapping);               // where the card finds the mapped bytes
//   registers->write32(0x80, source->address);       // … whatever the card understands
//
// All of it is inline over the C table of causeway/fpga_card_abi.h.

#include <causeway/fpga_card_abi.h>
#include <causeway/attachment.hpp>
#include <causeway/device.hpp>
#include <causeway/fd.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace causeway::fpga {

namespace detail {

/// Errors: InvalidArgument if the device is no FPGA card.
[[nodiscard]] inline Result<const cw_fpga_card*> table_of(const Device& card) {
  const auto* table = static_cast<const cw_fpga_card*>(card.interface(CW_FPGA_CARD_INTERFACE));
  if (table == nullptr) {
    return Error(Errc::InvalidArgument, "fpga",
                 "the device " + card.name() + " of the backend " + card.backend() + " is no FPGA card");
  }
  return table;
}

/// A call over the edge: body(error) returns a cw_status.
template <class Body>
[[nodiscard]] Status call(Body&& body) {
  auto failure = plugin::sized<cw_error>();
  if (const std::int32_t status = body(&failure); status != CW_OK) {
    return plugin::take_error(status, failure);
  }
  return {};
}

}  // namespace detail

/// The registers of a card, in words of 32 bits. Keeps the card open. Threads: thread-safe.
class Registers {
public:
  /// Bytes.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// offset: bytes, a multiple of 4. Errors: InvalidArgument (outside, or no multiple), DeviceLost.
  [[nodiscard]] Result<std::uint32_t> read32(std::uint64_t offset) const {
    std::uint32_t value = 0;
    auto status = detail::call(
        [&](cw_error* error) { return table_->read32(card_.raw(), bar_, offset, &value, error); });
    if (!status) {
      return std::move(status.error());
    }
    return value;
  }
  /// Errors: as read32.
  [[nodiscard]] Status write32(std::uint64_t offset, std::uint32_t value) const {
    return detail::call(
        [&](cw_error* error) { return table_->write32(card_.raw(), bar_, offset, value, error); });
  }

  Registers(Device card, const cw_fpga_card* table, std::uint32_t bar, std::uint64_t size) noexcept
      : card_(std::move(card)), table_(table), bar_(bar), size_(size) {}  ///< for registers()

private:
  Device card_;
  const cw_fpga_card* table_;
  std::uint32_t bar_;
  std::uint64_t size_;
};

/// One of the card's register spaces; PCI calls it a BAR. Errors: InvalidArgument (no FPGA card), NotFound.
/// Threads: thread-safe.
[[nodiscard]] inline Result<Registers> registers(const Device& card, std::uint32_t bar = 0) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  std::uint64_t size = 0;
  auto status =
      detail::call([&](cw_error* error) { return (*table)->bar_size(card.raw(), bar, &size, error); });
  if (!status) {
    return std::move(status.error());
  }
  return Registers(card, *table, bar, size);
}

/// The eventfd that the card's interrupt n makes readable. Lent: it lives as long as the device.
/// Errors: InvalidArgument (no FPGA card), NotFound (it has fewer), OutOfFds. Threads: thread-safe.
[[nodiscard]] inline Result<BorrowedFd> interrupt(const Device& card, std::uint32_t n = 0) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  std::int32_t fd = -1;
  auto status = detail::call([&](cw_error* error) { return (*table)->interrupt(card.raw(), n, &fd, error); });
  if (!status) {
    return std::move(status.error());
  }
  return BorrowedFd(fd);
}

/// Ends what the card does. Errors: InvalidArgument (no FPGA card), Unsupported, DeviceLost. Threads:
/// thread-safe.
[[nodiscard]] inline Status reset(const Device& card) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  return detail::call([&](cw_error* error) { return (*table)->reset(card.raw(), error); });
}

/// How a card sees a mapping. Lives as long as the mapping. Errors: InvalidArgument (not a card's). Threads:
/// thread-safe.
[[nodiscard]] inline Result<const cw_fpga_view*> view(const Mapping& mapping) {
  const auto* found = static_cast<const cw_fpga_view*>(mapping.native(CW_FPGA_VIEW_INTERFACE));
  if (found == nullptr) {
    return Error(Errc::InvalidArgument, "fpga::view",
                 "the mapping is empty, or of a device that is no FPGA card");
  }
  return found;
}

/// The device address of a byte of a mapped object, and how many bytes follow it without a gap.
/// offset: bytes into the object. Errors: InvalidArgument (not a card's mapping, outside of the object).
/// Threads: thread-safe.
[[nodiscard]] inline Result<cw_sg_entry> iova(const Mapping& mapping, std::uint32_t object = 0,
                                              std::uint64_t offset = 0) {
  const auto found = view(mapping);
  if (!found) {
    return found.error();
  }
  const cw_fpga_view& seen = **found;
  if (object < seen.object_count) {
    std::uint64_t skip = offset;
    for (std::uint32_t i = 0; i < seen.sg_count[object]; ++i) {
      const cw_sg_entry& entry = seen.sg[seen.sg_first[object] + i];
      if (skip < entry.length) {
        return cw_sg_entry{entry.address + skip, entry.length - skip};
      }
      skip -= entry.length;
    }
  }
  return Error(Errc::InvalidArgument, "fpga::iova",
               "byte " + std::to_string(offset) + " of object " + std::to_string(object) +
                   " was asked for, and the mapping has " + std::to_string(seen.object_count) +
                   (object < seen.object_count
                        ? " objects, that one of " + std::to_string(seen.sizes[object]) + " bytes"
                        : std::string(" objects")));
}

}  // namespace causeway::fpga
