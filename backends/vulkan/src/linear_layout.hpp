// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <array>
#include <causeway/result.hpp>
#include <cstdint>

#include "context.hpp"
#include "image_support.hpp"

namespace causeway::vulkan_backend {

/// How a driver lays out an image of VK_IMAGE_TILING_LINEAR: what memory has to suit to become one.
struct LinearLayout {
  std::uint32_t plane_count = 0;
  std::array<std::uint32_t, CW_MAX_PLANES> strides{};  ///< bytes
  std::array<VkDeviceSize, CW_MAX_PLANES> sizes{};     ///< bytes that a plane wants to be bound to
  VkDeviceSize align = 1;                              ///< of where each is bound
};

/// Asks by making such an image and destroying it: nothing else tells. It has no memory.
/// Errors: Unsupported (the driver imports no such images), OutOfMemory.
[[nodiscard]] Result<LinearLayout> linear_layout(const Context& context, const ImageWish& wish,
                                                 std::uint32_t plane_count);

}  // namespace causeway::vulkan_backend
