// SPDX-License-Identifier: Apache-2.0
#include "raw_vulkan.hpp"

#include <fcntl.h>

#include <bit>
#include <string>
#include <vector>

namespace causeway::bench {
namespace {

void check(VkResult result, const char* command) {
  if (result != VK_SUCCESS) {
    throw std::runtime_error(std::string(command) + " answered " + std::to_string(result));
  }
}

}  // namespace

Device callers_own(const Device& ours, Runtime& runtime) {
  const auto gpu = vulkan::handles(ours).value();
  const auto features =
      vulkan::wanted_features(gpu.get_instance_proc_addr, gpu.instance, gpu.physical_device).value();
  vulkan::AdoptInfo info;
  info.get_instance_proc_addr = gpu.get_instance_proc_addr;
  info.api_version = gpu.api_version;
  info.instance = gpu.instance;
  info.physical_device = gpu.physical_device;
  info.device = gpu.device;
  info.queue = gpu.queue;
  info.queue_family = gpu.queue_family;
  info.enabled_extensions = gpu.enabled_extensions;
  info.timeline_semaphore = features.timeline_semaphore;
  info.takes_turns = true;
  return vulkan::adopt(runtime, info).value();
}

RawVulkan::Buffer::~Buffer() {
  vulkan_->calls_.DestroyBuffer(vulkan_->gpu_.device, buffer_, nullptr);
  vulkan_->calls_.FreeMemory(vulkan_->gpu_.device, memory_, nullptr);
}

std::byte* RawVulkan::Buffer::map() const {
  void* address = nullptr;
  check(vulkan_->calls_.MapMemory(vulkan_->gpu_.device, memory_, 0, VK_WHOLE_SIZE, 0, &address),
        "vkMapMemory");
  return static_cast<std::byte*>(address);
}

RawVulkan::RawVulkan(const Device& device) : gpu_(vulkan::handles(device).value()) {
  const auto load = [this](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
        gpu_.get_instance_proc_addr(gpu_.instance, name));
    require(function != nullptr, name);
  };
  // As an expert would: the device's own entries, without the loader's dispatch in between.
  PFN_vkGetDeviceProcAddr device_entry = nullptr;
  load(device_entry, "vkGetDeviceProcAddr");
  const auto load_device = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(device_entry(gpu_.device, name));
    require(function != nullptr, name);
  };
  load_device(calls_.CreateBuffer, "vkCreateBuffer");
  load_device(calls_.DestroyBuffer, "vkDestroyBuffer");
  load_device(calls_.GetBufferMemoryRequirements, "vkGetBufferMemoryRequirements");
  load_device(calls_.GetMemoryFdPropertiesKHR, "vkGetMemoryFdPropertiesKHR");
  load_device(calls_.AllocateMemory, "vkAllocateMemory");
  load_device(calls_.FreeMemory, "vkFreeMemory");
  load_device(calls_.MapMemory, "vkMapMemory");
  load_device(calls_.BindBufferMemory, "vkBindBufferMemory");
  load_device(calls_.CreateCommandPool, "vkCreateCommandPool");
  load_device(calls_.DestroyCommandPool, "vkDestroyCommandPool");
  load_device(calls_.AllocateCommandBuffers, "vkAllocateCommandBuffers");
  load_device(calls_.BeginCommandBuffer, "vkBeginCommandBuffer");
  load_device(calls_.EndCommandBuffer, "vkEndCommandBuffer");
  load_device(calls_.CmdPipelineBarrier, "vkCmdPipelineBarrier");
  load_device(calls_.CmdFillBuffer, "vkCmdFillBuffer");
  load_device(calls_.CmdCopyBuffer, "vkCmdCopyBuffer");
  load_device(calls_.CreateFence, "vkCreateFence");
  load_device(calls_.DestroyFence, "vkDestroyFence");
  load_device(calls_.ResetFences, "vkResetFences");
  load_device(calls_.WaitForFences, "vkWaitForFences");
  load_device(calls_.QueueSubmit, "vkQueueSubmit");

  PFN_vkGetPhysicalDeviceMemoryProperties memory_properties = nullptr;
  load(memory_properties, "vkGetPhysicalDeviceMemoryProperties");
  VkPhysicalDeviceMemoryProperties memory{};
  memory_properties(gpu_.physical_device, &memory);
  constexpr VkMemoryPropertyFlags kWanted =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  while (host_visible_ < memory.memoryTypeCount &&
         (memory.memoryTypes[host_visible_].propertyFlags & kWanted) != kWanted) {
    ++host_visible_;
  }

  const VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, nullptr,
                                     VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT, gpu_.queue_family};
  check(calls_.CreateCommandPool(gpu_.device, &pool, nullptr, &pool_), "vkCreateCommandPool");
  const VkCommandBufferAllocateInfo commands{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr, pool_,
                                             VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1};
  check(calls_.AllocateCommandBuffers(gpu_.device, &commands, &commands_), "vkAllocateCommandBuffers");
  const VkFenceCreateInfo fence{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, nullptr, 0};
  check(calls_.CreateFence(gpu_.device, &fence, nullptr, &fence_), "vkCreateFence");
}

RawVulkan::~RawVulkan() {
  calls_.DestroyFence(gpu_.device, fence_, nullptr);
  calls_.DestroyCommandPool(gpu_.device, pool_, nullptr);
}

VkBuffer RawVulkan::create(std::uint64_t bytes, const void* next) const {
  const VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                next,
                                0,
                                bytes,
                                VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                                    VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                                VK_SHARING_MODE_EXCLUSIVE,
                                0,
                                nullptr};
  VkBuffer buffer = VK_NULL_HANDLE;
  check(calls_.CreateBuffer(gpu_.device, &info, nullptr, &buffer), "vkCreateBuffer");
  return buffer;
}

std::unique_ptr<RawVulkan::Buffer> RawVulkan::bind(VkBuffer buffer, VkDeviceMemory memory) const {
  auto bound = std::make_unique<Buffer>(*this, buffer, memory);
  check(calls_.BindBufferMemory(gpu_.device, buffer, memory, 0), "vkBindBufferMemory");
  return bound;
}

std::unique_ptr<RawVulkan::Buffer> RawVulkan::import(BorrowedFd fd, std::uint64_t bytes) const {
  constexpr auto kDmaBuf = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
  const VkExternalMemoryBufferCreateInfo external{VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
                                                  nullptr, kDmaBuf};
  VkBuffer buffer = create(bytes, &external);
  VkMemoryRequirements needs{};
  calls_.GetBufferMemoryRequirements(gpu_.device, buffer, &needs);
  VkMemoryFdPropertiesKHR offered{VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR, nullptr, 0};
  check(calls_.GetMemoryFdPropertiesKHR(gpu_.device, kDmaBuf, fd.get(), &offered),
        "vkGetMemoryFdPropertiesKHR");
  const auto types = needs.memoryTypeBits & offered.memoryTypeBits;
  require(types != 0, "no memory type suits the import");
  const VkImportMemoryFdInfoKHR import{VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR, nullptr, kDmaBuf,
                                       ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)};
  const VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &import, bytes,
                                  static_cast<std::uint32_t>(std::countr_zero(types))};
  VkDeviceMemory memory = VK_NULL_HANDLE;
  check(calls_.AllocateMemory(gpu_.device, &info, nullptr, &memory), "vkAllocateMemory");
  return bind(buffer, memory);
}

std::unique_ptr<RawVulkan::Buffer> RawVulkan::own_buffer(std::uint64_t bytes) const {
  VkBuffer buffer = create(bytes, nullptr);
  VkMemoryRequirements needs{};
  calls_.GetBufferMemoryRequirements(gpu_.device, buffer, &needs);
  const VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, nullptr, needs.size, host_visible_};
  VkDeviceMemory memory = VK_NULL_HANDLE;
  check(calls_.AllocateMemory(gpu_.device, &info, nullptr, &memory), "vkAllocateMemory");
  return bind(buffer, memory);
}

void RawVulkan::begin_recording() const {
  const VkCommandBufferBeginInfo often{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, nullptr, 0, nullptr};
  check(calls_.BeginCommandBuffer(commands_, &often), "vkBeginCommandBuffer");
}

void RawVulkan::end_recording() const {
  check(calls_.EndCommandBuffer(commands_), "vkEndCommandBuffer");
}

void RawVulkan::hand_over(VkBuffer buffer, std::uint32_t from, std::uint32_t to, VkAccessFlags before,
                          VkAccessFlags after) const {
  const VkBufferMemoryBarrier barrier{
      VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER, nullptr, before, after, from, to, buffer, 0, VK_WHOLE_SIZE};
  calls_.CmdPipelineBarrier(commands_, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0,
                            nullptr, 1, &barrier, 0, nullptr);
}

void RawVulkan::fill(VkBuffer target, std::uint32_t value) const {
  calls_.CmdFillBuffer(commands_, target, 0, kWorkBytes, value);
}

void RawVulkan::copy(VkBuffer source, VkBuffer buffer) const {
  const VkBufferCopy whole{0, 0, kWorkBytes};
  calls_.CmdCopyBuffer(commands_, source, buffer, 1, &whole);
}

void RawVulkan::record_fill(VkBuffer target, std::uint32_t value) {
  begin_recording();
  hand_over(target, VK_QUEUE_FAMILY_EXTERNAL, gpu_.queue_family, 0, VK_ACCESS_TRANSFER_WRITE_BIT);
  fill(target, value);
  hand_over(target, gpu_.queue_family, VK_QUEUE_FAMILY_EXTERNAL, VK_ACCESS_TRANSFER_WRITE_BIT, 0);
  end_recording();
}

void RawVulkan::record_read(VkBuffer source, VkBuffer buffer) {
  begin_recording();
  hand_over(source, VK_QUEUE_FAMILY_EXTERNAL, gpu_.queue_family, 0, VK_ACCESS_TRANSFER_READ_BIT);
  copy(source, buffer);
  hand_over(source, gpu_.queue_family, VK_QUEUE_FAMILY_EXTERNAL, VK_ACCESS_TRANSFER_READ_BIT, 0);
  end_recording();
}

void RawVulkan::record_fill(const Mapping& target, std::uint32_t value) {
  begin_recording();
  vulkan::record_acquire(target, commands_).value();
  fill(vulkan::view(target).value()->buffers[0], value);
  vulkan::record_release(target, commands_).value();
  end_recording();
}

void RawVulkan::record_read(const Mapping& source, VkBuffer buffer) {
  begin_recording();
  vulkan::record_acquire(source, commands_).value();
  copy(vulkan::view(source).value()->buffers[0], buffer);
  vulkan::record_release(source, commands_).value();
  end_recording();
}

void RawVulkan::submit(const vulkan::Turn& turn) const {
  // A timeline semaphore has a value; a binary one has none, and 0 is ignored for it.
  std::vector<VkSemaphore> waits(turn.wait_count);
  std::vector<std::uint64_t> values(turn.wait_count);
  const std::vector<VkPipelineStageFlags> stages(turn.wait_count, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
  for (std::uint32_t i = 0; i < turn.wait_count; ++i) {
    waits[i] = turn.waits[i].semaphore;
    values[i] = turn.waits[i].value;
  }
  VkTimelineSemaphoreSubmitInfo timelines{VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO};
  timelines.waitSemaphoreValueCount = turn.wait_count;
  timelines.pWaitSemaphoreValues = values.data();
  timelines.signalSemaphoreValueCount = 1;
  timelines.pSignalSemaphoreValues = &turn.signal.value;
  VkSubmitInfo submit{VK_STRUCTURE_TYPE_SUBMIT_INFO, &timelines};
  submit.waitSemaphoreCount = turn.wait_count;
  submit.pWaitSemaphores = waits.data();
  submit.pWaitDstStageMask = stages.data();
  submit.commandBufferCount = 1;
  submit.pCommandBuffers = &commands_;
  submit.signalSemaphoreCount = 1;
  submit.pSignalSemaphores = &turn.signal.semaphore;
  check(calls_.QueueSubmit(gpu_.queue, 1, &submit, VK_NULL_HANDLE), "vkQueueSubmit");
}

void RawVulkan::submit_and_wait() const {
  VkSubmitInfo submit{VK_STRUCTURE_TYPE_SUBMIT_INFO};
  submit.commandBufferCount = 1;
  submit.pCommandBuffers = &commands_;
  check(calls_.QueueSubmit(gpu_.queue, 1, &submit, fence_), "vkQueueSubmit");
  check(calls_.WaitForFences(gpu_.device, 1, &fence_, VK_TRUE, ~std::uint64_t{0}), "vkWaitForFences");
  check(calls_.ResetFences(gpu_.device, 1, &fence_), "vkResetFences");
}

}  // namespace causeway::bench
