// SPDX-License-Identifier: Apache-2.0
#include "image_support.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <causeway/format.hpp>
#include <optional>
#include <string>

#include "format_table.hpp"

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

/// The features of a format in LINEAR tiling.
VkFormatFeatureFlags linear_features(const Context& context, VkFormat format) {
  VkFormatProperties2 properties{VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2, nullptr, {}};
  context.instance_api.GetPhysicalDeviceFormatProperties2(context.physical.handle, format, &properties);
  return properties.formatProperties.linearTilingFeatures;
}

/// The query that decides (VUID-VkImageCreateInfo-imageCreateMaxMipLevels-02251 and those that follow it).
/// Empty: no.
std::optional<ImageAnswer> query(const Context& context, const ImageWish& wish, const ImageTiling& how,
                                 VkFormatFeatureFlags features, VkExternalMemoryFeatureFlags wanted) {
  const VkFormatFeatureFlags needed =
      needed_features(wish.usage) |
      (how.disjoint ? VkFormatFeatureFlags{VK_FORMAT_FEATURE_DISJOINT_BIT} : 0U);
  if ((features & needed) != needed) {
    return std::nullopt;
  }
  const VkPhysicalDeviceImageDrmFormatModifierInfoEXT which{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
      nullptr,
      how.modifier,
      VK_SHARING_MODE_EXCLUSIVE,
      0,
      nullptr};
  const bool by_modifier = how.tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
  const VkPhysicalDeviceExternalImageFormatInfo external{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO, by_modifier ? &which : nullptr,
      VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT};
  const VkPhysicalDeviceImageFormatInfo2 info{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
                                              &external,
                                              wish.format,
                                              VK_IMAGE_TYPE_2D,
                                              how.tiling,
                                              wish.usage,
                                              create_flags(how)};
  VkSamplerYcbcrConversionImageFormatProperties samplers{
      VK_STRUCTURE_TYPE_SAMPLER_YCBCR_CONVERSION_IMAGE_FORMAT_PROPERTIES, nullptr, 1};
  VkExternalImageFormatProperties shares{VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES, &samplers, {}};
  VkImageFormatProperties2 answer{VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2, &shares, {}};
  if (context.instance_api.GetPhysicalDeviceImageFormatProperties2(context.physical.handle, &info, &answer) !=
      VK_SUCCESS) {
    return std::nullopt;
  }
  const auto& limit = answer.imageFormatProperties.maxExtent;
  const auto able = shares.externalMemoryProperties.externalMemoryFeatures;
  if (wish.extent.width > limit.width || wish.extent.height > limit.height || (able & wanted) == 0) {
    return std::nullopt;
  }
  return ImageAnswer{.features = features,
                     .dedicated_only = (able & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0,
                     .descriptor_count = std::max(samplers.combinedImageSamplerDescriptorCount, 1U)};
}

std::vector<VkDrmFormatModifierPropertiesEXT> modifiers_with(const Context& context, const ImageWish& wish,
                                                             bool disjoint,
                                                             VkExternalMemoryFeatureFlags feature) {
  if (!context.extensions.modifiers()) {
    return {};
  }
  auto modifiers = modifiers_of(context, wish.format);
  std::erase_if(modifiers, [&](const VkDrmFormatModifierPropertiesEXT& one) {
    return one.drmFormatModifierPlaneCount > CW_MAX_PLANES ||
           !query(context, wish, {.modifier = one.drmFormatModifier, .disjoint = disjoint},
                  one.drmFormatModifierTilingFeatures, feature);
  });
  return modifiers;
}

/// "500 x 400 pixels with VkFormat 44 and VkImageUsageFlags 0x5".
std::string describe(const ImageWish& wish) {
  return fmt::format("{} x {} pixels with VkFormat {} and VkImageUsageFlags {:#x}", wish.extent.width,
                     wish.extent.height, static_cast<int>(wish.format), wish.usage);
}

Error refuse_modifier(const Context& context, const ImageWish& wish, const ImageTiling& how,
                      std::uint32_t memory_planes, VkExternalMemoryFeatureFlags feature) {
  std::string offered;
  for (const auto& one : modifiers_with(context, wish, how.disjoint, feature)) {
    offered += fmt::format("{}{} with {} memory planes", offered.empty() ? "" : ", ",
                           Modifier{one.drmFormatModifier}.to_string(), one.drmFormatModifierPlaneCount);
  }
  return Error(
      Errc::Unsupported, "vkGetPhysicalDeviceImageFormatProperties2",
      fmt::format("{} imports no image of {}, modifier {} and {} memory planes{}; for this size and usage it "
                  "imports: {}",
                  context.name(), describe(wish), Modifier{how.modifier}.to_string(), memory_planes,
                  how.disjoint ? " over several objects" : "", offered.empty() ? "none" : offered));
}

}  // namespace

Result<ImageWish> image_wish(const Context& context, const cw_image_desc& desc, std::uint32_t usage) {
  const auto no = [](std::string why) { return Error(Errc::Unsupported, "attach", std::move(why)); };
  if ((usage & CW_USAGE_AS_BUFFER) != 0) {
    return no("it is asked for as a buffer");
  }
  if (!context.extensions.dma_buf()) {
    return no("VK_KHR_external_memory_fd and VK_EXT_external_memory_dma_buf are not both enabled");
  }
  const Format format{desc.format};
  const VkFormat vulkan = vk_format(format);
  if (vulkan == VK_FORMAT_UNDEFINED) {
    return no(fmt::format("Vulkan has no image format for {}", format.to_string()));
  }
  return ImageWish{vulkan, {desc.width, desc.height, 1}, image_usage(usage)};
}

ImageWish plane_wish(const ImageWish& whole, const PlaneFormat& plane) noexcept {
  return {
      plane.format, {whole.extent.width / plane.across, whole.extent.height / plane.down, 1}, whole.usage};
}

Result<ImageAnswer> ask_image(const Context& context, const ImageWish& wish, const ImageTiling& how,
                              std::uint32_t memory_planes, VkExternalMemoryFeatureFlags feature) {
  if (how.tiling == VK_IMAGE_TILING_LINEAR) {
    if (auto answer = query(context, wish, how, linear_features(context, wish.format), feature)) {
      return *answer;
    }
    return Error(Errc::Unsupported, "vkGetPhysicalDeviceImageFormatProperties2",
                 fmt::format("{} imports no image of {} in VK_IMAGE_TILING_LINEAR{}", context.name(),
                             describe(wish), how.disjoint ? " with its planes bound one by one" : ""));
  }
  if (!context.extensions.modifiers()) {
    return Error(Errc::Unsupported, "attach",
                 "VK_EXT_image_drm_format_modifier is not enabled on this device");
  }
  for (const auto& one : modifiers_of(context, wish.format)) {
    if (one.drmFormatModifier == how.modifier && one.drmFormatModifierPlaneCount == memory_planes) {
      if (auto answer = query(context, wish, how, one.drmFormatModifierTilingFeatures, feature)) {
        return *answer;
      }
    }
  }
  return refuse_modifier(context, wish, how, memory_planes, feature);
}

std::vector<VkDrmFormatModifierPropertiesEXT> importable_modifiers(const Context& context,
                                                                   const ImageWish& wish, bool disjoint) {
  return modifiers_with(context, wish, disjoint, VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT);
}

std::vector<VkDrmFormatModifierPropertiesEXT> exportable_modifiers(const Context& context,
                                                                   const ImageWish& wish) {
  return modifiers_with(context, wish, false, VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT);
}

}  // namespace causeway::vulkan_backend
