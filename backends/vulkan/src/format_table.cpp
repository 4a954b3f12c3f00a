// SPDX-License-Identifier: Apache-2.0
#include "format_table.hpp"

#include <array>

namespace causeway::vulkan_backend {
namespace {

struct Row {
  Format drm;
  VkFormat vulkan;
};

// DRM names channels from the most significant bit of a little-endian word (drm_fourcc.h); Vulkan's unpacked
// formats name them in the order of the bytes, its PACK formats as DRM does (section 48.1.1, Format
// Definition).
constexpr auto kTable = std::to_array<Row>({
    {formats::kR8, VK_FORMAT_R8_UNORM},
    {Format::from_chars('G', 'R', '8', '8'), VK_FORMAT_R8G8_UNORM},
    {Format::from_chars('R', '1', '6', ' '), VK_FORMAT_R16_UNORM},
    {Format::from_chars('G', 'R', '3', '2'), VK_FORMAT_R16G16_UNORM},
    {Format::from_chars('R', 'G', '1', '6'), VK_FORMAT_R5G6B5_UNORM_PACK16},
    {Format::from_chars('B', 'G', '2', '4'), VK_FORMAT_R8G8B8_UNORM},
    {Format::from_chars('R', 'G', '2', '4'), VK_FORMAT_B8G8R8_UNORM},
    {formats::kXRGB8888, VK_FORMAT_B8G8R8A8_UNORM},
    {formats::kARGB8888, VK_FORMAT_B8G8R8A8_UNORM},
    {formats::kXBGR8888, VK_FORMAT_R8G8B8A8_UNORM},
    {formats::kABGR8888, VK_FORMAT_R8G8B8A8_UNORM},
    {Format::from_chars('X', 'R', '3', '0'), VK_FORMAT_A2R10G10B10_UNORM_PACK32},
    {Format::from_chars('A', 'R', '3', '0'), VK_FORMAT_A2R10G10B10_UNORM_PACK32},
    {Format::from_chars('X', 'B', '3', '0'), VK_FORMAT_A2B10G10R10_UNORM_PACK32},
    {Format::from_chars('A', 'B', '3', '0'), VK_FORMAT_A2B10G10R10_UNORM_PACK32},
    {Format::from_chars('A', 'B', '4', 'H'), VK_FORMAT_R16G16B16A16_SFLOAT},
    {Format::from_chars('X', 'B', '4', 'H'), VK_FORMAT_R16G16B16A16_SFLOAT},
    {formats::kYUYV, VK_FORMAT_G8B8G8R8_422_UNORM},
    {formats::kUYVY, VK_FORMAT_B8G8R8G8_422_UNORM},
    {formats::kNV12, VK_FORMAT_G8_B8R8_2PLANE_420_UNORM},
    {formats::kP010, VK_FORMAT_G10X6_B10X6R10X6_2PLANE_420_UNORM_3PACK16},
    {formats::kYUV420, VK_FORMAT_G8_B8_R8_3PLANE_420_UNORM},
});

}  // namespace

VkFormat vk_format(Format format) noexcept {
  for (const Row& row : kTable) {
    if (row.drm == format) {
      return row.vulkan;
    }
  }
  return VK_FORMAT_UNDEFINED;
}

}  // namespace causeway::vulkan_backend
