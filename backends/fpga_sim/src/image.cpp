// SPDX-License-Identifier: Apache-2.0
#include "image.hpp"

#include <algorithm>
#include <array>
#include <causeway/format.hpp>
#include <causeway/plugin/text.hpp>
#include <optional>
#include <string>

#include "registers.hpp"

namespace causeway::fpga_sim_backend {
namespace {

constexpr const char* kPrepare = "fpga_sim prepare";

/// A picture's first plane, or plain bytes as one row.
struct Rows {
  std::uint32_t bytes;  ///< of a row, without padding
  std::uint32_t count;
  std::uint32_t stride;
  std::uint32_t object;
  std::uint64_t offset;
};

Rows rows_of(const cw_fpga_view& view, std::uint32_t bytes_per_pixel) {
  if (view.format == 0) {
    return {.bytes = view.width,
            .count = 1,
            .stride = 0,
            .object = view.planes[0].object,
            .offset = view.planes[0].offset};
  }
  const auto& plane = view.planes[0];
  return {.bytes = view.width * bytes_per_pixel,
          .count = view.height,
          .stride = plane.stride,
          .object = plane.object,
          .offset = plane.offset};
}

bool has_luma_plane(Format format) {
  return format == formats::kR8 || format == formats::kNV12 || format == formats::kYUV420;
}

/// Where red, green and blue are in the four bytes of a pixel.
std::optional<std::array<std::uint32_t, 3>> rgb_bytes(Format format) {
  if (format == formats::kXRGB8888 || format == formats::kARGB8888) {
    return {{2, 1, 0}};
  }
  if (format == formats::kXBGR8888 || format == formats::kABGR8888) {
    return {{0, 1, 2}};
  }
  if (format == formats::kBGRX8888 || format == formats::kBGRA8888) {
    return {{1, 2, 3}};
  }
  if (format == formats::kRGBX8888 || format == formats::kRGBA8888) {
    return {{3, 2, 1}};
  }
  return {};
}

std::uint32_t bytes_of_packed(Format format) {
  if (rgb_bytes(format)) {
    return 4;
  }
  return format == formats::kR8 ? 1 : format == formats::kYUYV || format == formats::kUYVY ? 2 : 0;
}

std::string name_of(const cw_fpga_view& view) {
  return view.format == 0
             ? plugin::words(view.width, " plain bytes")
             : plugin::words(Format{view.format}.to_string(), " of ", view.width, "x", view.height);
}

Status check_rows(const char* side, const Rows& rows, std::uint32_t beat) {
  if (rows.offset % beat != 0 || rows.stride % beat != 0) {
    return Error(Errc::Unsupported, kPrepare,
                 plugin::words("the ", side, " begins at byte ", rows.offset, " and its rows are ",
                               rows.stride, " bytes apart; a data path of ", beat * 8,
                               " bits takes multiples of ", beat, ", as the card's constraints say"));
  }
  return {};
}

std::uint64_t extent(const Rows& rows, std::uint32_t beat) {
  const std::uint64_t last = (std::uint64_t{rows.bytes} + beat - 1) / beat * beat;
  return std::uint64_t{rows.stride} * (rows.count - 1) + last;
}

Status check_extent(const char* side, const cw_fpga_view& view, const Rows& rows, std::uint32_t beat) {
  const std::uint64_t end = rows.offset + extent(rows, beat);
  if (rows.object >= view.object_count || end > view.sizes[rows.object]) {
    return Error(Errc::InvalidArgument, kPrepare,
                 plugin::words("the ", side, " would reach to byte ", end,
                               " in whole beats, beyond the end of its memory"));
  }
  return {};
}

}  // namespace

SgRange range_of(const cw_fpga_view& view, std::uint32_t object, std::uint64_t offset, std::uint64_t bytes) {
  return {
      .entries = {view.sg + view.sg_first[object], view.sg_count[object]}, .offset = offset, .bytes = bytes};
}

ImageJob plan_bytes(SgRange in, SgRange out) {
  return {.setting = {.kernel = kernel::kEnable | CW_FPGA_SIM_PASS,
                      .width = static_cast<std::uint32_t>(in.bytes),
                      .height = 1,
                      .in_stride = 0,
                      .out_stride = 0},
          .in = in,
          .out = out};
}

Result<ImageJob> plan_image(const cw_fpga_view& source, const cw_fpga_view& destination, std::uint32_t kernel,
                            std::uint32_t beat) {
  const Format from{source.format};
  const Format to{destination.format};
  std::uint32_t setting = kernel::kEnable | kernel;
  std::uint32_t in_pixel = 1;
  std::uint32_t out_pixel = 1;
  const auto refuse = [&](const char* takes) {
    return Error(Errc::Unsupported, kPrepare,
                 plugin::words("from ", name_of(source), " to ", name_of(destination),
                               " was asked for; this kernel takes ", takes, ", both of one size"));
  };
  const bool one_size = source.width == destination.width && source.height == destination.height;
  switch (kernel) {
    case CW_FPGA_SIM_PASS:
      in_pixel = out_pixel = bytes_of_packed(from);
      if (from != to || !one_size || (source.format != 0 && in_pixel == 0)) {
        return refuse("plain bytes or images of one plane, alike in format");
      }
      break;
    case CW_FPGA_SIM_SOBEL:
      if (!has_luma_plane(from) || !has_luma_plane(to) || !one_size) {
        return refuse("the 8-bit luma of R8, NV12 or YU12 to that of another");
      }
      if (source.width > kMaxRow) {
        return Error(Errc::Unsupported, kPrepare,
                     plugin::words("a row of ", source.width,
                                   " pixels was asked for; the kernel's line memory holds ", kMaxRow));
      }
      break;
    case CW_FPGA_SIM_GREY: {
      const auto rgb = rgb_bytes(from);
      if (!rgb || !has_luma_plane(to) || !one_size) {
        return refuse("an RGB format of 4 bytes a pixel to the luma of R8, NV12 or YU12");
      }
      in_pixel = 4;
      setting |=
          (*rgb)[0] << kernel::kRedShift | (*rgb)[1] << kernel::kGreenShift | (*rgb)[2] << kernel::kBlueShift;
      break;
    }
    default:
      return Error(Errc::InvalidArgument, kPrepare,
                   plugin::words("there is no kernel ", kernel, "; 0 is pass, 1 sobel, 2 grey"));
  }
  if (source.width == 0 || source.height == 0) {
    return Error(Errc::InvalidArgument, kPrepare,
                 "the picture has no pixels, and a transfer of length 0 is none");
  }
  if (destination.writable == 0) {
    return Error(Errc::InvalidArgument, kPrepare,
                 "the destination is mapped for reading alone; negotiate or attach it with Usage::Write");
  }
  const Rows in = rows_of(source, in_pixel);
  const Rows out = rows_of(destination, out_pixel);
  for (const auto& status :
       {check_rows("source", in, beat), check_rows("destination", out, beat),
        check_extent("source", source, in, beat), check_extent("destination", destination, out, beat)}) {
    if (!status) {
      return status.error();
    }
  }
  return ImageJob{.setting = {.kernel = setting,
                              .width = kernel == CW_FPGA_SIM_PASS ? in.bytes : source.width,
                              .height = in.count,
                              .in_stride = in.stride,
                              .out_stride = out.stride},
                  .in = range_of(source, in.object, in.offset, extent(in, beat)),
                  .out = range_of(destination, out.object, out.offset, extent(out, beat))};
}

}  // namespace causeway::fpga_sim_backend
