// SPDX-License-Identifier: Apache-2.0
#include "layout_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <causeway/format.hpp>
#include <string>
#include <tuple>

#include "format_table.hpp"

namespace causeway::vulkan_backend {
namespace {

Error wrong(std::string text) {
  return Error(Errc::InvalidArgument, "attach", std::move(text));
}

/// The bytes of an object that a plane takes.
struct Range {
  std::uint32_t object = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t row = 0;
  std::uint64_t stride = 0;
};

bool overlap(const Range& a, const Range& b) noexcept {
  if (a.object != b.object || a.begin >= b.end || b.begin >= a.end) {
    return false;
  }
  // Planes of one stride may lie side by side: each has its part of every row.
  const std::uint64_t apart = (a.begin < b.begin ? b.begin - a.begin : a.begin - b.begin) % a.stride;
  const auto& [left, right] = a.begin < b.begin ? std::tie(a, b) : std::tie(b, a);
  return a.stride != b.stride || apart < left.row || apart + right.row > a.stride;
}

Result<Range> range_of(const cw_attach_info& info, std::uint32_t p, const PlaneFormat& format) {
  const auto& plane = info.planes[p];
  const std::uint64_t texels = (std::uint64_t{info.image.width} + format.across - 1) / format.across;
  const std::uint64_t rows = (std::uint64_t{info.image.height} + format.down - 1) / format.down;
  const std::uint64_t row = texels * format.bytes;
  if (plane.stride < row) {
    return wrong(fmt::format("plane {} has a stride of {} bytes, and {} texels of {} bytes need at least {}",
                             p, plane.stride, texels, format.bytes, row));
  }
  if (plane.stride % format.bytes != 0 || plane.offset % format.bytes != 0) {
    return wrong(
        fmt::format("plane {} has a stride of {} and an offset of {} bytes, and each has to be a "
                    "multiple of its texels' {} bytes",
                    p, plane.stride, plane.offset, format.bytes));
  }
  const std::uint64_t size = info.objects[plane.object].size;
  const bool starts = plane.offset <= size && row <= size - plane.offset;
  if (!starts || rows - 1 > (size - plane.offset - row) / plane.stride) {
    return wrong(
        fmt::format("plane {} has {} rows of {} bytes, {} apart, from byte {} on, and object {} has {}", p,
                    rows, row, plane.stride, plane.offset, plane.object, size));
  }
  return Range{plane.object, plane.offset, plane.offset + (rows - 1) * plane.stride + row, row, plane.stride};
}

}  // namespace

SameObjects::SameObjects(const cw_attach_info& info) noexcept {
  for (std::uint32_t i = 0; i < info.object_count; ++i) {
    first[i] = i;
    for (std::uint32_t before = i; before-- > 0;) {
      const auto& a = info.objects[before];
      const auto& b = info.objects[i];
      if (b.inode != 0 && a.inode == b.inode && a.device_number == b.device_number) {
        first[i] = before;
      }
    }
  }
}

Status check_layout(const cw_attach_info& info) {
  const Format format{info.image.format};
  const auto planes = plane_formats(format);
  if (info.image.modifier != 0 || planes.empty()) {
    return {};
  }
  if (info.plane_count != planes.size()) {
    return wrong(fmt::format("{} has {} planes, and {} were given", format.to_string(), planes.size(),
                             info.plane_count));
  }
  const SameObjects same(info);
  std::array<Range, CW_MAX_PLANES> ranges{};
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    if (info.image.width % planes[p].across != 0 || info.image.height % planes[p].down != 0) {
      return wrong(fmt::format("{} shares its chroma between {}x{} pixels, so {}x{} is no possible size",
                               format.to_string(), planes[p].across, planes[p].down, info.image.width,
                               info.image.height));
    }
    auto range = range_of(info, p, planes[p]);
    if (!range) {
      return std::move(range.error());
    }
    range->object = same.first[range->object];
    for (std::uint32_t before = 0; before < p; ++before) {
      const Range& other = ranges.at(before);
      if (overlap(other, *range)) {
        return wrong(fmt::format("planes {} and {} overlap: bytes {} to {} and {} to {} of object {}", before,
                                 p, other.begin, other.end, range->begin, range->end, range->object));
      }
    }
    ranges.at(p) = *range;
  }
  return {};
}

}  // namespace causeway::vulkan_backend
