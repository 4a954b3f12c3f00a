// SPDX-License-Identifier: Apache-2.0
#include "extensions.hpp"

#include <algorithm>
#include <array>

#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

constexpr auto kKnown = std::to_array<const char*>({
    VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
    VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
    VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME,
    VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME,
    VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
    VK_KHR_IMAGE_FORMAT_LIST_EXTENSION_NAME,  // the modifier extension depends on it before Vulkan 1.2
    VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
    VK_KHR_SYNCHRONIZATION_2_EXTENSION_NAME,
    VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME,
});

}  // namespace

std::span<const char* const> known_extensions() noexcept {
  return kKnown;
}

Result<std::vector<const char*>> wanted_extensions(const InstanceApi& api, VkPhysicalDevice physical_device) {
  std::vector<VkExtensionProperties> offered;
  VkResult result = VK_INCOMPLETE;
  while (result == VK_INCOMPLETE) {  // the list may grow between the two calls
    std::uint32_t count = 0;
    result = api.EnumerateDeviceExtensionProperties(physical_device, nullptr, &count, nullptr);
    if (result == VK_SUCCESS) {
      offered.resize(count);
      result = api.EnumerateDeviceExtensionProperties(physical_device, nullptr, &count, offered.data());
      offered.resize(count);
    }
  }
  if (result != VK_SUCCESS) {
    return vk_error("vkEnumerateDeviceExtensionProperties", result, "listing the device's extensions");
  }
  std::vector<const char*> wanted;
  for (const char* name : kKnown) {
    const auto is_it = [name](const VkExtensionProperties& one) {
      return std::string_view(one.extensionName) == name;
    };
    if (std::any_of(offered.begin(), offered.end(), is_it)) {
      wanted.push_back(name);
    }
  }
  return wanted;
}

ExtensionSet::ExtensionSet(std::span<const char* const> names) : names_(names.begin(), names.end()) {
  pointers_.reserve(names_.size());
  for (const auto& name : names_) {
    pointers_.push_back(name.c_str());
  }
}

bool ExtensionSet::has(std::string_view name) const noexcept {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

bool ExtensionSet::dma_buf() const noexcept {
  return has(VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME) && has(VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME);
}

bool ExtensionSet::host_pointer() const noexcept {
  return has(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
}

bool ExtensionSet::modifiers() const noexcept {
  return has(VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME) && dma_buf();
}

std::uint32_t ExtensionSet::foreign_family() const noexcept {
  return has(VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME) ? VK_QUEUE_FAMILY_FOREIGN_EXT
                                                         : VK_QUEUE_FAMILY_EXTERNAL;
}

}  // namespace causeway::vulkan_backend
