// SPDX-License-Identifier: Apache-2.0
#include "format_table.hpp"

#include <algorithm>
#include <array>

namespace causeway::vulkan_backend {
namespace {

struct Row {
  Format drm;
  VkFormat vulkan;
  std::uint32_t plane_count;
  std::array<PlaneFormat, 3> planes;
};

constexpr Row plain(Format drm, VkFormat vulkan, std::uint32_t bytes) {
  return {drm, vulkan, 1, {PlaneFormat{vulkan, bytes, 1, 1}}};
}
constexpr Row packed_422(Format drm, VkFormat vulkan) {
  return {drm, vulkan, 1, {PlaneFormat{VK_FORMAT_R8G8B8A8_UNORM, 4, 2, 1}}};
}

constexpr PlaneFormat kChroma8{VK_FORMAT_R8_UNORM, 1, 2, 2};

// DRM names channels from the most significant bit of a little-endian word (drm_fourcc.h); Vulkan's unpacked
// formats name them in the order of the bytes, its PACK formats as DRM does (section 48.1.1, Format
// Definition). Planes of more than 8 bits are R16 here: P010 has its 10 bits at the top of 16.
constexpr auto kTable = std::to_array<Row>({
    plain(formats::kR8, VK_FORMAT_R8_UNORM, 1),
    plain(Format::from_chars('G', 'R', '8', '8'), VK_FORMAT_R8G8_UNORM, 2),
    plain(Format::from_chars('R', '1', '6', ' '), VK_FORMAT_R16_UNORM, 2),
    plain(Format::from_chars('G', 'R', '3', '2'), VK_FORMAT_R16G16_UNORM, 4),
    plain(Format::from_chars('R', 'G', '1', '6'), VK_FORMAT_R5G6B5_UNORM_PACK16, 2),
    plain(Format::from_chars('B', 'G', '2', '4'), VK_FORMAT_R8G8B8_UNORM, 3),
    plain(Format::from_chars('R', 'G', '2', '4'), VK_FORMAT_B8G8R8_UNORM, 3),
    plain(formats::kXRGB8888, VK_FORMAT_B8G8R8A8_UNORM, 4),
    plain(formats::kARGB8888, VK_FORMAT_B8G8R8A8_UNORM, 4),
    plain(formats::kXBGR8888, VK_FORMAT_R8G8B8A8_UNORM, 4),
    plain(formats::kABGR8888, VK_FORMAT_R8G8B8A8_UNORM, 4),
    plain(Format::from_chars('X', 'R', '3', '0'), VK_FORMAT_A2R10G10B10_UNORM_PACK32, 4),
    plain(Format::from_chars('A', 'R', '3', '0'), VK_FORMAT_A2R10G10B10_UNORM_PACK32, 4),
    plain(Format::from_chars('X', 'B', '3', '0'), VK_FORMAT_A2B10G10R10_UNORM_PACK32, 4),
    plain(Format::from_chars('A', 'B', '3', '0'), VK_FORMAT_A2B10G10R10_UNORM_PACK32, 4),
    plain(Format::from_chars('A', 'B', '4', 'H'), VK_FORMAT_R16G16B16A16_SFLOAT, 8),
    plain(Format::from_chars('X', 'B', '4', 'H'), VK_FORMAT_R16G16B16A16_SFLOAT, 8),
    packed_422(formats::kYUYV, VK_FORMAT_G8B8G8R8_422_UNORM),
    packed_422(formats::kUYVY, VK_FORMAT_B8G8R8G8_422_UNORM),
    {formats::kNV12,
     VK_FORMAT_G8_B8R8_2PLANE_420_UNORM,
     2,
     {PlaneFormat{VK_FORMAT_R8_UNORM, 1, 1, 1}, PlaneFormat{VK_FORMAT_R8G8_UNORM, 2, 2, 2}}},
    {formats::kP010,
     VK_FORMAT_G10X6_B10X6R10X6_2PLANE_420_UNORM_3PACK16,
     2,
     {PlaneFormat{VK_FORMAT_R16_UNORM, 2, 1, 1}, PlaneFormat{VK_FORMAT_R16G16_UNORM, 4, 2, 2}}},
    {formats::kYUV420,
     VK_FORMAT_G8_B8_R8_3PLANE_420_UNORM,
     3,
     {PlaneFormat{VK_FORMAT_R8_UNORM, 1, 1, 1}, kChroma8, kChroma8}},
});

const Row* row_of(Format format) noexcept {
  const auto* found =
      std::find_if(kTable.begin(), kTable.end(), [format](const Row& row) { return row.drm == format; });
  return found != kTable.end() ? found : nullptr;
}

}  // namespace

VkFormat vk_format(Format format) noexcept {
  const Row* row = row_of(format);
  return row != nullptr ? row->vulkan : VK_FORMAT_UNDEFINED;
}

std::span<const PlaneFormat> plane_formats(Format format) noexcept {
  const Row* row = row_of(format);
  return row != nullptr ? std::span(row->planes).first(row->plane_count) : std::span<const PlaneFormat>();
}

bool has_chroma(Format format) noexcept {
  const auto planes = plane_formats(format);
  return !planes.empty() && (planes.size() > 1 || planes.front().across > 1);
}

}  // namespace causeway::vulkan_backend
