// SPDX-License-Identifier: Apache-2.0
#include "dispatch.hpp"

#include <fmt/format.h>

namespace causeway::vulkan_backend {
namespace {

/// Fetches one function after the other, and remembers the first that is missing.
template <class Lookup>
class Fetcher {
public:
  explicit Fetcher(Lookup lookup) : lookup_(lookup) {}

  template <class Function>
  Fetcher& optional(Function& function, const char* name) {
    function = reinterpret_cast<Function>(lookup_(name));
    return *this;
  }
  template <class Function>
  Fetcher& need(Function& function, const char* name) {
    optional(function, name);
    if (function == nullptr && missing_ == nullptr) {
      missing_ = name;
    }
    return *this;
  }
  [[nodiscard]] Status check(const char* operation) const {
    if (missing_ != nullptr) {
      return Error(
          Errc::Unsupported, operation,
          fmt::format("{} is missing: Vulkan 1.1 is needed, on the instance and on the device", missing_));
    }
    return {};
  }

private:
  Lookup lookup_;
  const char* missing_ = nullptr;
};

}  // namespace

Result<GlobalApi> load_global(PFN_vkGetInstanceProcAddr entry) {
  GlobalApi api{};
  Fetcher fetch([entry](const char* name) { return entry(nullptr, name); });
  fetch.optional(api.EnumerateInstanceVersion, "vkEnumerateInstanceVersion");
  fetch.need(api.EnumerateInstanceExtensionProperties, "vkEnumerateInstanceExtensionProperties");
  fetch.need(api.EnumerateInstanceLayerProperties, "vkEnumerateInstanceLayerProperties");
  fetch.need(api.CreateInstance, "vkCreateInstance");
  if (auto status = fetch.check("vkGetInstanceProcAddr"); !status) {
    return std::move(status.error());
  }
  return api;
}

Result<InstanceApi> load_instance(PFN_vkGetInstanceProcAddr entry, VkInstance instance) {
  InstanceApi api{};
  api.GetInstanceProcAddr = entry;
  Fetcher fetch([entry, instance](const char* name) { return entry(instance, name); });
  fetch.need(api.DestroyInstance, "vkDestroyInstance");
  fetch.need(api.EnumeratePhysicalDevices, "vkEnumeratePhysicalDevices");
  fetch.need(api.EnumerateDeviceExtensionProperties, "vkEnumerateDeviceExtensionProperties");
  fetch.need(api.GetPhysicalDeviceProperties, "vkGetPhysicalDeviceProperties");
  fetch.need(api.GetPhysicalDeviceProperties2, "vkGetPhysicalDeviceProperties2");
  fetch.need(api.GetPhysicalDeviceFeatures2, "vkGetPhysicalDeviceFeatures2");
  fetch.need(api.GetPhysicalDeviceMemoryProperties, "vkGetPhysicalDeviceMemoryProperties");
  fetch.need(api.GetPhysicalDeviceQueueFamilyProperties, "vkGetPhysicalDeviceQueueFamilyProperties");
  fetch.need(api.GetPhysicalDeviceFormatProperties2, "vkGetPhysicalDeviceFormatProperties2");
  fetch.need(api.GetPhysicalDeviceImageFormatProperties2, "vkGetPhysicalDeviceImageFormatProperties2");
  fetch.need(api.GetPhysicalDeviceExternalBufferProperties, "vkGetPhysicalDeviceExternalBufferProperties");
  fetch.need(api.GetPhysicalDeviceExternalSemaphoreProperties,
             "vkGetPhysicalDeviceExternalSemaphoreProperties");
  fetch.need(api.CreateDevice, "vkCreateDevice");
  fetch.need(api.GetDeviceProcAddr, "vkGetDeviceProcAddr");
  if (auto status = fetch.check("vkGetInstanceProcAddr"); !status) {
    return std::move(status.error());
  }
  return api;
}

Result<DeviceApi> load_device(const InstanceApi& instance, VkDevice device, const EnabledParts& enabled) {
  DeviceApi api{};
  Fetcher fetch([&instance, device](const char* name) { return instance.GetDeviceProcAddr(device, name); });
  fetch.need(api.DestroyDevice, "vkDestroyDevice");
  fetch.need(api.GetDeviceQueue, "vkGetDeviceQueue");
  fetch.need(api.DeviceWaitIdle, "vkDeviceWaitIdle");
  fetch.need(api.AllocateMemory, "vkAllocateMemory");
  fetch.need(api.FreeMemory, "vkFreeMemory");
  fetch.need(api.MapMemory, "vkMapMemory");
  fetch.need(api.CreateBuffer, "vkCreateBuffer");
  fetch.need(api.DestroyBuffer, "vkDestroyBuffer");
  fetch.need(api.GetBufferMemoryRequirements2, "vkGetBufferMemoryRequirements2");
  fetch.need(api.BindBufferMemory, "vkBindBufferMemory");
  fetch.need(api.CreateImage, "vkCreateImage");
  fetch.need(api.DestroyImage, "vkDestroyImage");
  fetch.need(api.GetImageMemoryRequirements2, "vkGetImageMemoryRequirements2");
  fetch.need(api.GetImageSubresourceLayout, "vkGetImageSubresourceLayout");
  fetch.need(api.BindImageMemory, "vkBindImageMemory");
  fetch.need(api.BindImageMemory2, "vkBindImageMemory2");
  fetch.need(api.CreateSamplerYcbcrConversion, "vkCreateSamplerYcbcrConversion");
  fetch.need(api.DestroySamplerYcbcrConversion, "vkDestroySamplerYcbcrConversion");
  fetch.need(api.CreateCommandPool, "vkCreateCommandPool");
  fetch.need(api.DestroyCommandPool, "vkDestroyCommandPool");
  fetch.need(api.AllocateCommandBuffers, "vkAllocateCommandBuffers");
  fetch.need(api.FreeCommandBuffers, "vkFreeCommandBuffers");
  fetch.need(api.ResetCommandPool, "vkResetCommandPool");
  fetch.need(api.BeginCommandBuffer, "vkBeginCommandBuffer");
  fetch.need(api.EndCommandBuffer, "vkEndCommandBuffer");
  fetch.need(api.CmdUpdateBuffer, "vkCmdUpdateBuffer");
  fetch.need(api.CmdCopyBuffer, "vkCmdCopyBuffer");
  fetch.need(api.CmdPipelineBarrier, "vkCmdPipelineBarrier");
  fetch.need(api.CreateFence, "vkCreateFence");
  fetch.need(api.DestroyFence, "vkDestroyFence");
  fetch.need(api.ResetFences, "vkResetFences");
  fetch.need(api.WaitForFences, "vkWaitForFences");
  fetch.need(api.QueueSubmit, "vkQueueSubmit");
  fetch.need(api.CreateSemaphore, "vkCreateSemaphore");
  fetch.need(api.DestroySemaphore, "vkDestroySemaphore");
  if (enabled.memory_fd) {
    fetch.need(api.GetMemoryFdKHR, "vkGetMemoryFdKHR");
    fetch.need(api.GetMemoryFdPropertiesKHR, "vkGetMemoryFdPropertiesKHR");
  }
  if (enabled.host_pointer) {
    fetch.need(api.GetMemoryHostPointerPropertiesEXT, "vkGetMemoryHostPointerPropertiesEXT");
  }
  if (enabled.timeline) {
    fetch.need(api.WaitSemaphores, enabled.timeline_khr ? "vkWaitSemaphoresKHR" : "vkWaitSemaphores");
    fetch.need(api.GetSemaphoreCounterValue,
               enabled.timeline_khr ? "vkGetSemaphoreCounterValueKHR" : "vkGetSemaphoreCounterValue");
    fetch.need(api.SignalSemaphore, enabled.timeline_khr ? "vkSignalSemaphoreKHR" : "vkSignalSemaphore");
  }
  if (enabled.semaphore_fd) {
    fetch.need(api.ImportSemaphoreFdKHR, "vkImportSemaphoreFdKHR");
    fetch.need(api.GetSemaphoreFdKHR, "vkGetSemaphoreFdKHR");
  }
  fetch.optional(api.GetImageDrmFormatModifierPropertiesEXT, "vkGetImageDrmFormatModifierPropertiesEXT");
  if (auto status = fetch.check("vkGetDeviceProcAddr"); !status) {
    return std::move(status.error());
  }
  return api;
}

}  // namespace causeway::vulkan_backend
