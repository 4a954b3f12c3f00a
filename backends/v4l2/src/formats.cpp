// SPDX-License-Identifier: Apache-2.0
#include "formats.hpp"

#include <linux/videodev2.h>

#include <algorithm>
#include <causeway/plugin/text.hpp>
#include <cctype>

namespace causeway::v4l2_backend {
namespace {

constexpr std::array<FormatRow::Plane, 4> kPacked{{{1, 1, 1}}};
constexpr std::array<FormatRow::Plane, 4> kSemiPlanar420{{{1, 1, 1}, {1, 1, 2}}};
constexpr std::array<FormatRow::Plane, 4> kSemiPlanar422{{{1, 1, 1}, {1, 1, 1}}};
constexpr std::array<FormatRow::Plane, 4> kSemiPlanar444{{{1, 1, 1}, {2, 1, 1}}};
constexpr std::array<FormatRow::Plane, 4> kPlanar420{{{1, 1, 1}, {1, 2, 2}, {1, 2, 2}}};
constexpr std::array<FormatRow::Plane, 4> kPlanar422{{{1, 1, 1}, {1, 2, 1}, {1, 2, 1}}};

constexpr Format drm(const char (&name)[5]) {  // NOLINT: four characters and their NUL
  return Format::from_chars(name[0], name[1], name[2], name[3]);
}

// Documentation/userspace-api/media/v4l/pixfmt-rgb.rst gives bytes in memory order, drm_fourcc.h bits of a
// little-endian word: V4L2 RGBX32 (R,G,B,X) is DRM XBGR8888. The newer V4L2 codes were chosen equal to DRM's.
// RGB32 and BGR32 are older and leave open whether the fourth byte is alpha; we take it for padding. RGB24
// and BGR24 read the other way round in DRM.
constexpr auto kRows = std::to_array<FormatRow>({
    {V4L2_PIX_FMT_XBGR32, formats::kXRGB8888, 1, 1, 4, kPacked},
    {V4L2_PIX_FMT_BGR32, formats::kXRGB8888, 1, 1, 4, kPacked},
    {V4L2_PIX_FMT_ABGR32, formats::kARGB8888, 1, 1, 4, kPacked},
    {V4L2_PIX_FMT_RGBX32, formats::kXBGR8888, 1, 1, 4, kPacked},
    {V4L2_PIX_FMT_RGBA32, formats::kABGR8888, 1, 1, 4, kPacked},
    {V4L2_PIX_FMT_XRGB32, formats::kBGRX8888, 1, 1, 4, kPacked},
    {V4L2_PIX_FMT_RGB32, formats::kBGRX8888, 1, 1, 4, kPacked},
    {V4L2_PIX_FMT_ARGB32, formats::kBGRA8888, 1, 1, 4, kPacked},
    {V4L2_PIX_FMT_BGRX32, drm("RX24"), 1, 1, 4, kPacked},
    {V4L2_PIX_FMT_BGRA32, drm("RA24"), 1, 1, 4, kPacked},
    {V4L2_PIX_FMT_RGB24, drm("BG24"), 1, 1, 3, kPacked},
    {V4L2_PIX_FMT_BGR24, drm("RG24"), 1, 1, 3, kPacked},
    {V4L2_PIX_FMT_RGB565, drm("RG16"), 1, 1, 2, kPacked},
    {V4L2_PIX_FMT_GREY, formats::kR8, 1, 1, 1, kPacked},
    {V4L2_PIX_FMT_Y16, drm("R16 "), 1, 1, 2, kPacked},
    {V4L2_PIX_FMT_YUYV, formats::kYUYV, 1, 1, 2, kPacked},
    {V4L2_PIX_FMT_UYVY, formats::kUYVY, 1, 1, 2, kPacked},
    {V4L2_PIX_FMT_YVYU, drm("YVYU"), 1, 1, 2, kPacked},
    {V4L2_PIX_FMT_VYUY, drm("VYUY"), 1, 1, 2, kPacked},
    {V4L2_PIX_FMT_NV12, formats::kNV12, 1, 2, 1, kSemiPlanar420},
    {V4L2_PIX_FMT_NV12M, formats::kNV12, 2, 2, 1, kSemiPlanar420},
    {V4L2_PIX_FMT_NV21, drm("NV21"), 1, 2, 1, kSemiPlanar420},
    {V4L2_PIX_FMT_NV21M, drm("NV21"), 2, 2, 1, kSemiPlanar420},
    {V4L2_PIX_FMT_NV16, drm("NV16"), 1, 2, 1, kSemiPlanar422},
    {V4L2_PIX_FMT_NV16M, drm("NV16"), 2, 2, 1, kSemiPlanar422},
    {V4L2_PIX_FMT_NV61, drm("NV61"), 1, 2, 1, kSemiPlanar422},
    {V4L2_PIX_FMT_NV61M, drm("NV61"), 2, 2, 1, kSemiPlanar422},
    {V4L2_PIX_FMT_NV24, drm("NV24"), 1, 2, 1, kSemiPlanar444},
    {V4L2_PIX_FMT_P010, formats::kP010, 1, 2, 2, kSemiPlanar420},
    {V4L2_PIX_FMT_YUV420, formats::kYUV420, 1, 3, 1, kPlanar420},
    {V4L2_PIX_FMT_YUV420M, formats::kYUV420, 3, 3, 1, kPlanar420},
    {V4L2_PIX_FMT_YVU420, drm("YV12"), 1, 3, 1, kPlanar420},
    {V4L2_PIX_FMT_YVU420M, drm("YV12"), 3, 3, 1, kPlanar420},
    {V4L2_PIX_FMT_YUV422P, drm("YU16"), 1, 3, 1, kPlanar422},
    {V4L2_PIX_FMT_YUV422M, drm("YU16"), 3, 3, 1, kPlanar422},
});

}  // namespace

std::uint32_t FormatRow::stride_of(std::uint32_t p, std::uint32_t stride) const noexcept {
  const auto& plane = planes.at(p);
  return static_cast<std::uint32_t>(std::uint64_t{stride} * plane.stride_numerator /
                                    plane.stride_denominator);
}

std::uint32_t FormatRow::rows_of(std::uint32_t p, std::uint32_t height) const noexcept {
  const std::uint32_t divisor = planes.at(p).row_divisor;
  return height / divisor + (height % divisor != 0 ? 1 : 0);
}

std::uint64_t FormatRow::offset_of(std::uint32_t p, std::uint32_t stride,
                                   std::uint32_t height) const noexcept {
  std::uint64_t offset = 0;
  for (std::uint32_t before = 0; before < p; ++before) {
    offset += std::uint64_t{stride_of(before, stride)} * rows_of(before, height);
  }
  return offset;
}

std::span<const FormatRow> format_rows() noexcept {
  return kRows;
}

const FormatRow* row_of_fourcc(std::uint32_t fourcc) noexcept {
  const auto found = std::ranges::find(kRows, fourcc, &FormatRow::fourcc);
  return found == kRows.end() ? nullptr : &*found;
}

std::string fourcc_text(std::uint32_t fourcc) {
  constexpr std::uint32_t kBigEndian = 1U << 31U;  // v4l2_fourcc_be()
  std::string text;
  for (unsigned shift = 0; shift < 32; shift += 8) {
    const auto character = static_cast<unsigned char>(((fourcc & ~kBigEndian) >> shift) & 0xffU);
    if (std::isprint(character) == 0) {
      return plugin::words("0x", std::hex, fourcc);
    }
    text += static_cast<char>(character);
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return (fourcc & kBigEndian) != 0 ? text + "-BE" : text;
}

}  // namespace causeway::v4l2_backend
