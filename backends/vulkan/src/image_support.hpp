// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>
#include <cstdint>
#include <vector>

#include "context.hpp"

namespace causeway::vulkan_backend {

/// An image to be imported, in Vulkan's words.
struct ImageWish {
  VkFormat format;
  VkExtent3D extent;
  VkImageUsageFlags usage;
};

/// desc in Vulkan's words. Errors: Unsupported (the device imports no images, or not this format; asked for
/// as a buffer).
[[nodiscard]] Result<ImageWish> image_wish(const Context& context, const cw_image_desc& desc,
                                           std::uint32_t usage);

/// The modifiers with which the driver imports such an image from a dma-buf: those whose features suit the
/// usage, and that the format query accepts for this size.
[[nodiscard]] std::vector<VkDrmFormatModifierPropertiesEXT> importable_modifiers(const Context& context,
                                                                                 const ImageWish& wish);

/// The same, for images that the driver allocates itself and exports.
[[nodiscard]] std::vector<VkDrmFormatModifierPropertiesEXT> exportable_modifiers(const Context& context,
                                                                                 const ImageWish& wish);

/// Whether the image can be imported with this modifier and so many memory planes.
/// Errors: Unsupported, with the modifiers that would do.
[[nodiscard]] Status check_importable(const Context& context, const ImageWish& wish, std::uint64_t modifier,
                                      std::uint32_t planes);

}  // namespace causeway::vulkan_backend
