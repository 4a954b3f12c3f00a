// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a GPU sees of a buffer: its own copy command carries it to another one.

#include <causeway/causeway.hpp>
#include <causeway/vulkan.hpp>
#include <stdexcept>
#include <string>

namespace causeway::test {

class GpuCopier {
public:
  explicit GpuCopier(const Device& gpu) : handles_(vulkan::handles(gpu).value()) {
    const VkCommandPoolCreateInfo info{.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                       .queueFamilyIndex = handles_.queue_family};
    check(get<PFN_vkCreateCommandPool>("vkCreateCommandPool")(handles_.device, &info, nullptr, &pool_));
  }
  GpuCopier(const GpuCopier&) = delete;
  GpuCopier& operator=(const GpuCopier&) = delete;
  ~GpuCopier() { get<PFN_vkDestroyCommandPool>("vkDestroyCommandPool")(handles_.device, pool_, nullptr); }

  /// The first object's bytes, and waits for the end. The GPU has its turns on both.
  void copy(const Mapping& from, const Mapping& to, std::uint64_t bytes) {
    const auto* source = vulkan::view(from).value();
    const auto* target = vulkan::view(to).value();
    const VkCommandBufferAllocateInfo wanted{.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                             .commandPool = pool_,
                                             .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                             .commandBufferCount = 1};
    VkCommandBuffer commands = VK_NULL_HANDLE;
    check(get<PFN_vkAllocateCommandBuffers>("vkAllocateCommandBuffers")(handles_.device, &wanted, &commands));
    const VkCommandBufferBeginInfo begin{.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                         .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    check(get<PFN_vkBeginCommandBuffer>("vkBeginCommandBuffer")(commands, &begin));
    hand_over(commands, *source, VK_ACCESS_TRANSFER_READ_BIT, true);
    hand_over(commands, *target, VK_ACCESS_TRANSFER_WRITE_BIT, true);
    const VkBufferCopy region{.srcOffset = 0, .dstOffset = 0, .size = bytes};
    get<PFN_vkCmdCopyBuffer>("vkCmdCopyBuffer")(commands, source->buffers[0], target->buffers[0], 1, &region);
    hand_over(commands, *source, VK_ACCESS_TRANSFER_READ_BIT, false);
    hand_over(commands, *target, VK_ACCESS_TRANSFER_WRITE_BIT, false);
    check(get<PFN_vkEndCommandBuffer>("vkEndCommandBuffer")(commands));
    const VkSubmitInfo submit{
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands};
    check(get<PFN_vkQueueSubmit>("vkQueueSubmit")(handles_.queue, 1, &submit, VK_NULL_HANDLE));
    check(get<PFN_vkQueueWaitIdle>("vkQueueWaitIdle")(handles_.queue));
    get<PFN_vkFreeCommandBuffers>("vkFreeCommandBuffers")(handles_.device, pool_, 1, &commands);
  }

private:
  template <class Function>
  [[nodiscard]] Function get(const char* name) const {
    return reinterpret_cast<Function>(handles_.get_instance_proc_addr(handles_.instance, name));
  }
  static void check(VkResult result) {
    if (result != VK_SUCCESS) {
      throw std::runtime_error("Vulkan answered " + std::to_string(result));
    }
  }
  /// Takes the buffer over from outside of Vulkan, or gives it back.
  void hand_over(VkCommandBuffer commands, const vulkan::View& view, VkAccessFlags access, bool take) const {
    const VkBufferMemoryBarrier barrier{
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
        .srcAccessMask = take ? VkAccessFlags{0} : access,
        .dstAccessMask = take ? access : VkAccessFlags{0},
        .srcQueueFamilyIndex = take ? view.acquire_from : handles_.queue_family,
        .dstQueueFamilyIndex = take ? handles_.queue_family : view.acquire_from,
        .buffer = view.buffers[0],
        .offset = 0,
        .size = VK_WHOLE_SIZE};
    const VkPipelineStageFlags transfer = VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkPipelineStageFlags outside =
        take ? VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT : VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT;
    get<PFN_vkCmdPipelineBarrier>("vkCmdPipelineBarrier")(commands, take ? outside : transfer,
                                                          take ? transfer : outside, 0, 0, nullptr, 1,
                                                          &barrier, 0, nullptr);
  }

  vulkan::Handles handles_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
};

}  // namespace causeway::test
