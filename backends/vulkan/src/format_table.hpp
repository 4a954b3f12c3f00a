// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/format.hpp>

namespace causeway::vulkan_backend {

/// The Vulkan format whose bytes in memory are those of a DRM format; VK_FORMAT_UNDEFINED where there is
/// none. X channels become alpha: whoever samples sets the swizzle to one.
[[nodiscard]] VkFormat vk_format(Format format) noexcept;

}  // namespace causeway::vulkan_backend
