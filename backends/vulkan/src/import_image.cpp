// SPDX-License-Identifier: Apache-2.0
#include "import_image.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "image_binding.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

constexpr std::array<VkImageAspectFlagBits, CW_MAX_PLANES> kMemoryPlanes = {
    VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT, VK_IMAGE_ASPECT_MEMORY_PLANE_1_BIT_EXT,
    VK_IMAGE_ASPECT_MEMORY_PLANE_2_BIT_EXT, VK_IMAGE_ASPECT_MEMORY_PLANE_3_BIT_EXT};
constexpr std::array<VkImageAspectFlagBits, 3> kFormatPlanes = {
    VK_IMAGE_ASPECT_PLANE_0_BIT, VK_IMAGE_ASPECT_PLANE_1_BIT, VK_IMAGE_ASPECT_PLANE_2_BIT};

bool over_several_objects(const ImageSource& source) {
  return std::any_of(source.planes.begin(), source.planes.end(),
                     [&](const PlaneSource& plane) { return plane.object != source.planes.front().object; });
}

/// next: the chain of what is special about it, VkExternalMemoryImageCreateInfo left out.
Result<ImportedImage> make_image(const Context& context, const ImageWish& wish, const ImageTiling& how,
                                 const ImageAnswer& answer, const void* next) {
  const VkExternalMemoryImageCreateInfo external{VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO, next,
                                                 VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT};
  VkImageCreateInfo create{VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO};
  create.pNext = &external;
  create.flags = create_flags(how);
  create.imageType = VK_IMAGE_TYPE_2D;
  create.format = wish.format;
  create.extent = wish.extent;
  create.mipLevels = 1;
  create.arrayLayers = 1;
  create.samples = VK_SAMPLE_COUNT_1_BIT;
  create.tiling = how.tiling;
  create.usage = wish.usage;
  create.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  create.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED;  // VUID-VkImageCreateInfo-pNext-01443
  VkImage image = VK_NULL_HANDLE;
  if (const VkResult result = context.api.CreateImage(context.device, &create, nullptr, &image);
      result != VK_SUCCESS) {
    return vk_error("vkCreateImage", result,
                    fmt::format("making an image of {} x {} pixels in the frame's layout",
                                create.extent.width, create.extent.height));
  }
  return ImportedImage(context, image, how, answer);
}

VkSubresourceLayout layout_of(const Context& context, VkImage image, VkImageAspectFlags aspect) {
  const VkImageSubresource which{aspect, 0, 0};
  VkSubresourceLayout layout{};
  context.api.GetImageSubresourceLayout(context.device, image, &which, &layout);
  return layout;
}

/// A driver that silently works with another pitch would read the wrong pixels.
Status check_pitch(const Context& context, const VkSubresourceLayout& layout, const PlaneSource& plane,
                   std::size_t p) {
  if (layout.rowPitch == plane.stride) {
    return {};
  }
  return Error(Errc::Unsupported, "vkGetImageSubresourceLayout",
               fmt::format("plane {} has a stride of {} bytes, and {} would work with {}", p, plane.stride,
                           context.name(), layout.rowPitch));
}

Status check_disjoint(const Context& context, const ImageAnswer& answer, const ImageTiling& how) {
  // VUID-VkMemoryDedicatedAllocateInfo-image-01797: an image bound plane by plane has no memory of its own.
  if (how.disjoint && answer.dedicated_only) {
    return Error(Errc::Unsupported, "vkGetPhysicalDeviceImageFormatProperties2",
                 fmt::format("{} imports such images with memory of their own alone, and its planes would be "
                             "bound one by one",
                             context.name()));
  }
  return {};
}

}  // namespace

Result<ImportedImage> import_by_modifier(const Context& context, const ImageSource& source) {
  const ImageTiling how{.modifier = source.modifier, .disjoint = over_several_objects(source)};
  const auto planes = static_cast<std::uint32_t>(source.planes.size());
  auto answer = ask_image(context, source.wish, how, planes);
  if (!answer) {
    return std::move(answer.error());
  }
  if (auto status = check_disjoint(context, *answer, how); !status) {
    return std::move(status.error());
  }
  // size, arrayPitch and depthPitch are 0 (VUID-VkImageDrmFormatModifierExplicitCreateInfoEXT-size-02267 and
  // the two after it).
  std::array<VkSubresourceLayout, CW_MAX_PLANES> layouts{};
  for (std::uint32_t p = 0; p < planes; ++p) {
    layouts.at(p).offset = source.planes[p].offset;
    layouts.at(p).rowPitch = source.planes[p].stride;
  }
  const VkImageDrmFormatModifierExplicitCreateInfoEXT modifier{
      VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT, nullptr, source.modifier, planes,
      layouts.data()};
  auto image = make_image(context, source.wish, how, *answer, &modifier);
  if (!image) {
    return image;
  }
  PlaneSource whole = source.planes.front();
  for (const auto& plane : source.planes) {
    whole.end = std::max(whole.end, plane.end);
  }
  ImageBinding binding(context, *image, answer->dedicated_only);
  for (std::uint32_t p = 0; p < planes; ++p) {
    const auto& plane = source.planes[p];
    const auto layout = layout_of(context, image->image(), kMemoryPlanes.at(p));
    if (auto status = check_pitch(context, layout, plane, p); !status) {
      return std::move(status.error());
    }
    // The offset is part of the image's layout, and not of where it is bound.
    if (auto status = how.disjoint ? binding.add(plane, 0, kMemoryPlanes.at(p)) : Status(); !status) {
      return std::move(status.error());
    }
  }
  if (auto status = how.disjoint ? Status() : binding.add(whole, 0, VK_IMAGE_ASPECT_NONE); !status) {
    return std::move(status.error());
  }
  if (auto status = binding.bind(); !status) {
    return std::move(status.error());
  }
  return image;
}

VkImageAspectFlagBits linear_aspect(std::size_t plane_count, std::uint32_t p) noexcept {
  return plane_count > 1 ? kFormatPlanes.at(p) : VK_IMAGE_ASPECT_COLOR_BIT;
}

Result<ImportedImage> make_linear(const Context& context, const ImageWish& wish, std::uint32_t plane_count) {
  const ImageTiling how{.tiling = VK_IMAGE_TILING_LINEAR, .disjoint = plane_count > 1};
  auto answer = ask_image(context, wish, how, plane_count);
  if (!answer) {
    return std::move(answer.error());
  }
  if (auto status = check_disjoint(context, *answer, how); !status) {
    return std::move(status.error());
  }
  return make_image(context, wish, how, *answer, nullptr);
}

Result<ImportedImage> import_linear(const Context& context, const ImageSource& source) {
  const auto planes = static_cast<std::uint32_t>(source.planes.size());
  auto image = make_linear(context, source.wish, planes);
  if (!image) {
    return image;
  }
  ImageBinding binding(context, *image, image->answer().dedicated_only);
  for (std::uint32_t p = 0; p < planes; ++p) {
    const auto& plane = source.planes[p];
    const auto layout = layout_of(context, image->image(), linear_aspect(planes, p));
    if (auto status = check_pitch(context, layout, plane, p); !status) {
      return std::move(status.error());
    }
    if (layout.offset > plane.offset) {
      return Error(Errc::Unsupported, "vkGetImageSubresourceLayout",
                   fmt::format("plane {} lies at byte {}, and {} leaves {} bytes before it", p, plane.offset,
                               context.name(), layout.offset));
    }
    const auto bound = planes > 1 ? linear_aspect(planes, p) : VK_IMAGE_ASPECT_NONE;
    if (auto status = binding.add(plane, plane.offset - layout.offset, bound); !status) {
      return std::move(status.error());
    }
  }
  if (auto status = binding.bind(); !status) {
    return std::move(status.error());
  }
  return image;
}

}  // namespace causeway::vulkan_backend
