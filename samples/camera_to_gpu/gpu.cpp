// SPDX-License-Identifier: Apache-2.0
#include "gpu.hpp"

#include <array>
#include <chrono>

namespace camera_to_gpu {

using causeway::Deadline;
using causeway::Device;
using causeway::Errc;
using causeway::Error;
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
  f_.DestroyQueryPool(vk(), clock_, nullptr);
  f_.DestroyCommandPool(vk(), pool_, nullptr);
}

Status Gpu::prepare() {
  VkPhysicalDeviceProperties properties;
  f_.GetPhysicalDeviceProperties(handles_.physical_device, &properties);
  limits_ = properties.limits;
  // Not every queue has a clock; this says that each does (VkPhysicalDeviceLimits).
  timestamp_ns_ = limits_.timestampComputeAndGraphics != VK_FALSE ? limits_.timestampPeriod : 0;
  const VkCommandPoolCreateInfo pool_info{.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = handles_.queue_family};
  if (auto status = check(f_.CreateCommandPool(vk(), &pool_info, nullptr, &pool_), "vkCreateCommandPool");
      !status) {
    return status;
  }
  const VkFenceCreateInfo fence_info{.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  if (auto status = check(f_.CreateFence(vk(), &fence_info, nullptr, &fence_), "vkCreateFence"); !status) {
    return status;
  }
  const VkQueryPoolCreateInfo clock_info{.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                         .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                         .queryCount = 2 * kMaxRecordings};
  return check(f_.CreateQueryPool(vk(), &clock_info, nullptr, &clock_), "vkCreateQueryPool");
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

Result<Recording> Gpu::record(const std::function<void(VkCommandBuffer)>& commands) {
  if (recordings_ == kMaxRecordings) {
    return Error(Errc::OutOfMemory, "Gpu::record", "there is room for 64 recordings, and all is taken");
  }
  const VkCommandBufferAllocateInfo info{.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                         .commandPool = pool_,
                                         .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                         .commandBufferCount = 1};
  Recording made{.query = 2 * recordings_};
  if (auto status = check(f_.AllocateCommandBuffers(vk(), &info, &made.commands), "vkAllocateCommandBuffers");
      !status) {
    return std::move(status.error());
  }
  ++recordings_;
  const VkCommandBufferBeginInfo begin{.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  if (auto status = check(f_.BeginCommandBuffer(made.commands, &begin), "vkBeginCommandBuffer"); !status) {
    return std::move(status.error());
  }
  const bool timed = timestamp_ns_ > 0;
  if (timed) {
    f_.CmdResetQueryPool(made.commands, clock_, made.query, 2);
    f_.CmdWriteTimestamp(made.commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, clock_, made.query);
  }
  commands(made.commands);
  if (timed) {
    f_.CmdWriteTimestamp(made.commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, clock_, made.query + 1);
  }
  if (auto status = check(f_.EndCommandBuffer(made.commands), "vkEndCommandBuffer"); !status) {
    return std::move(status.error());
  }
  return made;
}

Status Gpu::submit(const Recording& recording) {
  const VkSubmitInfo info{.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                          .commandBufferCount = 1,
                          .pCommandBuffers = &recording.commands};
  return check(f_.QueueSubmit(handles_.queue, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit");
}

Status Gpu::run(const Recording& recording, Deadline deadline) {
  const VkSubmitInfo info{.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                          .commandBufferCount = 1,
                          .pCommandBuffers = &recording.commands};
  if (auto status = check(f_.ResetFences(vk(), 1, &fence_), "vkResetFences"); !status) {
    return status;
  }
  if (auto status = check(f_.QueueSubmit(handles_.queue, 1, &info, fence_), "vkQueueSubmit"); !status) {
    return status;
  }
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.left()).count();
  return check(f_.WaitForFences(vk(), 1, &fence_, VK_TRUE, static_cast<std::uint64_t>(left)),
               "vkWaitForFences");
}

Clock::duration Gpu::time_of(const Recording& recording) const {
  std::array<std::uint64_t, 2> ticks{};
  if (timestamp_ns_ <= 0 ||
      f_.GetQueryPoolResults(vk(), clock_, recording.query, 2, sizeof(ticks), ticks.data(), sizeof(ticks[0]),
                             VK_QUERY_RESULT_64_BIT) != VK_SUCCESS) {
    return {};
  }
  const auto span = static_cast<double>(ticks[1] - ticks[0]) * static_cast<double>(timestamp_ns_);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(span));
}

}  // namespace camera_to_gpu
