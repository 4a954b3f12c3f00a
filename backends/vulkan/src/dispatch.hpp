// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/result.hpp>

namespace causeway::vulkan_backend {

// The functions that this backend calls, and no others; names as in the specification without "vk". Loaded
// from whoever brought the loader (Vulkan, section 4.1, Command Function Pointers).

/// Of the loader itself.
struct GlobalApi {
  PFN_vkEnumerateInstanceVersion EnumerateInstanceVersion;  ///< null: a loader of Vulkan 1.0
  PFN_vkEnumerateInstanceExtensionProperties EnumerateInstanceExtensionProperties;
  PFN_vkEnumerateInstanceLayerProperties EnumerateInstanceLayerProperties;
  PFN_vkCreateInstance CreateInstance;
};

/// Of an instance of Vulkan 1.1.
struct InstanceApi {
  PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
  PFN_vkDestroyInstance DestroyInstance;
  PFN_vkEnumeratePhysicalDevices EnumeratePhysicalDevices;
  PFN_vkEnumerateDeviceExtensionProperties EnumerateDeviceExtensionProperties;
  PFN_vkGetPhysicalDeviceProperties GetPhysicalDeviceProperties;
  PFN_vkGetPhysicalDeviceProperties2 GetPhysicalDeviceProperties2;
  PFN_vkGetPhysicalDeviceFeatures2 GetPhysicalDeviceFeatures2;
  PFN_vkGetPhysicalDeviceMemoryProperties GetPhysicalDeviceMemoryProperties;
  PFN_vkGetPhysicalDeviceQueueFamilyProperties GetPhysicalDeviceQueueFamilyProperties;
  PFN_vkGetPhysicalDeviceFormatProperties2 GetPhysicalDeviceFormatProperties2;
  PFN_vkGetPhysicalDeviceImageFormatProperties2 GetPhysicalDeviceImageFormatProperties2;
  PFN_vkGetPhysicalDeviceExternalBufferProperties GetPhysicalDeviceExternalBufferProperties;
  PFN_vkGetPhysicalDeviceExternalSemaphoreProperties GetPhysicalDeviceExternalSemaphoreProperties;
  PFN_vkCreateDevice CreateDevice;
  PFN_vkGetDeviceProcAddr GetDeviceProcAddr;
};

/// Of a device. The last ones belong to extensions and are null where those are not enabled.
struct DeviceApi {
  PFN_vkDestroyDevice DestroyDevice;
  PFN_vkGetDeviceQueue GetDeviceQueue;
  PFN_vkDeviceWaitIdle DeviceWaitIdle;
  PFN_vkAllocateMemory AllocateMemory;
  PFN_vkFreeMemory FreeMemory;
  PFN_vkMapMemory MapMemory;
  PFN_vkCreateBuffer CreateBuffer;
  PFN_vkDestroyBuffer DestroyBuffer;
  PFN_vkGetBufferMemoryRequirements2 GetBufferMemoryRequirements2;
  PFN_vkBindBufferMemory BindBufferMemory;
  PFN_vkCreateImage CreateImage;
  PFN_vkDestroyImage DestroyImage;
  PFN_vkGetImageMemoryRequirements2 GetImageMemoryRequirements2;
  PFN_vkGetImageSubresourceLayout GetImageSubresourceLayout;
  PFN_vkBindImageMemory BindImageMemory;
  PFN_vkBindImageMemory2 BindImageMemory2;
  PFN_vkCreateSamplerYcbcrConversion CreateSamplerYcbcrConversion;
  PFN_vkDestroySamplerYcbcrConversion DestroySamplerYcbcrConversion;
  PFN_vkCreateCommandPool CreateCommandPool;
  PFN_vkDestroyCommandPool DestroyCommandPool;
  PFN_vkAllocateCommandBuffers AllocateCommandBuffers;
  PFN_vkFreeCommandBuffers FreeCommandBuffers;
  PFN_vkResetCommandPool ResetCommandPool;
  PFN_vkBeginCommandBuffer BeginCommandBuffer;
  PFN_vkEndCommandBuffer EndCommandBuffer;
  PFN_vkCmdUpdateBuffer CmdUpdateBuffer;
  PFN_vkCmdCopyBuffer CmdCopyBuffer;
  PFN_vkCmdPipelineBarrier CmdPipelineBarrier;
  PFN_vkCreateFence CreateFence;
  PFN_vkDestroyFence DestroyFence;
  PFN_vkResetFences ResetFences;
  PFN_vkWaitForFences WaitForFences;
  PFN_vkQueueSubmit QueueSubmit;
  PFN_vkCreateSemaphore CreateSemaphore;
  PFN_vkDestroySemaphore DestroySemaphore;
  PFN_vkGetMemoryFdKHR GetMemoryFdKHR;                                        // VK_KHR_external_memory_fd
  PFN_vkGetMemoryFdPropertiesKHR GetMemoryFdPropertiesKHR;                    // VK_KHR_external_memory_fd
  PFN_vkGetMemoryHostPointerPropertiesEXT GetMemoryHostPointerPropertiesEXT;  // VK_EXT_external_memory_host
  PFN_vkWaitSemaphores WaitSemaphores;                                        // VK_KHR_timeline_semaphore
  PFN_vkGetSemaphoreCounterValue GetSemaphoreCounterValue;                    // VK_KHR_timeline_semaphore
  PFN_vkSignalSemaphore SignalSemaphore;                                      // VK_KHR_timeline_semaphore
  PFN_vkImportSemaphoreFdKHR ImportSemaphoreFdKHR;                            // VK_KHR_external_semaphore_fd
  PFN_vkGetSemaphoreFdKHR GetSemaphoreFdKHR;                                  // VK_KHR_external_semaphore_fd
  // VK_EXT_image_drm_format_modifier
  PFN_vkGetImageDrmFormatModifierPropertiesEXT GetImageDrmFormatModifierPropertiesEXT;
};

/// What is enabled on a device, and so has functions.
struct EnabledParts {
  bool memory_fd = false;
  bool host_pointer = false;
  bool timeline = false;      ///< by its extension, or with Vulkan 1.2
  bool timeline_khr = false;  ///< by its extension: the functions' names end in KHR
  bool semaphore_fd = false;
};

/// Errors of all three: Unsupported, naming the function that is missing.
[[nodiscard]] Result<GlobalApi> load_global(PFN_vkGetInstanceProcAddr entry);
[[nodiscard]] Result<InstanceApi> load_instance(PFN_vkGetInstanceProcAddr entry, VkInstance instance);
[[nodiscard]] Result<DeviceApi> load_device(const InstanceApi& instance, VkDevice device,
                                            const EnabledParts& enabled);

}  // namespace causeway::vulkan_backend
