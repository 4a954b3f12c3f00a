// SPDX-License-Identifier: Apache-2.0
#include "linear_layout.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "import_image.hpp"

namespace causeway::vulkan_backend {

Result<LinearLayout> linear_layout(const Context& context, const ImageWish& wish, std::uint32_t plane_count) {
  auto image = make_linear(context, wish, plane_count);
  if (!image) {
    return std::move(image.error());
  }
  LinearLayout layout;
  layout.plane_count = plane_count;
  for (std::uint32_t p = 0; p < plane_count; ++p) {
    const auto aspect = linear_aspect(plane_count, p);
    const VkImageSubresource which{static_cast<VkImageAspectFlags>(aspect), 0, 0};
    VkSubresourceLayout found{};
    context.api.GetImageSubresourceLayout(context.device, image->image(), &which, &found);
    if (found.rowPitch > std::numeric_limits<std::uint32_t>::max()) {
      return Error(Errc::Unsupported, "vkGetImageSubresourceLayout",
                   "a row of the image is longer than a stride can be");
    }
    layout.strides.at(p) = static_cast<std::uint32_t>(found.rowPitch);
    const VkImagePlaneMemoryRequirementsInfo plane{VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO,
                                                   nullptr, aspect};
    const VkImageMemoryRequirementsInfo2 of{VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2,
                                            plane_count > 1 ? &plane : nullptr, image->image()};
    VkMemoryRequirements2 needs{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, nullptr, {}};
    context.api.GetImageMemoryRequirements2(context.device, &of, &needs);
    layout.sizes.at(p) = needs.memoryRequirements.size;
    layout.align = std::lcm(layout.align, std::max<VkDeviceSize>(needs.memoryRequirements.alignment, 1));
  }
  return layout;
}

}  // namespace causeway::vulkan_backend
