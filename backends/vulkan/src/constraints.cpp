// SPDX-License-Identifier: Apache-2.0
#include "constraints.hpp"

#include <algorithm>
#include <numeric>

#include "image_support.hpp"

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

}  // namespace

void constrain(const Context& context, const cw_image_desc& image, std::uint32_t usage, cw_constraints& out) {
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
  const auto modifiers =
      wish ? importable_modifiers(context, *wish) : decltype(importable_modifiers(context, *wish)){};
  bool linear_image = false;
  for (const auto& one : modifiers) {
    if (one.drmFormatModifier == 0) {
      linear_image = true;
    } else if (out.modifier_count < CW_MAX_MODIFIERS) {
      out.modifiers[out.modifier_count++] = one.drmFormatModifier;
    }
  }
  const VkDeviceSize image_stride = context.physical.on_cpu() ? kCpuImageStride : kImageStride;
  align(out.stride_align, linear_image ? image_stride : kBufferStride);
}

}  // namespace causeway::vulkan_backend
