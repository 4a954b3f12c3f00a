// SPDX-License-Identifier: Apache-2.0
#include "constraints.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <causeway/format.hpp>
#include <numeric>
#include <span>
#include <vector>

#include "image_support.hpp"
#include "linear_layout.hpp"

namespace causeway::vulkan_backend {
namespace {

std::uint32_t clamp32(VkDeviceSize value) noexcept {
  return static_cast<std::uint32_t>(std::clamp<VkDeviceSize>(value, 1, VkDeviceSize{1} << 30U));
}

void align(std::uint32_t& field, VkDeviceSize to) noexcept {
  field = std::lcm(std::max(field, 1U), clamp32(to));
}

// What a buffer's rows need: shaders and copies address whole words.
constexpr VkDeviceSize kBufferStride = 4;
// What an image's rows need is documented by no driver; 64 was met on most and 256 on the strictest. lavapipe
// takes any, and works in cache lines.
constexpr VkDeviceSize kImageStride = 256;
constexpr VkDeviceSize kCpuImageStride = 64;

bool has_linear(const std::vector<VkDrmFormatModifierPropertiesEXT>& modifiers) {
  return std::any_of(modifiers.begin(), modifiers.end(),
                     [](const auto& one) { return one.drmFormatModifier == 0; });
}

/// Whether LINEAR memory may become an image without modifiers: in one piece, or a plane at a time.
bool can_be_linear(const Context& context, const ImageWish& wish, std::span<const PlaneFormat> planes) {
  const ImageTiling how{.tiling = VK_IMAGE_TILING_LINEAR, .disjoint = planes.size() > 1};
  if (ask_image(context, wish, how, static_cast<std::uint32_t>(planes.size()))) {
    return true;
  }
  return std::all_of(planes.begin(), planes.end(), [&](const PlaneFormat& plane) {
    const ImageWish one = plane_wish(wish, plane);
    return has_linear(importable_modifiers(context, one)) ||
           ask_image(context, one, {.tiling = VK_IMAGE_TILING_LINEAR}, 1).has_value();
  });
}

VkDeviceSize image_stride(const Context& context) noexcept {
  return context.physical.on_cpu() ? kCpuImageStride : kImageStride;
}

/// The layout with strides that any image will do with. The rows stay: some drivers round them up (lavapipe,
/// to four), by modifiers as well.
LinearLayout widen(const Context& context, LinearLayout layout) {
  const VkDeviceSize to = image_stride(context);
  for (std::uint32_t p = 0; p < layout.plane_count; ++p) {
    const VkDeviceSize tight = std::max(layout.strides.at(p), 1U);
    const VkDeviceSize wide = (tight + to - 1) / to * to;
    layout.sizes.at(p) = (layout.sizes.at(p) + tight - 1) / tight * wide;
    layout.strides.at(p) = static_cast<std::uint32_t>(wide);
  }
  return layout;
}

/// Room for planes that each want to be bound to so many bytes. In one object a plane begins where the one
/// before it ends; in an object of its own it wants no less.
void make_room(std::span<const VkDeviceSize> sizes, std::span<const std::uint32_t> strides,
               std::span<const PlaneFormat> planes, std::uint32_t height, cw_constraints& out) {
  std::uint64_t end = 0;
  for (std::size_t p = 0; p < planes.size(); ++p) {
    const std::uint64_t begin = (end + out.offset_align - 1) / out.offset_align * out.offset_align;
    out.min_object_size[0] = std::max(out.min_object_size[0], begin + sizes[p]);
    out.min_object_size[p] = std::max(out.min_object_size[p], sizes[p]);
    end = begin + std::uint64_t{strides[p]} * (height / planes[p].down);
  }
}

/// One image, by a modifier or else in LINEAR tiling. Errors: Unsupported.
Status constrain_image(const Context& context, const ImageWish& wish, std::span<const PlaneFormat> planes,
                       const std::vector<VkDrmFormatModifierPropertiesEXT>& modifiers, cw_constraints& out) {
  auto layout = linear_layout(context, wish, static_cast<std::uint32_t>(planes.size()));
  if (has_linear(modifiers)) {
    if (layout && planes.size() == 1) {  // of several, only those that are bound one by one
      const auto wide = widen(context, *layout);
      make_room(wide.sizes, wide.strides, planes, wish.extent.height, out);
    }
    return {};
  }
  if (layout) {
    align(out.offset_align, layout->align);
    std::copy(layout->strides.begin(), layout->strides.end(), &out.exact_stride[0]);
    make_room(layout->sizes, layout->strides, planes, wish.extent.height, out);
    return {};
  }
  if (out.modifier_count > 1) {  // LINEAR goes, the others stay
    --out.modifier_count;
    std::copy(&out.modifiers[1], &out.modifiers[1] + out.modifier_count, &out.modifiers[0]);
    return {};
  }
  return std::move(layout.error()).within("no modifier of VK_EXT_image_drm_format_modifier will do, either");
}

/// Each plane as an image of its own: LINEAR alone. Errors: Unsupported.
Status constrain_planes(const Context& context, const ImageWish& whole, std::span<const PlaneFormat> planes,
                        cw_constraints& out) {
  out.modifier_count = 1;
  std::array<VkDeviceSize, CW_MAX_PLANES> sizes{};
  std::array<std::uint32_t, CW_MAX_PLANES> strides{};
  for (std::uint32_t p = 0; p < planes.size(); ++p) {
    const ImageWish wish = plane_wish(whole, planes[p]);
    const bool any_stride = has_linear(importable_modifiers(context, wish));
    auto layout = linear_layout(context, wish, 1);
    if (!layout && !any_stride) {
      return std::move(layout.error()).within(fmt::format("plane {} as an image", p));
    }
    if (!layout) {
      continue;
    }
    const auto room = any_stride ? widen(context, *layout) : *layout;
    sizes.at(p) = room.sizes[0];
    strides.at(p) = room.strides[0];
    if (!any_stride) {
      align(out.offset_align, layout->align);
      out.exact_stride[p] = layout->strides[0];
    }
  }
  make_room(sizes, strides, planes, whole.extent.height, out);
  return {};
}

}  // namespace

Status constrain(const Context& context, const cw_image_desc& image, std::uint32_t usage,
                 cw_constraints& out) {
  const auto& limits = context.physical.properties.limits;
  // A descriptor may start at each plane (VUID-VkWriteDescriptorSet-descriptorType-00328), a texel buffer
  // too.
  align(out.offset_align, std::max<VkDeviceSize>({limits.minStorageBufferOffsetAlignment,
                                                  limits.minTexelBufferOffsetAlignment, kBufferStride}));
  // Host pointers are the second step of the import, so objects are made to suit it.
  align(out.object_size_align, context.physical.host_pointer_align);
  if (out.max_object_size == 0 || out.max_object_size > context.physical.max_allocation) {
    out.max_object_size = context.physical.max_allocation;
  }

  // LINEAR always: what is not imported as an image is imported as a buffer.
  out.modifier_count = 1;
  out.modifiers[0] = 0;
  const auto wish = image_wish(context, image, usage);
  const bool as_image = (usage & CW_USAGE_AS_IMAGE) != 0;
  const bool as_planes = (usage & CW_USAGE_AS_PLANES) != 0;
  if (!wish) {
    align(out.stride_align, kBufferStride);
    return as_image || as_planes ? wish.error() : Status();
  }
  const auto modifiers = importable_modifiers(context, *wish);
  for (const auto& one : modifiers) {
    if (one.drmFormatModifier != 0 && out.modifier_count < CW_MAX_MODIFIERS) {
      out.modifiers[out.modifier_count++] = one.drmFormatModifier;
    }
  }
  const auto planes = plane_formats(Format{image.format});
  if (as_image || as_planes) {
    auto status = as_image ? constrain_image(context, *wish, planes, modifiers, out)
                           : constrain_planes(context, *wish, planes, out);
    if (!status) {
      return status;
    }
  }
  if (out.exact_stride[0] == 0) {
    const bool linear_image = has_linear(modifiers) || can_be_linear(context, *wish, planes);
    align(out.stride_align, linear_image ? image_stride(context) : kBufferStride);
  }
  return {};
}

}  // namespace causeway::vulkan_backend
