// SPDX-License-Identifier: Apache-2.0
#include <causeway/format.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>

namespace causeway {
namespace {

using Plane = FormatInfo::Plane;

constexpr FormatInfo packed(Format format, std::uint8_t bytes, std::uint8_t width = 1) {
  return {.format = format, .plane_count = 1, .planes = {Plane{bytes, width, 1}}};
}

// Block sizes as in the comments of drm_fourcc.h.
constexpr auto kKnown = std::to_array<FormatInfo>({
    packed(formats::kBytes, 1),
    packed(formats::kXRGB8888, 4),
    packed(formats::kARGB8888, 4),
    packed(formats::kXBGR8888, 4),
    packed(formats::kABGR8888, 4),
    packed(formats::kBGRX8888, 4),
    packed(formats::kBGRA8888, 4),
    packed(formats::kRGBX8888, 4),
    packed(formats::kRGBA8888, 4),
    packed(formats::kR8, 1),
    packed(formats::kYUYV, 4, 2),
    packed(formats::kUYVY, 4, 2),
    {.format = formats::kNV12, .plane_count = 2, .planes = {Plane{1, 1, 1}, Plane{2, 2, 2}}},
    {.format = formats::kP010, .plane_count = 2, .planes = {Plane{2, 1, 1}, Plane{4, 2, 2}}},
    {.format = formats::kYUV420,
     .plane_count = 3,
     .planes = {Plane{1, 1, 1}, Plane{1, 2, 2}, Plane{1, 2, 2}}},
});

}  // namespace

std::string Format::to_string() const {
  if (fourcc == 0) {
    return "bytes";
  }
  std::string text;
  for (unsigned shift = 0; shift < 32; shift += 8) {
    const auto c = static_cast<unsigned char>(fourcc >> shift);
    if (std::isprint(c) == 0) {
      return fmt::format("{:#010x}", fourcc);
    }
    text += static_cast<char>(c);
  }
  return text;
}

Result<Format> Format::parse(std::string_view name) {
  if (name.empty() || name.size() > 4) {
    return Error(
        Errc::InvalidArgument, "Format::parse",
        fmt::format("\"{}\" is no pixel format; a fourcc of one to four characters was expected, such as "
                    "NV12, YUYV or XR24",
                    name));
  }
  const auto at = [&](std::size_t i) { return i < name.size() ? name[i] : ' '; };
  return from_chars(at(0), at(1), at(2), at(3));
}

std::string Modifier::to_string() const {
  if (*this == kLinear) {
    return "LINEAR";
  }
  if (*this == kInvalid) {
    return "INVALID";
  }
  return fmt::format("{:#018x}", value);
}

bool FormatInfo::takes_size(std::uint32_t width, std::uint32_t height) const noexcept {
  for (std::size_t p = 0; p < plane_count; ++p) {
    if (width % planes.at(p).block_width != 0 || height % planes.at(p).block_height != 0) {
      return false;
    }
  }
  return width > 0 && height > 0;
}

std::optional<FormatInfo> info_of(Format format) noexcept {
  const auto found = std::find_if(kKnown.begin(), kKnown.end(),
                                  [&](const FormatInfo& info) { return info.format == format; });
  return found == kKnown.end() ? std::nullopt : std::optional(*found);
}

FormatSet::FormatSet(std::initializer_list<Entry> entries) {
  for (const auto& entry : entries) {
    add(entry.format, entry.modifier);
  }
}

void FormatSet::add(Format format, Modifier modifier) {
  const Entry entry{format, modifier};
  const auto place = std::lower_bound(entries_.begin(), entries_.end(), entry);
  if (place == entries_.end() || *place != entry) {
    entries_.insert(place, entry);
  }
}

bool FormatSet::contains(Format format, Modifier modifier) const noexcept {
  return std::binary_search(entries_.begin(), entries_.end(), Entry{format, modifier});
}

FormatSet FormatSet::intersect(const FormatSet& other) const {
  FormatSet both;
  std::set_intersection(entries_.begin(), entries_.end(), other.entries_.begin(), other.entries_.end(),
                        std::back_inserter(both.entries_));
  return both;
}

FormatSet FormatSet::unite(const FormatSet& other) const {
  FormatSet either;
  std::set_union(entries_.begin(), entries_.end(), other.entries_.begin(), other.entries_.end(),
                 std::back_inserter(either.entries_));
  return either;
}

}  // namespace causeway
