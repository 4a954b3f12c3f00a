// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/format.hpp>
#include <cstdint>
#include <span>

namespace causeway::vulkan_backend {

/// The Vulkan format whose bytes in memory are those of a DRM format; VK_FORMAT_UNDEFINED where there is
/// none. X channels become alpha: whoever samples sets the swizzle to one.
[[nodiscard]] VkFormat vk_format(Format format) noexcept;

/// What a plane is as an image of its own: R8 and RG8 for NV12, R16 and RG16 for P010, RGBA8 of half the
/// width for YUYV.
struct PlaneFormat {
  VkFormat format;
  std::uint32_t bytes;   ///< of a texel
  std::uint32_t across;  ///< pixels of the frame that a texel covers
  std::uint32_t down;
};

/// The planes in memory of a format in LINEAR layout; none for formats that vk_format() does not know.
[[nodiscard]] std::span<const PlaneFormat> plane_formats(Format format) noexcept;

/// Whether pixels share chroma samples, so that colours need a sampler's YCbCr conversion.
[[nodiscard]] bool has_chroma(Format format) noexcept;

}  // namespace causeway::vulkan_backend
