// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>
#include <cstdint>
#include <vector>

#include "context.hpp"
#include "format_table.hpp"

namespace causeway::vulkan_backend {

/// An image to be imported, in Vulkan's words.
struct ImageWish {
  VkFormat format;
  VkExtent3D extent;
  VkImageUsageFlags usage;
};

/// desc in Vulkan's words. Errors: Unsupported (the device imports no dma-bufs, or Vulkan has not this
/// format; asked for as a buffer).
[[nodiscard]] Result<ImageWish> image_wish(const Context& context, const cw_image_desc& desc,
                                           std::uint32_t usage);

/// One plane of it as an image of its own.
[[nodiscard]] ImageWish plane_wish(const ImageWish& whole, const PlaneFormat& plane) noexcept;

/// How memory is to become an image: by VK_EXT_image_drm_format_modifier, or with VK_IMAGE_TILING_LINEAR,
/// where the driver alone decides on the strides.
struct ImageTiling {
  VkImageTiling tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
  std::uint64_t modifier = 0;
  bool disjoint = false;  ///< each plane is bound by itself
};

[[nodiscard]] constexpr VkImageCreateFlags create_flags(const ImageTiling& how) noexcept {
  return how.disjoint ? VkImageCreateFlags{VK_IMAGE_CREATE_DISJOINT_BIT} : 0U;
}

/// What the driver says of images that it can import or export.
struct ImageAnswer {
  VkFormatFeatureFlags features = 0;
  bool dedicated_only = false;         ///< VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT
  std::uint32_t descriptor_count = 1;  ///< VkSamplerYcbcrConversionImageFormatProperties
};

/// Asks whether such an image can be imported (or, by feature, exported) as a dma-buf, in this size. The
/// query decides: lists of formats and modifiers promise more than can be created (lavapipe's NV12). Errors:
/// Unsupported, with what the driver would do instead.
[[nodiscard]] Result<ImageAnswer> ask_image(
    const Context& context, const ImageWish& wish, const ImageTiling& how, std::uint32_t memory_planes,
    VkExternalMemoryFeatureFlags feature = VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT);

/// The modifiers with which the driver imports such an image from a dma-buf: those whose features suit the
/// usage, and that the format query accepts for this size. None without the extension.
[[nodiscard]] std::vector<VkDrmFormatModifierPropertiesEXT> importable_modifiers(const Context& context,
                                                                                 const ImageWish& wish,
                                                                                 bool disjoint = false);

/// The same, for images that the driver allocates itself and exports.
[[nodiscard]] std::vector<VkDrmFormatModifierPropertiesEXT> exportable_modifiers(const Context& context,
                                                                                 const ImageWish& wish);

}  // namespace causeway::vulkan_backend
