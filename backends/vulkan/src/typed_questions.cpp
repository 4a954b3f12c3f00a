// SPDX-License-Identifier: Apache-2.0
//
// What a program asks before it has a device.
#include <fmt/format.h>
#include <causeway/vulkan.hpp>

#include <string>

#include "dispatch.hpp"
#include "drm_node.hpp"
#include "extensions.hpp"
#include "physical_device.hpp"

namespace causeway::vulkan {
namespace {

Result<vulkan_backend::InstanceApi> instance_api(const char* asked, PFN_vkGetInstanceProcAddr entry,
                                                 VkInstance instance) {
  if (entry == nullptr || instance == VK_NULL_HANDLE) {
    return Error(Errc::InvalidArgument, asked,
                 "vkGetInstanceProcAddr and the instance are needed, and one is null");
  }
  return vulkan_backend::load_instance(entry, instance);
}

Result<vulkan_backend::InstanceApi> device_api(const char* asked, PFN_vkGetInstanceProcAddr entry,
                                               VkInstance instance, VkPhysicalDevice physical_device) {
  if (physical_device == VK_NULL_HANDLE) {
    return Error(Errc::InvalidArgument, asked,
                 "the physical device is null; vkEnumeratePhysicalDevices lists them");
  }
  return instance_api(asked, entry, instance);
}

}  // namespace

Result<std::vector<const char*>> required_extensions(PFN_vkGetInstanceProcAddr entry, VkInstance instance,
                                                     VkPhysicalDevice physical_device) {
  const auto api = device_api("vulkan::required_extensions", entry, instance, physical_device);
  if (!api) {
    return api.error();
  }
  const auto offered = vulkan_backend::wanted_extensions(*api, physical_device);
  if (!offered) {
    return offered.error();
  }
  auto required = vulkan_backend::required_extensions(*offered);
  if (required.empty()) {
    VkPhysicalDeviceProperties properties{};
    api->GetPhysicalDeviceProperties(physical_device, &properties);
    return Error(Errc::Unsupported, "vulkan::required_extensions",
                 fmt::format("{} cannot import memory: {}", properties.deviceName,
                             vulkan_backend::missing_for_import(*offered)));
  }
  return required;
}

Result<std::vector<const char*>> wanted_extensions(PFN_vkGetInstanceProcAddr entry, VkInstance instance,
                                                   VkPhysicalDevice physical_device) {
  const auto api = device_api("vulkan::wanted_extensions", entry, instance, physical_device);
  if (!api) {
    return api.error();
  }
  return vulkan_backend::wanted_extensions(*api, physical_device);
}

Result<Features> wanted_features(PFN_vkGetInstanceProcAddr entry, VkInstance instance,
                                 VkPhysicalDevice physical_device) {
  const auto api = device_api("vulkan::wanted_features", entry, instance, physical_device);
  if (!api) {
    return api.error();
  }
  const auto offered = vulkan_backend::wanted_extensions(*api, physical_device);
  if (!offered) {
    return offered.error();
  }
  vulkan_backend::FeatureChain found(*offered);
  api->GetPhysicalDeviceFeatures2(physical_device, &found.all);
  return Features{.timeline_semaphore = found.timeline.timelineSemaphore == VK_TRUE,
                  .synchronization2 = found.sync2.synchronization2 == VK_TRUE,
                  .sampler_ycbcr_conversion = found.ycbcr.samplerYcbcrConversion == VK_TRUE};
}

Result<DrmNodes> drm_nodes(PFN_vkGetInstanceProcAddr entry, VkInstance instance,
                           VkPhysicalDevice physical_device) {
  const auto api = device_api("vulkan::drm_nodes", entry, instance, physical_device);
  if (!api) {
    return api.error();
  }
  return vulkan_backend::drm_nodes(*api, physical_device);
}

Result<VkPhysicalDevice> find_physical_device(PFN_vkGetInstanceProcAddr entry, VkInstance instance,
                                              std::string_view node) {
  const auto api = instance_api("vulkan::find_physical_device", entry, instance);
  if (!api) {
    return api.error();
  }
  const auto handles = vulkan_backend::list_handles(*api, instance);
  if (!handles) {
    return handles.error();
  }
  return vulkan_backend::find_by_node(*api, *handles, std::string(node));
}

}  // namespace causeway::vulkan
