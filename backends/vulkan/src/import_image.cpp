// SPDX-License-Identifier: Apache-2.0
#include "import_image.hpp"

#include <fmt/format.h>

#include <array>

#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

constexpr VkImageAspectFlagBits kMemoryPlanes[CW_MAX_PLANES] = {
    VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT, VK_IMAGE_ASPECT_MEMORY_PLANE_1_BIT_EXT,
    VK_IMAGE_ASPECT_MEMORY_PLANE_2_BIT_EXT, VK_IMAGE_ASPECT_MEMORY_PLANE_3_BIT_EXT};

Result<ImportedImage> make_image(const Context& context, const ImageWish& wish, const cw_attach_info& info) {
  // size, arrayPitch and depthPitch are 0 (VUID-VkImageDrmFormatModifierExplicitCreateInfoEXT-size-02267 and
  // the two after it).
  std::array<VkSubresourceLayout, CW_MAX_PLANES> layouts{};
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    layouts.at(p).offset = info.planes[p].offset;
    layouts.at(p).rowPitch = info.planes[p].stride;
  }
  const VkImageDrmFormatModifierExplicitCreateInfoEXT modifier{
      VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT, nullptr, info.image.modifier,
      info.plane_count, layouts.data()};
  const VkExternalMemoryImageCreateInfo external{VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
                                                 &modifier, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT};
  VkImageCreateInfo create{VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO};
  create.pNext = &external;
  create.imageType = VK_IMAGE_TYPE_2D;
  create.format = wish.format;
  create.extent = wish.extent;
  create.mipLevels = 1;
  create.arrayLayers = 1;
  create.samples = VK_SAMPLE_COUNT_1_BIT;
  create.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
  create.usage = wish.usage;
  create.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  create.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED;  // VUID-VkImageCreateInfo-pNext-01443
  VkImage image = VK_NULL_HANDLE;
  if (const VkResult result = context.api.CreateImage(context.device, &create, nullptr, &image);
      result != VK_SUCCESS) {
    return vk_error(
        "vkCreateImage", result,
        fmt::format("making an image of {} x {} pixels over {} planes, the first with stride {}",
                    wish.extent.width, wish.extent.height, info.plane_count, info.planes[0].stride));
  }
  return ImportedImage(context, image);
}

/// A driver that silently works with another pitch would read the wrong pixels.
Status check_pitch(const Context& context, VkImage image, const cw_attach_info& info) {
  for (std::uint32_t p = 0; p < info.plane_count; ++p) {
    const VkImageSubresource plane{static_cast<VkImageAspectFlags>(kMemoryPlanes[p]), 0, 0};
    VkSubresourceLayout layout{};
    context.api.GetImageSubresourceLayout(context.device, image, &plane, &layout);
    if (layout.rowPitch != info.planes[p].stride) {
      return Error(Errc::Unsupported, "vkGetImageSubresourceLayout",
                   fmt::format("plane {} has stride {}, and {} would work with {}", p, info.planes[p].stride,
                               context.name(), layout.rowPitch));
    }
  }
  return {};
}

}  // namespace

Status ImportedImage::bind(Memory memory) {
  memory_ = std::move(memory);
  const VkResult result = context_->api.BindImageMemory(context_->device, image_, memory_.get(), 0);
  if (result != VK_SUCCESS) {
    return vk_error("vkBindImageMemory", result, "giving the imported memory to its image");
  }
  return {};
}

Result<ImportedImage> import_image(const Context& context, const ImageWish& wish,
                                   const cw_attach_info& info) {
  if (info.object_count != 1) {
    return Error(
        Errc::Unsupported, "attach",
        fmt::format("a frame over {} memory objects is not imported as one image", info.object_count));
  }
  if (auto status = check_importable(context, wish, info.image.modifier, info.plane_count); !status) {
    return std::move(status.error());
  }
  auto image = make_image(context, wish, info);
  if (!image) {
    return image;
  }
  if (auto status = check_pitch(context, image->image(), info); !status) {
    return std::move(status.error());
  }
  VkMemoryRequirements2 requirements{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, nullptr, {}};
  const VkImageMemoryRequirementsInfo2 which{VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2, nullptr,
                                             image->image()};
  context.api.GetImageMemoryRequirements2(context.device, &which, &requirements);
  const auto& needs = requirements.memoryRequirements;
  if (needs.size > info.objects[0].size) {
    return Error(Errc::Unsupported, "vkGetImageMemoryRequirements2",
                 fmt::format("the image needs {} bytes of memory on {}, and the object has {}", needs.size,
                             context.name(), info.objects[0].size));
  }
  const VkMemoryDedicatedAllocateInfo dedicated{VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, nullptr,
                                                image->image(), VK_NULL_HANDLE};
  auto memory =
      import_fd(context, BorrowedFd(info.objects[0].fd), {needs.size, needs.memoryTypeBits, &dedicated});
  if (!memory) {
    return std::move(memory.error());
  }
  if (auto status = image->bind(std::move(*memory)); !status) {
    return std::move(status.error());
  }
  return image;
}

}  // namespace causeway::vulkan_backend
