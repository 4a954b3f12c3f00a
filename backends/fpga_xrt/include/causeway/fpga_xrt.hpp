// SPDX-License-Identifier: Apache-2.0
#pragma once

// A card of AMD's (Xilinx's) through their runtime, XRT. The program drives its kernels by XRT as ever; the
// memory is Causeway's:
//
//   xrtDeviceHandle xrt = ...;                            // opened, with an xclbin loaded
//   auto card = fpga_xrt::open(runtime, {.device = xrt});
//   ... negotiate frames with(*card, Usage::Read) ...
//   xrtRunSetArg(run, 0, fpga_xrt::buffer(*card, frame->on(*card)).value());     // once
//   auto reads = frame->on(*card).begin_access(Usage::Read, deadline);           // for each frame
//   xrtRunStart(run);
//   xrtRunWait(run);
//   reads->end();
//
// A turn that begins with Read makes the frame's bytes visible to the card, one that ends with Write makes
// the card's bytes visible to others (xrtBOSync), so it ends when the run has ended. All of it is inline over
// the C table of causeway/fpga_xrt_abi.h. Nobody has seen it on a card yet.

#include <causeway/fpga_xrt_abi.h>
#include <causeway/fpga_card.hpp>
#include <causeway/runtime.hpp>

#include <cstdint>
#include <string>

namespace causeway::fpga_xrt {

/// Who calls xrtBOSync.
enum class Sync : std::uint32_t {
  Automatic = 0,  ///< turns do: what a frame's planes cover, at the begin (Read) and at the end (Write)
  Explicit = 1    ///< the program does, by sync(), over the bytes that it knows to have changed
};

/// How to open a card. Threads: reentrant (a value).
struct OpenInfo {
  std::string id{};       ///< XRT's index, "0", or a PCI address, "0000:65:00.1"; empty: the first card
  void* device = nullptr; /**< an xrtDeviceHandle that the program has open instead; it stays the program's,
                             and must outlive the device */
  std::uint32_t memory_group = 0;  ///< xrtMemoryGroup of what Runtime::allocate_on allocates
  std::uint64_t buffer_flags = 0;  ///< xrtBufferFlags of the same; 0: an ordinary buffer
  std::uint32_t alignment = 1;     ///< bytes; of strides and of planes' offsets
  Sync sync = Sync::Automatic;
  std::string library{};  ///< a path; empty: libxrt_coreutil.so.2, where the loader finds it
};

/// Opens a card. Errors: NotFound (no XRT, no such card), Incompatible (a library without the entry points),
/// Permission, InvalidArgument.
[[nodiscard]] inline Result<Device> open(Runtime& runtime, const OpenInfo& info = {}) {
  auto config = plugin::sized<cw_fpga_xrt_config>();
  config.memory_group = info.memory_group;
  config.library = info.library.empty() ? nullptr : info.library.c_str();
  config.device = info.device;
  config.buffer_flags = info.buffer_flags;
  config.alignment = info.alignment;
  config.explicit_sync = info.sync == Sync::Explicit ? 1 : 0;
  return runtime.open_device(
      "fpga_xrt", {.id = info.id, .adopt_interface = CW_FPGA_XRT_CONFIG_INTERFACE, .adopt = &config});
}

namespace detail {

[[nodiscard]] inline Result<const cw_fpga_xrt*> table_of(const Device& card) {
  const auto* table = static_cast<const cw_fpga_xrt*>(card.interface(CW_FPGA_XRT_INTERFACE));
  if (table == nullptr) {
    return Error(Errc::InvalidArgument, "fpga_xrt",
                 "the device " + card.name() + " of the backend " + card.backend() + " is no card of XRT's");
  }
  return table;
}

}  // namespace detail

/// The xrtDeviceHandle, lent: it lives as long as the device. Errors: InvalidArgument (no card of XRT's).
[[nodiscard]] inline Result<void*> device(const Device& card) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  void* handle = nullptr;
  auto status = fpga::detail::call(
      [&](cw_error* error) { return (*table)->device_handle(card.raw(), &handle, error); });
  if (!status) {
    return std::move(status.error());
  }
  return handle;
}

/// The xrtBufferHandle of a mapped object, lent: it lives as long as the mapping. Errors: InvalidArgument (no
/// card of XRT's, a mapping of another device, no such object).
[[nodiscard]] inline Result<void*> buffer(const Device& card, const Mapping& mapping,
                                          std::uint32_t object = 0) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  const auto seen = fpga::view(mapping);
  if (!seen) {
    return seen.error();
  }
  void* handle = nullptr;
  auto status = fpga::detail::call(
      [&](cw_error* error) { return (*table)->buffer_handle(card.raw(), *seen, object, &handle, error); });
  if (!status) {
    return std::move(status.error());
  }
  return handle;
}

/// Values equal cw_fpga_xrt_direction's and xclBOSyncDirection's.
enum class SyncDirection : std::int32_t {
  ToDevice = CW_FPGA_XRT_TO_DEVICE,
  FromDevice = CW_FPGA_XRT_FROM_DEVICE
};

/// xrtBOSync over a range of a mapped object, in bytes: before the card reads, after it wrote. The card must
/// have its turn. Errors: InvalidArgument (outside of the object, a mapping of another device, or for reading
/// alone), and what XRT answers.
[[nodiscard]] inline Status sync(const Device& card, const Mapping& mapping, std::uint32_t object,
                                 SyncDirection direction, std::uint64_t offset, std::uint64_t size) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  const auto seen = fpga::view(mapping);
  if (!seen) {
    return seen.error();
  }
  return fpga::detail::call([&](cw_error* error) {
    return (*table)->sync(card.raw(), *seen, object, static_cast<std::int32_t>(direction), offset, size,
                          error);
  });
}

/// Says that no kernel of the card is at work, which XRT does not tell: buffers whose turns were dropped
/// without an end are free again. Errors: InvalidArgument (no card of XRT's).
[[nodiscard]] inline Status idle(const Device& card) {
  const auto table = detail::table_of(card);
  if (!table) {
    return table.error();
  }
  (*table)->idle(card.raw());
  return {};
}

}  // namespace causeway::fpga_xrt
