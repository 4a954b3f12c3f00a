// SPDX-License-Identifier: Apache-2.0
#include "application.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace vulkan = causeway::vulkan;

void require(VkResult result, const char* what) {
  if (result != VK_SUCCESS) {
    throw std::runtime_error(std::string(what) + " failed with VkResult " + std::to_string(result));
  }
}

Application::Application() {
  make_instance();
  make_device();
  const VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, nullptr,
                                     VK_COMMAND_POOL_CREATE_TRANSIENT_BIT, queue_family_};
  require(vkCreateCommandPool(device_, &pool, nullptr, &pool_), "vkCreateCommandPool");
}

Application::~Application() {
  vkDeviceWaitIdle(device_);
  vkDestroyCommandPool(device_, pool_, nullptr);
  vkDestroyDevice(device_, nullptr);
  vkDestroyInstance(instance_, nullptr);
}

void Application::make_instance() {
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.apiVersion = VK_API_VERSION_1_3;  // synchronization2 and timeline semaphores are part of it
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;
  require(vkCreateInstance(&info, nullptr, &instance_), "vkCreateInstance");
  std::uint32_t count = 1;  // the first one will do
  const VkResult listed = vkEnumeratePhysicalDevices(instance_, &count, &physical_device_);
  require(listed == VK_INCOMPLETE ? VK_SUCCESS : listed, "vkEnumeratePhysicalDevices");
  if (count == 0) {
    throw std::runtime_error("there is no Vulkan device; Debian's mesa-vulkan-drivers has one for any CPU");
  }
}

void Application::make_device() {
  // Question 1 and 2: which extensions and features make sharing possible on this device?
  // (required_extensions() would be the least; these are all that are of use.)
  extensions_ = vulkan::wanted_extensions(&vkGetInstanceProcAddr, instance_, physical_device_).value();
  features_ = vulkan::wanted_features(&vkGetInstanceProcAddr, instance_, physical_device_).value();

  // Everything below is what any application does.
  std::uint32_t families = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(physical_device_, &families, nullptr);
  std::vector<VkQueueFamilyProperties> found(families);
  vkGetPhysicalDeviceQueueFamilyProperties(physical_device_, &families, found.data());
  while (queue_family_ < families && (found[queue_family_].queueFlags & VK_QUEUE_GRAPHICS_BIT) == 0) {
    ++queue_family_;  // vkCmdBlitImage wants a graphics queue
  }
  const float priority = 1.0F;
  const VkDeviceQueueCreateInfo queue{
      VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, nullptr, 0, queue_family_, 1, &priority};
  VkPhysicalDeviceVulkan13Features newer{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  newer.synchronization2 = features_.synchronization2 ? VK_TRUE : VK_FALSE;
  VkPhysicalDeviceVulkan12Features features{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, &newer};
  features.timelineSemaphore = features_.timeline_semaphore ? VK_TRUE : VK_FALSE;
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &features};
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<std::uint32_t>(extensions_.size());
  info.ppEnabledExtensionNames = extensions_.data();
  require(vkCreateDevice(physical_device_, &info, nullptr, &device_), "vkCreateDevice");
  vkGetDeviceQueue(device_, queue_family_, 0, &queue_);
}

vulkan::AdoptInfo Application::adopt_info() const {
  // Vulkan cannot be asked what was enabled, so it is told here.
  return {.get_instance_proc_addr = &vkGetInstanceProcAddr,
          .api_version = VK_API_VERSION_1_3,
          .instance = instance_,
          .physical_device = physical_device_,
          .device = device_,
          .queue = queue_,
          .queue_family = queue_family_,
          .enabled_extensions = extensions_,
          .timeline_semaphore = features_.timeline_semaphore,
          .takes_turns = true,  // the submissions are ours: Causeway says what they wait for and signal
          .may_submit = true};  // but for an empty batch, when somebody wants a sync_fd of our work
}

VkCommandBuffer Application::begin_commands() const {
  const VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr, pool_,
                                             VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1};
  VkCommandBuffer commands = VK_NULL_HANDLE;
  require(vkAllocateCommandBuffers(device_, &allocate, &commands), "vkAllocateCommandBuffers");
  const VkCommandBufferBeginInfo once{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, nullptr,
                                      VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, nullptr};
  require(vkBeginCommandBuffer(commands, &once), "vkBeginCommandBuffer");
  return commands;
}

void Application::submit(VkCommandBuffer commands, std::span<const VkSemaphoreSubmitInfo> waits,
                         std::span<const VkSemaphoreSubmitInfo> signals) const {
  require(vkEndCommandBuffer(commands), "vkEndCommandBuffer");
  const VkCommandBufferSubmitInfo one{VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO, nullptr, commands, 0};
  VkSubmitInfo2 info{VK_STRUCTURE_TYPE_SUBMIT_INFO_2};
  info.waitSemaphoreInfoCount = static_cast<std::uint32_t>(waits.size());
  info.pWaitSemaphoreInfos = waits.data();
  info.commandBufferInfoCount = 1;
  info.pCommandBufferInfos = &one;
  info.signalSemaphoreInfoCount = static_cast<std::uint32_t>(signals.size());
  info.pSignalSemaphoreInfos = signals.data();
  require(vkQueueSubmit2(queue_, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit2");
}

std::vector<VkDrmFormatModifierPropertiesEXT> Application::modifiers_of(VkFormat format) const {
  const auto is_it = [](const char* name) {
    return std::strcmp(name, VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME) == 0;
  };
  if (std::none_of(extensions_.begin(), extensions_.end(), is_it)) {
    return {};  // some drivers answer even then
  }
  VkDrmFormatModifierPropertiesListEXT list{VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT};
  VkFormatProperties2 properties{VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2, &list, {}};
  vkGetPhysicalDeviceFormatProperties2(physical_device_, format, &properties);  // how many there are
  std::vector<VkDrmFormatModifierPropertiesEXT> modifiers(list.drmFormatModifierCount);
  list.pDrmFormatModifierProperties = modifiers.data();
  vkGetPhysicalDeviceFormatProperties2(physical_device_, format, &properties);
  return modifiers;
}

void record_transfers(VkCommandBuffer commands, const vulkan::Turn& turn, bool acquire) {
  const auto* buffers = acquire ? turn.acquire_buffers : turn.release_buffers;
  const auto* images = acquire ? turn.acquire_images : turn.release_images;
  // What the GPU wrote shall be seen by the CPU, too.
  const VkMemoryBarrier2 to_host{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,   nullptr,
                                 VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, VK_ACCESS_2_MEMORY_WRITE_BIT,
                                 VK_PIPELINE_STAGE_2_HOST_BIT,         VK_ACCESS_2_HOST_READ_BIT};
  VkDependencyInfo all{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
  all.memoryBarrierCount = acquire ? 0 : 1;
  all.pMemoryBarriers = &to_host;
  all.bufferMemoryBarrierCount = buffers != nullptr ? turn.buffer_count : 0;
  all.pBufferMemoryBarriers = buffers;
  all.imageMemoryBarrierCount = images != nullptr ? turn.image_count : 0;
  all.pImageMemoryBarriers = images;
  vkCmdPipelineBarrier2(commands, &all);
}
