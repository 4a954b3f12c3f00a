// SPDX-License-Identifier: Apache-2.0
#include "physical_device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <causeway/plugin/backend.hpp>

#include "extensions.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {

bool PhysicalDevice::on_cpu() const noexcept {
  return driver_id == VK_DRIVER_ID_MESA_LLVMPIPE || properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
}

bool PhysicalDevice::is_lavapipe() const noexcept {
  // Before Vulkan 1.2 a driver does not say its name; Mesa has one that works on the CPU.
  return driver_id == VK_DRIVER_ID_MESA_LLVMPIPE ||
         (driver_id == VkDriverId{} && properties.vendorID == VK_VENDOR_ID_MESA &&
          properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU);
}

bool PhysicalDevice::offers(std::string_view extension) const noexcept {
  return std::find(offered.begin(), offered.end(), extension) != offered.end();
}

bool PhysicalDevice::same_driver(const PhysicalDevice& other) const noexcept {
  return std::ranges::equal(ids.deviceUUID, other.ids.deviceUUID) &&
         std::ranges::equal(ids.driverUUID, other.ids.driverUUID);
}

Result<std::uint32_t> PhysicalDevice::pick_queue_family() const {
  // Graphics and compute queues can do transfers whether they say so or not (VkQueueFlagBits).
  constexpr VkQueueFlags kPreferences[] = {VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT, VK_QUEUE_COMPUTE_BIT,
                                           VK_QUEUE_GRAPHICS_BIT, VK_QUEUE_TRANSFER_BIT};
  for (const VkQueueFlags wanted : kPreferences) {
    for (std::uint32_t family = 0; family < queue_families.size(); ++family) {
      if ((queue_families[family].queueFlags & wanted) == wanted && queue_families[family].queueCount > 0) {
        return family;
      }
    }
  }
  return Error(Errc::Unsupported, "vkGetPhysicalDeviceQueueFamilyProperties",
               fmt::format("{} has no queue for graphics, compute or transfers", properties.deviceName));
}

int PhysicalDevice::pick_memory_type(std::uint32_t bits) const noexcept {
  constexpr VkMemoryPropertyFlags kUnfit =
      VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT |
      VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;
  for (std::uint32_t type = 0; type < memory.memoryTypeCount; ++type) {
    if ((bits >> type & 1U) != 0 && (memory.memoryTypes[type].propertyFlags & kUnfit) == 0) {
      return static_cast<int>(type);
    }
  }
  return -1;
}

Result<PhysicalDevice> inspect(const InstanceApi& api, VkPhysicalDevice handle, std::uint32_t index,
                               std::uint32_t instance_version) {
  PhysicalDevice device;
  device.handle = handle;
  device.index = index;
  api.GetPhysicalDeviceProperties(handle, &device.properties);
  device.api_version = std::min(instance_version, device.properties.apiVersion);
  if (device.api_version < VK_API_VERSION_1_1) {
    return Error(
        Errc::Unsupported, "vkGetPhysicalDeviceProperties",
        fmt::format("{} is used with Vulkan {}: 1.1 is needed, of the driver (which has {}) and of the "
                    "instance (made for {})",
                    device.properties.deviceName, version_text(device.api_version),
                    version_text(device.properties.apiVersion), version_text(instance_version)));
  }
  auto offered = wanted_extensions(api, handle);
  if (!offered) {
    return std::move(offered.error());
  }
  device.offered = std::move(*offered);

  VkPhysicalDeviceProperties2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, nullptr, {}};
  VkPhysicalDeviceMaintenance3Properties limits{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
                                                nullptr, 0, 0};
  device.ids.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
  limits.pNext = &device.ids;
  all.pNext = &limits;
  VkPhysicalDeviceExternalMemoryHostPropertiesEXT host{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT, nullptr, 0};
  if (device.offers(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME)) {
    host.pNext = all.pNext;
    all.pNext = &host;
  }
  VkPhysicalDeviceDriverProperties driver{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES, nullptr, {}, {}, {}, {}};
  if (device.api_version >= VK_API_VERSION_1_2) {
    driver.pNext = all.pNext;
    all.pNext = &driver;
  }
  api.GetPhysicalDeviceProperties2(handle, &all);
  device.ids.pNext = nullptr;
  device.max_allocation = limits.maxMemoryAllocationSize;
  device.host_pointer_align = host.minImportedHostPointerAlignment;
  device.driver_id = driver.driverID;
  device.driver = driver.driverName;
  device.driver_version = driver.driverInfo;
  if (device.driver.empty()) {
    device.driver = fmt::format("PCI vendor {:#06x}", device.properties.vendorID);
  }
  if (device.driver_version.empty()) {
    device.driver_version = fmt::format("{:#x}", device.properties.driverVersion);
  }

  api.GetPhysicalDeviceMemoryProperties(handle, &device.memory);
  std::uint32_t families = 0;
  api.GetPhysicalDeviceQueueFamilyProperties(handle, &families, nullptr);
  device.queue_families.resize(families);
  api.GetPhysicalDeviceQueueFamilyProperties(handle, &families, device.queue_families.data());
  return device;
}

Result<std::vector<VkPhysicalDevice>> list_handles(const InstanceApi& api, VkInstance instance) {
  std::vector<VkPhysicalDevice> handles;
  VkResult result = VK_INCOMPLETE;
  while (result == VK_INCOMPLETE) {
    std::uint32_t count = 0;
    result = api.EnumeratePhysicalDevices(instance, &count, nullptr);
    if (result == VK_SUCCESS) {
      handles.resize(count);
      result = api.EnumeratePhysicalDevices(instance, &count, handles.data());
      handles.resize(count);
    }
  }
  // The loader answers this one when no driver starts.
  if (result != VK_SUCCESS && result != VK_ERROR_INITIALIZATION_FAILED) {
    return vk_error("vkEnumeratePhysicalDevices", result, "listing the devices");
  }
  return handles;
}

Result<std::vector<PhysicalDevice>> list_physical_devices(const InstanceApi& api, VkInstance instance,
                                                          std::uint32_t instance_version) {
  const auto handles = list_handles(api, instance);
  if (!handles) {
    return handles.error();
  }
  std::vector<PhysicalDevice> devices;
  for (std::uint32_t index = 0; index < handles->size(); ++index) {
    auto device = inspect(api, (*handles)[index], index, instance_version);
    if (device) {
      devices.push_back(std::move(*device));
    } else if (device.error().code() != Errc::Unsupported) {
      return std::move(device.error());
    }
  }
  return devices;
}

cw_device_info describe(const PhysicalDevice& device, bool dma_buf, bool host_pointer) {
  auto info = plugin::sized<cw_device_info>();
  // CW_CAP_IMPLICIT_FENCES stays unset: NVIDIA's driver is known to attach none, lavapipe has none to attach,
  // and of the others it is not established. CW_CAP_COHERENT likewise: no evidence.
  info.capabilities = (device.on_cpu() ? CW_CAP_ACCESSES_VIA_CPU : 0U) |
                      (dma_buf ? CW_CAP_IMPORTS_DMA_BUF : 0U) |
                      (host_pointer ? CW_CAP_IMPORTS_HOST_POINTER : 0U);
  plugin::copy_text(info.id, std::to_string(device.index));
  plugin::copy_text(info.name, device.properties.deviceName);
  plugin::copy_text(info.driver, device.driver);
  plugin::copy_text(info.driver_version, device.driver_version);
  return info;
}

}  // namespace causeway::vulkan_backend
