// SPDX-License-Identifier: Apache-2.0
#include "core/layout.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace causeway::core {

Status check_image(Format format, std::uint32_t width, std::uint32_t height) {
  const auto info = info_of(format);
  if (!info) {
    return Error(
        Errc::Unsupported, "check_image",
        fmt::format("Causeway does not know the layout of format {}; it knows XR24, AR24, XB24, AB24, BX24, "
                    "RX24, RA24, BA24, R8, YUYV, UYVY, NV12, P010, YU12 and plain bytes",
                    format.to_string()));
  }
  if (width == 0 || height == 0) {
    return Error(
        Errc::InvalidArgument, "check_image",
        fmt::format("an image of {}x{} pixels has no content; both sides must be at least 1", width, height));
  }
  if (format == formats::kBytes) {
    if (height != 1) {
      return Error(Errc::InvalidArgument, "check_image",
                   fmt::format("plain bytes have a height of 1, and {} was given", height));
    }
    return {};
  }
  if (width > kMaxSide || height > kMaxSide) {
    return Error(Errc::InvalidArgument, "check_image",
                 fmt::format("{}x{} pixels are too many: a side has at most {}", width, height, kMaxSide));
  }
  if (!info->takes_size(width, height)) {
    std::uint32_t across = 1;
    std::uint32_t down = 1;
    for (std::size_t p = 0; p < info->plane_count; ++p) {
      across = std::max<std::uint32_t>(across, info->planes.at(p).block_width);
      down = std::max<std::uint32_t>(down, info->planes.at(p).block_height);
    }
    return Error(
        Errc::InvalidArgument, "check_image",
        fmt::format("{} shares its chroma between {}x{} pixels, so {}x{} is no possible size; the next "
                    "smaller one is {}x{}",
                    format.to_string(), across, down, width, height, width / across * across,
                    height / down * down));
  }
  return {};
}

PlaneExtent extent_of(const FrameLayout& layout, std::uint32_t p) noexcept {
  const auto info = *info_of(layout.format);
  const std::uint64_t row = info.min_stride(p, layout.width);
  const std::uint64_t rows = info.rows(p, layout.height);
  return {.bytes = (rows - 1) * layout.planes[p].stride + row, .row_bytes = row};
}

Status check_layout(const FrameLayout& layout, std::span<const std::uint64_t> object_sizes) {
  if (auto image = check_image(layout.format, layout.width, layout.height); !image) {
    return image;
  }
  if (object_sizes.empty() || object_sizes.size() > 4) {
    return Error(
        Errc::InvalidArgument, "Frame::create",
        fmt::format("a frame has one to four memory objects, and {} were given", object_sizes.size()));
  }
  const auto info = *info_of(layout.format);
  if (layout.planes.size() != info.plane_count) {
    return Error(Errc::InvalidArgument, "Frame::create",
                 fmt::format("{} has {} plane(s), and {} were given", layout.format.to_string(),
                             info.plane_count, layout.planes.size()));
  }
  for (std::uint32_t p = 0; p < layout.planes.size(); ++p) {
    const auto& plane = layout.planes[p];
    if (plane.object >= object_sizes.size()) {
      return Error(Errc::InvalidArgument, "Frame::create",
                   fmt::format("plane {} lies in object {}, and there are only {}", p, plane.object,
                               object_sizes.size()));
    }
    const auto extent = extent_of(layout, p);
    if (plane.stride < extent.row_bytes) {
      return Error(Errc::InvalidArgument, "Frame::create",
                   fmt::format("plane {} has a stride of {} bytes, and a row of {} pixels in {} needs {}", p,
                               plane.stride, layout.width, layout.format.to_string(), extent.row_bytes));
    }
    const std::uint64_t size = object_sizes[plane.object];
    // Subtraction instead of a sum: an offset near 2^64 must not wrap around.
    if (plane.offset > size || extent.bytes > size - plane.offset) {
      return Error(Errc::InvalidArgument, "Frame::create",
                   fmt::format("plane {} needs {} bytes from offset {}, and object {} has {}", p,
                               extent.bytes, plane.offset, plane.object, size));
    }
  }
  return {};
}

}  // namespace causeway::core
