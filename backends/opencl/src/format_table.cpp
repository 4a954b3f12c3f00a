// SPDX-License-Identifier: Apache-2.0
#include "format_table.hpp"

#include <array>

namespace causeway::opencl_backend {
namespace {

struct Plane {
  cl_channel_order order;
  cl_channel_type type;
  std::uint8_t bytes;       ///< of an element
  std::uint8_t across = 1;  ///< pixels that an element covers
  std::uint8_t down = 1;
};

struct Row {
  Format drm;
  std::array<Plane, 3> planes;
};

constexpr Plane kR8{CL_R, CL_UNORM_INT8, 1};
constexpr Plane kR8Quarter{CL_R, CL_UNORM_INT8, 1, 2, 2};

// DRM names channels from the most significant bit of a little-endian word (drm_fourcc.h); OpenCL names them
// in the order of the bytes, and packed ones (565) from the most significant bit (section 5.3.1.1, Image
// Format Descriptor). An X is read as whatever stands there. CL_ABGR is OpenCL 2.0's.
constexpr auto kTable = std::to_array<Row>({
    {formats::kR8, {kR8}},
    {Format::from_chars('G', 'R', '8', '8'), {{{CL_RG, CL_UNORM_INT8, 2}}}},
    {Format::from_chars('R', '1', '6', ' '), {{{CL_R, CL_UNORM_INT16, 2}}}},
    {Format::from_chars('G', 'R', '3', '2'), {{{CL_RG, CL_UNORM_INT16, 4}}}},
    {Format::from_chars('R', 'G', '1', '6'), {{{CL_RGB, CL_UNORM_SHORT_565, 2}}}},
    {formats::kXRGB8888, {{{CL_BGRA, CL_UNORM_INT8, 4}}}},
    {formats::kARGB8888, {{{CL_BGRA, CL_UNORM_INT8, 4}}}},
    {formats::kXBGR8888, {{{CL_RGBA, CL_UNORM_INT8, 4}}}},
    {formats::kABGR8888, {{{CL_RGBA, CL_UNORM_INT8, 4}}}},
    {formats::kBGRX8888, {{{CL_ARGB, CL_UNORM_INT8, 4}}}},
    {formats::kBGRA8888, {{{CL_ARGB, CL_UNORM_INT8, 4}}}},
    {formats::kRGBX8888, {{{CL_ABGR, CL_UNORM_INT8, 4}}}},
    {formats::kRGBA8888, {{{CL_ABGR, CL_UNORM_INT8, 4}}}},
    {Format::from_chars('A', 'B', '4', 'H'), {{{CL_RGBA, CL_HALF_FLOAT, 8}}}},
    {Format::from_chars('X', 'B', '4', 'H'), {{{CL_RGBA, CL_HALF_FLOAT, 8}}}},
    {formats::kYUYV, {{{CL_RGBA, CL_UNORM_INT8, 4, 2}}}},
    {formats::kUYVY, {{{CL_RGBA, CL_UNORM_INT8, 4, 2}}}},
    {formats::kNV12, {{kR8, {CL_RG, CL_UNORM_INT8, 2, 2, 2}}}},
    {formats::kP010, {{{CL_R, CL_UNORM_INT16, 2}, {CL_RG, CL_UNORM_INT16, 4, 2, 2}}}},
    {formats::kYUV420, {{kR8, kR8Quarter, kR8Quarter}}},
});

}  // namespace

std::optional<PlaneImage> plane_image(Format format, std::uint32_t plane, std::uint32_t width,
                                      std::uint32_t height) noexcept {
  for (const Row& row : kTable) {
    if (row.drm == format && plane < row.planes.size() && row.planes.at(plane).bytes != 0) {
      const Plane& found = row.planes.at(plane);
      return PlaneImage{{found.order, found.type},
                        found.bytes,
                        (width + found.across - 1U) / found.across,
                        (height + found.down - 1U) / found.down};
    }
  }
  return std::nullopt;
}

}  // namespace causeway::opencl_backend
