// SPDX-License-Identifier: Apache-2.0
#include "picture_format.hpp"

#include <fmt/format.h>

namespace camera_to_gpu {
namespace {

using causeway::Errc;
using causeway::Error;
using causeway::Format;
using causeway::Result;
namespace formats = causeway::formats;

// DRM names the channels from the highest bits of a little-endian word, so memory has them the other way
// round.
constexpr auto kFormats = std::to_array<PictureFormat>({
    {formats::kNV12, Kind::Nv12, {}},
    {formats::kYUYV, Kind::Yuyv, {}},
    {formats::kUYVY, Kind::Uyvy, {}},
    {formats::kXRGB8888, Kind::Rgb32, {2, 1, 0}},
    {formats::kARGB8888, Kind::Rgb32, {2, 1, 0}},
    {formats::kXBGR8888, Kind::Rgb32, {0, 1, 2}},
    {formats::kABGR8888, Kind::Rgb32, {0, 1, 2}},
    {formats::kBGRX8888, Kind::Rgb32, {1, 2, 3}},
    {formats::kBGRA8888, Kind::Rgb32, {1, 2, 3}},
    {formats::kRGBX8888, Kind::Rgb32, {3, 2, 1}},
    {formats::kRGBA8888, Kind::Rgb32, {3, 2, 1}},
});

}  // namespace

std::span<const PictureFormat> picture_formats() noexcept {
  return kFormats;
}

const PictureFormat* find_picture_format(Format format) noexcept {
  for (const auto& known : kFormats) {
    if (known.format == format) {
      return &known;
    }
  }
  return nullptr;
}

Result<std::vector<Format>> formats_named(std::string_view name) {
  std::vector<Format> meant;
  for (const auto& known : kFormats) {
    if (known.format.to_string() == name || (name == "RGB32" && known.kind == Kind::Rgb32)) {
      meant.push_back(known.format);
    }
  }
  if (meant.empty()) {
    return Error(
        Errc::InvalidArgument, "--format",
        fmt::format("\"{}\" is not a format that this program takes; it takes {}", name, format_names()));
  }
  return meant;
}

std::string format_names() {
  std::string names;
  for (const auto& known : kFormats) {
    names += known.format.to_string() + ", ";
  }
  return names + "RGB32 (any of the 32-bit RGB ones)";
}

}  // namespace camera_to_gpu
