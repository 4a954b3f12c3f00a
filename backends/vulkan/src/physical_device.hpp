// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>
#include <string>
#include <vector>

#include "dispatch.hpp"

namespace causeway::vulkan_backend {

/// What is known of a physical device before anything is made on it.
struct PhysicalDevice {
  VkPhysicalDevice handle = VK_NULL_HANDLE;
  std::uint32_t index = 0;        ///< place in vkEnumeratePhysicalDevices
  std::uint32_t api_version = 0;  ///< the lower one of instance and device
  VkPhysicalDeviceProperties properties{};
  VkPhysicalDeviceMemoryProperties memory{};
  std::vector<VkQueueFamilyProperties> queue_families;
  std::vector<const char*> offered;  ///< of known_extensions()
  VkDriverId driver_id{};            ///< 0 where the driver does not say (before Vulkan 1.2)
  std::string driver;
  std::string driver_version;
  VkPhysicalDeviceIDProperties ids{};  ///< what has to be equal for opaque descriptors to be exchanged
  VkDeviceSize max_allocation = 0;
  VkDeviceSize host_pointer_align = 0;  ///< 0 without VK_EXT_external_memory_host

  /// Works with the CPU, through ordinary mappings of the memory: lavapipe.
  [[nodiscard]] bool on_cpu() const noexcept;
  /// Mesa's lavapipe: the one driver that is known to close the descriptors of failed imports, and to take
  /// any file that can be mapped for a dma-buf.
  [[nodiscard]] bool is_lavapipe() const noexcept;
  [[nodiscard]] bool offers(std::string_view extension) const noexcept;
  /// Whether the two may exchange opaque descriptors: one device, under one build of one driver
  /// (section 12.2.1, External Handle Types Compatibility).
  [[nodiscard]] bool same_driver(const PhysicalDevice& other) const noexcept;
  /// The queue family to make a queue of: one for graphics and compute, else one for compute, else one for
  /// transfers. Errors: Unsupported.
  [[nodiscard]] Result<std::uint32_t> pick_queue_family() const;
  /// The memory type of those bits to import into, or -1: not protected, lazily allocated or of a kind that
  /// wants a feature enabled (VUID-VkMemoryAllocateInfo-memoryTypeIndex-01872, -deviceCoherentMemory-02790).
  [[nodiscard]] int pick_memory_type(std::uint32_t bits) const noexcept;
};

/// Asks everything. instance_version: of the VkApplicationInfo. Errors: Unsupported (older than Vulkan 1.1).
[[nodiscard]] Result<PhysicalDevice> inspect(const InstanceApi& api, VkPhysicalDevice handle,
                                             std::uint32_t index, std::uint32_t instance_version);

/// The handles of all that the instance has.
[[nodiscard]] Result<std::vector<VkPhysicalDevice>> list_handles(const InstanceApi& api, VkInstance instance);

/// All that the instance has; one that is too old is left out.
[[nodiscard]] Result<std::vector<PhysicalDevice>> list_physical_devices(const InstanceApi& api,
                                                                        VkInstance instance,
                                                                        std::uint32_t instance_version);

/// For enumerate and device_info; capabilities from the given extensions (offered, or enabled).
[[nodiscard]] cw_device_info describe(const PhysicalDevice& device, bool dma_buf, bool host_pointer);

}  // namespace causeway::vulkan_backend
