// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fpga_sim_abi.h>

#include <algorithm>
#include <causeway/result.hpp>
#include <cstdint>
#include <span>

#include "registers.hpp"

namespace causeway::fpga_sim_backend {

/// The most that one descriptor moves: whole pages, so that what is left of an entry begins with a whole beat
/// again.
inline constexpr std::uint64_t kLongestSegment = ((std::uint64_t{1} << kLengthBits) - 1) / 4096 * 4096;

/// Bytes of an object as the card finds them: a range of its scatter list. A view; the entries are lent.
struct SgRange {
  std::span<const cw_sg_entry> entries;
  std::uint64_t offset = 0;  ///< in bytes, from the first entry's begin
  std::uint64_t bytes = 0;

  /// At least as many as for_each_segment gives.
  [[nodiscard]] std::size_t max_segments() const { return entries.size() + bytes / kLongestSegment; }
  /// each(address, length): one segment an entry, and those beyond the length field are split.
  template <class Each>
  void for_each_segment(Each&& each) const {
    std::uint64_t skip = offset;
    std::uint64_t left = bytes;
    for (auto entry = entries.begin(); entry != entries.end() && left > 0; ++entry) {
      if (skip != 0 && skip >= entry->length) {
        skip -= entry->length;
        continue;
      }
      std::uint64_t address = entry->address + skip;
      std::uint64_t length = std::min(entry->length - skip, left);
      skip = 0;
      left -= length;
      for (; length > kLongestSegment; address += kLongestSegment, length -= kLongestSegment) {
        each(address, kLongestSegment);
      }
      each(address, length);
    }
  }
};

/// What the registers of the kernel are told.
struct KernelSetting {
  std::uint32_t kernel;  ///< KERNEL, with its enable bit
  std::uint32_t width;
  std::uint32_t height;
  std::uint32_t in_stride;
  std::uint32_t out_stride;
};

/// What the kernel is told, and which bytes go in and come out.
struct ImageJob {
  KernelSetting setting;
  SgRange in;
  SgRange out;
};

/// beat: bytes of the data path. Errors: Unsupported and InvalidArgument, with what would be taken.
[[nodiscard]] Result<ImageJob> plan_image(const cw_fpga_view& source, const cw_fpga_view& destination,
                                          std::uint32_t kernel, std::uint32_t beat);

/// Plain bytes through the kernel; lengths and addresses are whole beats.
[[nodiscard]] ImageJob plan_bytes(SgRange in, SgRange out);

/// bytes bytes from offset of an object. They must lie in it.
[[nodiscard]] SgRange range_of(const cw_fpga_view& view, std::uint32_t object, std::uint64_t offset,
                               std::uint64_t bytes);

/// Pixels of a row that Sobel's line memory holds (rtl/dma_engine.sv: MAX_ROW).
inline constexpr std::uint32_t kMaxRow = 8192;

}  // namespace causeway::fpga_sim_backend
