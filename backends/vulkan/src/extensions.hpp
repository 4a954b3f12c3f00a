// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/result.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dispatch.hpp"

namespace causeway::vulkan_backend {

/// The device extensions that this backend makes use of, best known first. Each is used where it is there,
/// and done without where it is not.
[[nodiscard]] std::span<const char* const> known_extensions() noexcept;

/// What a physical device offers of known_extensions(): literals, to be handed to vkCreateDevice.
[[nodiscard]] Result<std::vector<const char*>> wanted_extensions(const InstanceApi& api,
                                                                 VkPhysicalDevice physical_device);

/// Whether a physical device offers an extension, of whatever use.
[[nodiscard]] Result<bool> offers(const InstanceApi& api, VkPhysicalDevice physical_device,
                                  std::string_view name);

/// Those of the offered ones without which a device cannot be adopted; empty if nothing can be imported.
[[nodiscard]] std::vector<const char*> required_extensions(std::span<const char* const> offered);
/// "it needs …, and it lacks …": why nothing can be imported with these.
[[nodiscard]] std::string missing_for_import(std::span<const char* const> there);

/// The features that go with extensions, chained for vkGetPhysicalDeviceFeatures2, which fills them, and for
/// vkCreateDevice. One whose extension is not among these is left out of the chain, and false.
struct FeatureChain {
  explicit FeatureChain(std::span<const char* const> extensions);
  FeatureChain(const FeatureChain&) = delete;  // it points into itself
  FeatureChain& operator=(const FeatureChain&) = delete;

  VkPhysicalDeviceTimelineSemaphoreFeatures timeline{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, nullptr, VK_FALSE};
  VkPhysicalDeviceSynchronization2Features sync2{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES,
                                                 nullptr, VK_FALSE};
  VkPhysicalDeviceSamplerYcbcrConversionFeatures ycbcr{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SAMPLER_YCBCR_CONVERSION_FEATURES, nullptr, VK_FALSE};
  VkPhysicalDeviceFeatures2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &ycbcr, {}};
};

/// The extensions enabled on a device. Vulkan cannot be asked for them, so they are kept.
class ExtensionSet {
public:
  explicit ExtensionSet(std::span<const char* const> names);
  ExtensionSet(ExtensionSet&&) noexcept = default;
  ExtensionSet& operator=(ExtensionSet&&) noexcept = default;
  ExtensionSet(const ExtensionSet&) = delete;  // pointers() points into names_
  ExtensionSet& operator=(const ExtensionSet&) = delete;
  ~ExtensionSet() = default;

  [[nodiscard]] bool has(std::string_view name) const noexcept;
  /// VK_KHR_external_memory_fd and VK_EXT_external_memory_dma_buf.
  [[nodiscard]] bool dma_buf() const noexcept;
  [[nodiscard]] bool host_pointer() const noexcept;
  [[nodiscard]] bool modifiers() const noexcept;
  /// The queue family that memory is acquired from and released to (see vulkan_abi.h).
  [[nodiscard]] std::uint32_t foreign_family() const noexcept;
  [[nodiscard]] std::span<const char* const> pointers() const noexcept { return pointers_; }

private:
  std::vector<std::string> names_;
  std::vector<const char*> pointers_;
};

}  // namespace causeway::vulkan_backend
