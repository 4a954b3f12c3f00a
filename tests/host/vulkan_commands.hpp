// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <causeway/vulkan.hpp>

#include <cstdint>
#include <functional>

namespace causeway::test {

/// An application's own work on a device's queue: submitted, and not waited for.
class VulkanCommands {
public:
  explicit VulkanCommands(const vulkan::Handles& handles) : handles_(handles) {
    VkCommandPoolCreateInfo info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    info.queueFamilyIndex = handles_.queue_family;
    EXPECT_EQ(get<PFN_vkCreateCommandPool>("vkCreateCommandPool")(handles_.device, &info, nullptr, &pool_),
              VK_SUCCESS);
  }
  VulkanCommands(const VulkanCommands&) = delete;
  VulkanCommands& operator=(const VulkanCommands&) = delete;
  ~VulkanCommands() {
    get<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(handles_.device);
    get<PFN_vkDestroyCommandPool>("vkDestroyCommandPool")(handles_.device, pool_, nullptr);
  }

  void fill(const vulkan::View& view, std::uint32_t value) {
    submit([&](VkCommandBuffer commands) { record_fill(commands, view, value); });
  }
  void copy(const vulkan::View& from, const vulkan::View& to) {
    submit([&](VkCommandBuffer commands) { record_copy(commands, from, to); });
  }
  void record_copy(VkCommandBuffer commands, const vulkan::View& from, const vulkan::View& to) const {
    const VkBufferCopy all{0, 0, to.sizes[0]};
    get<PFN_vkCmdCopyBuffer>("vkCmdCopyBuffer")(commands, from.buffers[0], to.buffers[0], 1, &all);
  }
  void record_fill(VkCommandBuffer commands, const vulkan::View& view, std::uint32_t value) const {
    get<PFN_vkCmdFillBuffer>("vkCmdFillBuffer")(commands, view.buffers[0], 0, VK_WHOLE_SIZE, value);
  }

  /// body records; with, if not null, is submitted with the commands in it.
  void submit(const std::function<void(VkCommandBuffer)>& body, const VkSubmitInfo* with = nullptr) {
    const VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr, pool_,
                                               VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1};
    VkCommandBuffer commands = VK_NULL_HANDLE;
    get<PFN_vkAllocateCommandBuffers>("vkAllocateCommandBuffers")(handles_.device, &allocate, &commands);
    const VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    get<PFN_vkBeginCommandBuffer>("vkBeginCommandBuffer")(commands, &begin);
    body(commands);
    get<PFN_vkEndCommandBuffer>("vkEndCommandBuffer")(commands);
    VkSubmitInfo info = with != nullptr ? *with : VkSubmitInfo{VK_STRUCTURE_TYPE_SUBMIT_INFO};
    info.commandBufferCount = 1;
    info.pCommandBuffers = &commands;
    EXPECT_EQ(get<PFN_vkQueueSubmit>("vkQueueSubmit")(handles_.queue, 1, &info, VK_NULL_HANDLE), VK_SUCCESS);
  }

  template <class Function>
  Function get(const char* name) const {
    return reinterpret_cast<Function>(handles_.get_instance_proc_addr(handles_.instance, name));
  }

private:
  vulkan::Handles handles_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
};

}  // namespace causeway::test
