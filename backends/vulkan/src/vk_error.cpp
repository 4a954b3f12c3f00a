// SPDX-License-Identifier: Apache-2.0
#include "vk_error.hpp"

#include <fmt/format.h>

namespace causeway::vulkan_backend {

// Names and meanings: Vulkan, section 3.8.1, Return Codes.
std::string to_string(VkResult result) {
  switch (result) {
    case VK_SUCCESS: return "VK_SUCCESS";
    case VK_NOT_READY: return "VK_NOT_READY";
    case VK_TIMEOUT: return "VK_TIMEOUT";
    case VK_INCOMPLETE: return "VK_INCOMPLETE";
    case VK_ERROR_OUT_OF_HOST_MEMORY: return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED: return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST: return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_MEMORY_MAP_FAILED: return "VK_ERROR_MEMORY_MAP_FAILED";
    case VK_ERROR_LAYER_NOT_PRESENT: return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT: return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT: return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER: return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_TOO_MANY_OBJECTS: return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_ERROR_FORMAT_NOT_SUPPORTED: return "VK_ERROR_FORMAT_NOT_SUPPORTED";
    case VK_ERROR_FRAGMENTED_POOL: return "VK_ERROR_FRAGMENTED_POOL";
    case VK_ERROR_UNKNOWN: return "VK_ERROR_UNKNOWN";
    case VK_ERROR_OUT_OF_POOL_MEMORY: return "VK_ERROR_OUT_OF_POOL_MEMORY";
    case VK_ERROR_INVALID_EXTERNAL_HANDLE: return "VK_ERROR_INVALID_EXTERNAL_HANDLE";
    case VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT:
      return "VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT";
    default: return fmt::format("VkResult {}", static_cast<int>(result));
  }
}

std::string version_text(std::uint32_t api_version) {
  return fmt::format("{}.{}.{}", VK_API_VERSION_MAJOR(api_version), VK_API_VERSION_MINOR(api_version),
                     VK_API_VERSION_PATCH(api_version));
}

Errc to_errc(VkResult result) noexcept {
  switch (result) {
    case VK_ERROR_DEVICE_LOST: return Errc::DeviceLost;
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_MEMORY_MAP_FAILED: return Errc::OutOfMemory;
    case VK_TIMEOUT:
    case VK_NOT_READY: return Errc::TimedOut;
    case VK_ERROR_INCOMPATIBLE_DRIVER: return Errc::NotFound;
    case VK_ERROR_INVALID_EXTERNAL_HANDLE:
    case VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT:
    case VK_ERROR_FORMAT_NOT_SUPPORTED:
    case VK_ERROR_EXTENSION_NOT_PRESENT:
    case VK_ERROR_LAYER_NOT_PRESENT:
    case VK_ERROR_FEATURE_NOT_PRESENT: return Errc::Unsupported;
    default: return Errc::Io;
  }
}

Error vk_error(std::string_view command, VkResult result, std::string_view attempt) {
  std::string_view meaning;
  switch (result) {
    case VK_ERROR_INVALID_EXTERNAL_HANDLE:
      meaning = ": the driver does not accept this descriptor or address as memory";
      break;
    case VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT:
      meaning = ": the driver cannot work with these strides and offsets";
      break;
    case VK_ERROR_DEVICE_LOST: meaning = ": the device was lost, and everything on it with it"; break;
    case VK_ERROR_INCOMPATIBLE_DRIVER: meaning = ": no Vulkan driver is installed, or none that works"; break;
    default: break;
  }
  return Error(to_errc(result), std::string(command),
               fmt::format("{} failed with {}{}", attempt, to_string(result), meaning));
}

}  // namespace causeway::vulkan_backend
