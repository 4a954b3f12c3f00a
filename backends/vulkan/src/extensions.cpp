// SPDX-License-Identifier: Apache-2.0
#include "extensions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

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

namespace {

Result<std::vector<VkExtensionProperties>> list_extensions(const InstanceApi& api,
                                                           VkPhysicalDevice physical_device) {
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
  return offered;
}

bool has(std::span<const VkExtensionProperties> list, std::string_view name) {
  return std::any_of(list.begin(), list.end(), [name](const VkExtensionProperties& one) {
    return std::string_view(one.extensionName) == name;
  });
}

bool has(std::span<const char* const> list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

constexpr auto kByDmaBuf = std::to_array<const char*>(
    {VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME});

}  // namespace

Result<bool> offers(const InstanceApi& api, VkPhysicalDevice physical_device, std::string_view name) {
  const auto offered = list_extensions(api, physical_device);
  return offered ? Result<bool>(has(*offered, name)) : offered.error();
}

Result<std::vector<const char*>> wanted_extensions(const InstanceApi& api, VkPhysicalDevice physical_device) {
  const auto offered = list_extensions(api, physical_device);
  if (!offered) {
    return offered.error();
  }
  std::vector<const char*> wanted;
  std::copy_if(kKnown.begin(), kKnown.end(), std::back_inserter(wanted),
               [&](const char* name) { return has(*offered, name); });
  return wanted;
}

std::vector<const char*> required_extensions(std::span<const char* const> offered) {
  if (std::all_of(kByDmaBuf.begin(), kByDmaBuf.end(), [&](const char* name) { return has(offered, name); })) {
    return {kByDmaBuf.begin(), kByDmaBuf.end()};
  }
  if (has(offered, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME)) {
    return {VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME};
  }
  return {};
}

std::string missing_for_import(std::span<const char* const> there) {
  std::string missing;
  for (const char* name : {kByDmaBuf[0], kByDmaBuf[1], VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME}) {
    if (!has(there, name)) {
      missing += fmt::format("{}{}", missing.empty() ? "" : ", ", name);
    }
  }
  return fmt::format("it needs {} with {}, or {}, and it lacks {}", kByDmaBuf[0], kByDmaBuf[1],
                     VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME, missing);
}

FeatureChain::FeatureChain(std::span<const char* const> extensions) {
  void** tail = &ycbcr.pNext;
  if (has(extensions, VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME)) {
    *tail = &timeline;
    tail = &timeline.pNext;
  }
  if (has(extensions, VK_KHR_SYNCHRONIZATION_2_EXTENSION_NAME)) {
    *tail = &sync2;
  }
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
