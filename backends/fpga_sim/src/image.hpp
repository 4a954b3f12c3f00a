// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fpga_sim_abi.h>

#include <causeway/result.hpp>
#include <cstdint>
#include <span>
#include <vector>

namespace causeway::fpga_sim_backend {

/// A run of memory for one descriptor.
using Segment = cw_sg_entry;

/// What the kernel is told, and which bytes go in and come out.
struct ImageJob {
  std::uint32_t kernel;  ///< KERNEL, with its enable bit
  std::uint32_t width;
  std::uint32_t height;
  std::uint32_t in_stride;
  std::uint32_t out_stride;
  std::vector<Segment> in;
  std::vector<Segment> out;
};

/// beat: bytes of the data path. Errors: Unsupported and InvalidArgument, with what would be taken.
[[nodiscard]] Result<ImageJob> plan_image(const cw_fpga_view& source, const cw_fpga_view& destination,
                                          std::uint32_t kernel, std::uint32_t beat);

/// Plain bytes through the kernel; lengths and addresses are whole beats.
[[nodiscard]] ImageJob plan_bytes(std::vector<Segment> in, std::vector<Segment> out, std::uint32_t bytes);

/// The device addresses of bytes bytes from offset of an object, one segment an entry; entries beyond the
/// length field are split. They must lie in the object.
[[nodiscard]] std::vector<Segment> segments_of(const cw_fpga_view& view, std::uint32_t object,
                                               std::uint64_t offset, std::uint64_t bytes);

/// Pixels of a row that Sobel's line memory holds (rtl/dma_engine.sv: MAX_ROW).
inline constexpr std::uint32_t kMaxRow = 8192;

}  // namespace causeway::fpga_sim_backend
