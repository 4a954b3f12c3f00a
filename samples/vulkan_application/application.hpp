// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan.h>

#include <causeway/vulkan.hpp>
#include <span>
#include <vector>

/// The Vulkan of an application as it is anyway: instance, device, queue, command buffers. What Causeway adds
/// is three questions before the device is made (application.cpp). Throws std::runtime_error: it is a sample.
///
/// Threads: thread-bound.
class Application {
public:
  Application();
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;
  ~Application();

  /// What Causeway has to be told to use this device. Lent.
  [[nodiscard]] causeway::vulkan::AdoptInfo adopt_info() const;
  [[nodiscard]] VkPhysicalDevice physical_device() const { return physical_device_; }

  /// In which ways pixels of this format may lie in memory that the driver shares: a DRM modifier each,
  /// LINEAR or one of a vendor's tilings. Empty without VK_EXT_image_drm_format_modifier. The list promises
  /// too much: whether an image of a certain size and usage can be imported or exported is for
  /// vkGetPhysicalDeviceImageFormatProperties2 to say, which Causeway asks.
  [[nodiscard]] std::vector<VkDrmFormatModifierPropertiesEXT> modifiers_of(VkFormat format) const;

  /// A command buffer, begun.
  [[nodiscard]] VkCommandBuffer begin_commands() const;
  /// Ends and submits it. Nothing waits here.
  void submit(VkCommandBuffer commands, std::span<const VkSemaphoreSubmitInfo> waits,
              std::span<const VkSemaphoreSubmitInfo> signals) const;
  void wait_idle() const { vkDeviceWaitIdle(device_); }

private:
  void make_instance();
  void make_device();

  VkInstance instance_ = VK_NULL_HANDLE;
  VkPhysicalDevice physical_device_ = VK_NULL_HANDLE;
  VkDevice device_ = VK_NULL_HANDLE;
  VkQueue queue_ = VK_NULL_HANDLE;
  std::uint32_t queue_family_ = 0;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  std::vector<const char*> extensions_;
  causeway::vulkan::Features features_;
};

/// Records the transfers of ownership that a turn asks for, from the other drivers or back to them:
/// srcQueueFamilyIndex is VK_QUEUE_FAMILY_FOREIGN_EXT on the way in, dstQueueFamilyIndex on the way back. An
/// image comes from VK_IMAGE_LAYOUT_UNDEFINED if nobody has written to its memory yet, and from GENERAL ever
/// after.
void record_transfers(VkCommandBuffer commands, const causeway::vulkan::Turn& turn, bool acquire);

/// Throws what's name and the VkResult, unless that is VK_SUCCESS.
void require(VkResult result, const char* what);
