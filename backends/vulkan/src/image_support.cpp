// SPDX-License-Identifier: Apache-2.0
#include "image_support.hpp"

#include <fmt/format.h>

#include <array>
#include <causeway/format.hpp>
#include <string>

#include "format_table.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

struct UsageRow {
  std::uint32_t usage;
  VkImageUsageFlags image;
  VkFormatFeatureFlags feature;
};
constexpr auto kUsages = std::to_array<UsageRow>({
    {CW_USAGE_SAMPLED, VK_IMAGE_USAGE_SAMPLED_BIT, VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT},
    {CW_USAGE_STORAGE, VK_IMAGE_USAGE_STORAGE_BIT, VK_FORMAT_FEATURE_STORAGE_IMAGE_BIT},
    {CW_USAGE_RENDER, VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT, VK_FORMAT_FEATURE_COLOR_ATTACHMENT_BIT},
    {CW_USAGE_TRANSFER, VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
     VK_FORMAT_FEATURE_TRANSFER_SRC_BIT | VK_FORMAT_FEATURE_TRANSFER_DST_BIT},
});

constexpr VkImageUsageFlags kTransferDst = VK_IMAGE_USAGE_TRANSFER_DST_BIT;

VkImageUsageFlags image_usage(std::uint32_t usage) noexcept {
  VkImageUsageFlags flags = 0;
  for (const auto& row : kUsages) {
    flags |= (usage & row.usage) != 0 ? row.image : 0U;
  }
  if (flags == 0) {  // how is left to us: what nearly every format can do
    flags = ((usage & CW_USAGE_WRITE) != 0 ? kTransferDst : 0U) | VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
            VK_IMAGE_USAGE_SAMPLED_BIT;
  }
  return flags;
}

VkFormatFeatureFlags needed_features(VkImageUsageFlags usage) noexcept {
  VkFormatFeatureFlags features = 0;
  if ((usage & VK_IMAGE_USAGE_TRANSFER_SRC_BIT) != 0) {
    features |= VK_FORMAT_FEATURE_TRANSFER_SRC_BIT;
  }
  if ((usage & VK_IMAGE_USAGE_TRANSFER_DST_BIT) != 0) {
    features |= VK_FORMAT_FEATURE_TRANSFER_DST_BIT;
  }
  for (const auto& row : kUsages) {
    if (row.usage != CW_USAGE_TRANSFER && (usage & row.image) != 0) {
      features |= row.feature;
    }
  }
  return features;
}

std::vector<VkDrmFormatModifierPropertiesEXT> modifiers_of(const Context& context, VkFormat format) {
  VkDrmFormatModifierPropertiesListEXT list{VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT,
                                            nullptr, 0, nullptr};
  VkFormatProperties2 properties{VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2, &list, {}};
  const auto& api = context.instance_api;
  api.GetPhysicalDeviceFormatProperties2(context.physical.handle, format, &properties);
  std::vector<VkDrmFormatModifierPropertiesEXT> modifiers(list.drmFormatModifierCount);
  list.pDrmFormatModifierProperties = modifiers.data();
  api.GetPhysicalDeviceFormatProperties2(context.physical.handle, format, &properties);
  modifiers.resize(list.drmFormatModifierCount);
  return modifiers;
}

/// The query that decides (VUID-VkImageCreateInfo-imageCreateMaxMipLevels-02251 and those that follow it):
/// the list of modifiers promises more than can be created (lavapipe's NV12).
VkResult query(const Context& context, const ImageWish& wish, std::uint64_t modifier,
               VkExternalMemoryFeatureFlags feature) {
  const VkPhysicalDeviceImageDrmFormatModifierInfoEXT which{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
      nullptr,
      modifier,
      VK_SHARING_MODE_EXCLUSIVE,
      0,
      nullptr};
  const VkPhysicalDeviceExternalImageFormatInfo external{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO, &which,
      VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT};
  const VkPhysicalDeviceImageFormatInfo2 info{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
                                              &external,
                                              wish.format,
                                              VK_IMAGE_TYPE_2D,
                                              VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
                                              wish.usage,
                                              0};
  VkExternalImageFormatProperties shares{VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES, nullptr, {}};
  VkImageFormatProperties2 answer{VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2, &shares, {}};
  const VkResult result =
      context.instance_api.GetPhysicalDeviceImageFormatProperties2(context.physical.handle, &info, &answer);
  if (result != VK_SUCCESS) {
    return result;
  }
  const auto& limit = answer.imageFormatProperties.maxExtent;
  const bool fits = wish.extent.width <= limit.width && wish.extent.height <= limit.height;
  const bool able = (shares.externalMemoryProperties.externalMemoryFeatures & feature) != 0;
  return fits && able ? VK_SUCCESS : VK_ERROR_FORMAT_NOT_SUPPORTED;
}

std::vector<VkDrmFormatModifierPropertiesEXT> modifiers_with(const Context& context, const ImageWish& wish,
                                                             VkExternalMemoryFeatureFlags feature) {
  const VkFormatFeatureFlags needed = needed_features(wish.usage);
  auto modifiers = modifiers_of(context, wish.format);
  std::erase_if(modifiers, [&](const VkDrmFormatModifierPropertiesEXT& one) {
    return (one.drmFormatModifierTilingFeatures & needed) != needed ||
           one.drmFormatModifierPlaneCount > CW_MAX_PLANES ||
           query(context, wish, one.drmFormatModifier, feature) != VK_SUCCESS;
  });
  return modifiers;
}

}  // namespace

Result<ImageWish> image_wish(const Context& context, const cw_image_desc& desc, std::uint32_t usage) {
  const auto no = [](std::string why) { return Error(Errc::Unsupported, "attach", std::move(why)); };
  if ((usage & CW_USAGE_AS_BUFFER) != 0) {
    return no("it is asked for as a buffer");
  }
  if (!context.extensions.modifiers()) {
    return no("VK_EXT_image_drm_format_modifier is not enabled on this device");
  }
  const Format format{desc.format};
  const VkFormat vulkan = vk_format(format);
  if (vulkan == VK_FORMAT_UNDEFINED) {
    return no(fmt::format("Vulkan has no image format for {}", format.to_string()));
  }
  return ImageWish{vulkan, {desc.width, desc.height, 1}, image_usage(usage)};
}

std::vector<VkDrmFormatModifierPropertiesEXT> importable_modifiers(const Context& context,
                                                                   const ImageWish& wish) {
  return modifiers_with(context, wish, VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT);
}

std::vector<VkDrmFormatModifierPropertiesEXT> exportable_modifiers(const Context& context,
                                                                   const ImageWish& wish) {
  return modifiers_with(context, wish, VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT);
}

Status check_importable(const Context& context, const ImageWish& wish, std::uint64_t modifier,
                        std::uint32_t planes) {
  const auto modifiers = importable_modifiers(context, wish);
  std::string offered;
  for (const auto& one : modifiers) {
    if (one.drmFormatModifier == modifier && one.drmFormatModifierPlaneCount == planes) {
      return {};
    }
    offered += fmt::format("{}{} with {} memory planes", offered.empty() ? "" : ", ",
                           Modifier{one.drmFormatModifier}.to_string(), one.drmFormatModifierPlaneCount);
  }
  return Error(
      Errc::Unsupported, "vkGetPhysicalDeviceImageFormatProperties2",
      fmt::format(
          "{} imports no image of {} x {} pixels with VkFormat {}, VkImageUsageFlags {:#x}, modifier {} "
          "and {} memory planes; for this size and usage it imports: {}",
          context.name(), wish.extent.width, wish.extent.height, static_cast<int>(wish.format), wish.usage,
          Modifier{modifier}.to_string(), planes, offered.empty() ? "none" : offered));
}

}  // namespace causeway::vulkan_backend
