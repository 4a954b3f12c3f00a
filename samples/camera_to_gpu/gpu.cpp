// SPDX-License-Identifier: Apache-2.0
#include "gpu.hpp"

#include <chrono>

namespace camera_to_gpu {

using causeway::Deadline;
using causeway::Device;
using causeway::Result;
using causeway::Runtime;
using causeway::Status;

Result<std::unique_ptr<Gpu>> Gpu::open(Runtime& runtime, const std::string& id) {
  auto device = causeway::vulkan::open(runtime, id);
  if (!device) {
    return std::move(device.error());
  }
  auto handles = causeway::vulkan::handles(*device);
  if (!handles) {
    return std::move(handles.error());
  }
  auto functions = VulkanFunctions::load(*handles);
  if (!functions) {
    return std::move(functions.error());
  }
  std::unique_ptr<Gpu> gpu(new Gpu(*device, *handles, *functions));
  if (auto status = gpu->prepare(); !status) {
    return std::move(status.error());
  }
  return gpu;
}

Gpu::Gpu(Device device, const causeway::vulkan::Handles& handles, const VulkanFunctions& functions)
    : device_(std::move(device)), handles_(handles), f_(functions) {}

Gpu::~Gpu() {
  f_.DeviceWaitIdle(vk());
  f_.DestroyFence(vk(), fence_, nullptr);
  f_.DestroyCommandPool(vk(), pool_, nullptr);
}

Status Gpu::prepare() {
  VkPhysicalDeviceProperties properties;
  f_.GetPhysicalDeviceProperties(handles_.physical_device, &properties);
  limits_ = properties.limits;
  const VkCommandPoolCreateInfo pool_info{.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = handles_.queue_family};
  if (auto status = check(f_.CreateCommandPool(vk(), &pool_info, nullptr, &pool_), "vkCreateCommandPool");
      !status) {
    return status;
  }
  const VkFenceCreateInfo fence_info{.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  return check(f_.CreateFence(vk(), &fence_info, nullptr, &fence_), "vkCreateFence");
}

int Gpu::memory_type(std::uint32_t types, VkMemoryPropertyFlags flags) const {
  VkPhysicalDeviceMemoryProperties memory;
  f_.GetPhysicalDeviceMemoryProperties(handles_.physical_device, &memory);
  for (std::uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    if ((types >> i & 1U) != 0 && (memory.memoryTypes[i].propertyFlags & flags) == flags) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

Result<VkCommandBuffer> Gpu::record(const std::function<void(VkCommandBuffer)>& commands) {
  const VkCommandBufferAllocateInfo info{.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                         .commandPool = pool_,
                                         .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                         .commandBufferCount = 1};
  VkCommandBuffer buffer = VK_NULL_HANDLE;
  if (auto status = check(f_.AllocateCommandBuffers(vk(), &info, &buffer), "vkAllocateCommandBuffers");
      !status) {
    return std::move(status.error());
  }
  const VkCommandBufferBeginInfo begin{.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  if (auto status = check(f_.BeginCommandBuffer(buffer, &begin), "vkBeginCommandBuffer"); !status) {
    return std::move(status.error());
  }
  commands(buffer);
  if (auto status = check(f_.EndCommandBuffer(buffer), "vkEndCommandBuffer"); !status) {
    return std::move(status.error());
  }
  return buffer;
}

Status Gpu::run(VkCommandBuffer commands, Deadline deadline) {
  const VkSubmitInfo submit{
      .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands};
  if (auto status = check(f_.ResetFences(vk(), 1, &fence_), "vkResetFences"); !status) {
    return status;
  }
  if (auto status = check(f_.QueueSubmit(handles_.queue, 1, &submit, fence_), "vkQueueSubmit"); !status) {
    return status;
  }
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.left()).count();
  return check(f_.WaitForFences(vk(), 1, &fence_, VK_TRUE, static_cast<std::uint64_t>(left)),
               "vkWaitForFences");
}

}  // namespace camera_to_gpu
