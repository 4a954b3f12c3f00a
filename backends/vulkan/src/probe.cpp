// SPDX-License-Identifier: Apache-2.0
#include "probe.hpp"

#include <cstring>
#include <string_view>

#include "time_left.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

constexpr VkDeviceSize kStagingSize = 256;  // a probe has at most 64 bytes
constexpr std::int64_t kLastWait = 30'000'000'000;
constexpr std::string_view kWaiting = "waiting for a probe's copy on the device";

VkBufferMemoryBarrier barrier(VkBuffer buffer, const cw_probe& probe) noexcept {
  VkBufferMemoryBarrier made{VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER};
  made.buffer = buffer;
  made.offset = probe.offset;
  made.size = probe.size;
  return made;
}

}  // namespace

void Prober::settle() noexcept {
  fence_.settle(now_ns() + kLastWait);
}

Prober::~Prober() {
  settle();
  if (staging_ != VK_NULL_HANDLE) {
    context_.api.DestroyBuffer(context_.device, staging_, nullptr);
  }
  if (pool_ != VK_NULL_HANDLE) {
    context_.api.DestroyCommandPool(context_.device, pool_, nullptr);
  }
}

Status Prober::make_staging() {
  if (staging_ != VK_NULL_HANDLE) {  // left by an attempt that came only half way
    context_.api.DestroyBuffer(context_.device, staging_, nullptr);
    staging_ = VK_NULL_HANDLE;
  }
  const VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                nullptr,
                                0,
                                kStagingSize,
                                VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                VK_SHARING_MODE_EXCLUSIVE,
                                0,
                                nullptr};
  VkResult result = context_.api.CreateBuffer(context_.device, &info, nullptr, &staging_);
  if (result != VK_SUCCESS) {
    staging_ = VK_NULL_HANDLE;
    return vk_error("vkCreateBuffer", result, "making a buffer to read probes into");
  }
  VkMemoryRequirements2 requirements{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, nullptr, {}};
  const VkBufferMemoryRequirementsInfo2 which{VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2, nullptr,
                                              staging_};
  context_.api.GetBufferMemoryRequirements2(context_.device, &which, &requirements);
  // One that is host-visible and coherent is always there (section 11.2, VkMemoryPropertyFlagBits).
  constexpr VkMemoryPropertyFlags kWanted =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  std::uint32_t bits = requirements.memoryRequirements.memoryTypeBits;
  for (std::uint32_t type = 0; type < context_.physical.memory.memoryTypeCount; ++type) {
    if ((context_.physical.memory.memoryTypes[type].propertyFlags & kWanted) != kWanted) {
      bits &= ~(1U << type);
    }
  }
  const VkMemoryAllocateInfo allocate{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, nullptr,
                                      requirements.memoryRequirements.size,
                                      static_cast<std::uint32_t>(context_.physical.pick_memory_type(bits))};
  VkDeviceMemory memory = VK_NULL_HANDLE;
  result = context_.api.AllocateMemory(context_.device, &allocate, nullptr, &memory);
  if (result != VK_SUCCESS) {
    return vk_error("vkAllocateMemory", result, "making memory to read probes into");
  }
  staging_memory_ = Memory(context_, memory);
  result = context_.api.BindBufferMemory(context_.device, staging_, memory, 0);
  if (result == VK_SUCCESS) {
    result = context_.api.MapMemory(context_.device, memory, 0, VK_WHOLE_SIZE, 0, &staging_address_);
  }
  if (result != VK_SUCCESS) {
    staging_address_ = nullptr;
    return vk_error("vkMapMemory", result, "mapping memory to read probes into");
  }
  return {};
}

Status Prober::prepare(std::int64_t deadline_ns) {
  // One that timed out comes first.
  if (auto status = fence_.prepare(deadline_ns, kWaiting); !status) {
    return status;
  }
  const auto& api = context_.api;
  VkResult result = VK_SUCCESS;
  if (pool_ == VK_NULL_HANDLE) {
    const VkCommandPoolCreateInfo info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, nullptr,
                                       VK_COMMAND_POOL_CREATE_TRANSIENT_BIT, context_.queue_family};
    result = api.CreateCommandPool(context_.device, &info, nullptr, &pool_);
    pool_ = result == VK_SUCCESS ? pool_ : VK_NULL_HANDLE;  // undefined after a failure
  }
  if (result == VK_SUCCESS && commands_ == VK_NULL_HANDLE) {
    const VkCommandBufferAllocateInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr, pool_,
                                           VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1};
    result = api.AllocateCommandBuffers(context_.device, &info, &commands_);
    commands_ = result == VK_SUCCESS ? commands_ : VK_NULL_HANDLE;
  }
  if (result != VK_SUCCESS) {
    return vk_error("vkCreateCommandPool", result, "preparing commands for a probe");
  }
  return staging_address_ == nullptr ? make_staging() : Status{};
}

Status Prober::begin(VkBuffer buffer, const cw_probe& probe, VkAccessFlags access) {
  if (auto status = prepare(probe.deadline_ns); !status) {
    return status;
  }
  const auto& api = context_.api;
  VkResult result = api.ResetCommandPool(context_.device, pool_, 0);
  const VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, nullptr,
                                      VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, nullptr};
  if (result == VK_SUCCESS) {
    result = api.BeginCommandBuffer(commands_, &info);
  }
  if (result != VK_SUCCESS) {
    return vk_error("vkBeginCommandBuffer", result, "recording a probe");
  }
  // Takes the bytes over from whoever had them outside (section 7.7.4, Queue Family Ownership Transfer). What
  // the CPU wrote before the submission is visible without more (section 7.9, Host Write Ordering
  // Guarantees).
  VkBufferMemoryBarrier acquire = barrier(buffer, probe);
  acquire.dstAccessMask = access;
  acquire.srcQueueFamilyIndex = context_.extensions.foreign_family();
  acquire.dstQueueFamilyIndex = context_.queue_family;
  api.CmdPipelineBarrier(commands_, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0,
                         nullptr, 1, &acquire, 0, nullptr);
  return {};
}

Status Prober::finish(VkBuffer buffer, const cw_probe& probe, VkAccessFlags access) {
  const auto& api = context_.api;
  VkBufferMemoryBarrier release = barrier(buffer, probe);
  release.srcAccessMask = access;
  release.srcQueueFamilyIndex = context_.queue_family;
  release.dstQueueFamilyIndex = context_.extensions.foreign_family();
  // The CPU reads next: the staging buffer, or the imported memory through its own mapping.
  const VkMemoryBarrier to_host{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, VK_ACCESS_TRANSFER_WRITE_BIT,
                                VK_ACCESS_HOST_READ_BIT};
  api.CmdPipelineBarrier(commands_, VK_PIPELINE_STAGE_TRANSFER_BIT,
                         VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, 0, 1, &to_host, 1,
                         &release, 0, nullptr);
  VkResult result = api.EndCommandBuffer(commands_);
  if (result != VK_SUCCESS) {
    return vk_error("vkEndCommandBuffer", result, "recording a probe");
  }
  VkSubmitInfo submit{VK_STRUCTURE_TYPE_SUBMIT_INFO};
  submit.commandBufferCount = 1;
  submit.pCommandBuffers = &commands_;
  {
    const QueueLock lock(context_);
    result = api.QueueSubmit(context_.queue, 1, &submit, fence_.get());
  }
  if (result != VK_SUCCESS) {
    return vk_error("vkQueueSubmit", result, "submitting a probe");
  }
  fence_.went_out();
  return fence_.wait(probe.deadline_ns, kWaiting);
}

Status Prober::write(VkBuffer buffer, const cw_probe& probe) {
  if (auto status = begin(buffer, probe, VK_ACCESS_TRANSFER_WRITE_BIT); !status) {
    return status;
  }
  // Offset and size are multiples of 4 (VUID-vkCmdUpdateBuffer-dstOffset-00036, -dataSize-00038).
  context_.api.CmdUpdateBuffer(commands_, buffer, probe.offset, probe.size, probe.data);
  return finish(buffer, probe, VK_ACCESS_TRANSFER_WRITE_BIT);
}

Status Prober::read(VkBuffer buffer, cw_probe& probe) {
  if (auto status = begin(buffer, probe, VK_ACCESS_TRANSFER_READ_BIT); !status) {
    return status;
  }
  const VkBufferCopy region{probe.offset, 0, probe.size};
  context_.api.CmdCopyBuffer(commands_, buffer, staging_, 1, &region);
  if (auto status = finish(buffer, probe, VK_ACCESS_TRANSFER_READ_BIT); !status) {
    return status;
  }
  std::memcpy(probe.data, staging_address_, probe.size);
  return {};
}

}  // namespace causeway::vulkan_backend
