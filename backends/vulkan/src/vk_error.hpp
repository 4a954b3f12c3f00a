// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/result.hpp>
#include <string>
#include <string_view>

namespace causeway::vulkan_backend {

/// "VK_ERROR_DEVICE_LOST"; "VkResult -42" for one that this backend never meets.
[[nodiscard]] std::string to_string(VkResult result);
/// "1.3.204".
[[nodiscard]] std::string version_text(std::uint32_t api_version);
[[nodiscard]] Errc to_errc(VkResult result) noexcept;
/// The failure of one Vulkan command: what was attempted, and what the driver answered.
[[nodiscard]] Error vk_error(std::string_view command, VkResult result, std::string_view attempt);

}  // namespace causeway::vulkan_backend
