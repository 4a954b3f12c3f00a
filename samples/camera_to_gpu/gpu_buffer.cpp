// SPDX-License-Identifier: Apache-2.0
#include "gpu_buffer.hpp"

namespace camera_to_gpu {

using causeway::Errc;
using causeway::Error;
using causeway::Result;
using causeway::Status;

Result<std::unique_ptr<GpuBuffer>> GpuBuffer::create(Gpu& gpu, VkDeviceSize size, VkBufferUsageFlags usage,
                                                     VkMemoryPropertyFlags properties) {
  std::unique_ptr<GpuBuffer> made(new GpuBuffer(gpu, size));
  if (auto status = made->allocate(usage, properties); !status) {
    return std::move(status.error());
  }
  return made;
}

GpuBuffer::~GpuBuffer() {
  gpu_.f().DeviceWaitIdle(gpu_.vk());
  gpu_.f().DestroyBuffer(gpu_.vk(), buffer_, nullptr);
  gpu_.f().FreeMemory(gpu_.vk(), memory_, nullptr);  // unmaps, too
}

Status GpuBuffer::allocate(VkBufferUsageFlags usage, VkMemoryPropertyFlags properties) {
  const auto& f = gpu_.f();
  const VkBufferCreateInfo info{.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = size_, .usage = usage};
  if (auto status = check(f.CreateBuffer(gpu_.vk(), &info, nullptr, &buffer_), "vkCreateBuffer"); !status) {
    return status;
  }
  VkMemoryRequirements needs;
  f.GetBufferMemoryRequirements(gpu_.vk(), buffer_, &needs);
  const int type = gpu_.memory_type(needs.memoryTypeBits, properties);
  if (type < 0) {
    return Error(Errc::Unsupported, "vkAllocateMemory", "the GPU has no memory with the properties needed");
  }
  const VkMemoryAllocateInfo memory{.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                    .allocationSize = needs.size,
                                    .memoryTypeIndex = static_cast<std::uint32_t>(type)};
  if (auto status = check(f.AllocateMemory(gpu_.vk(), &memory, nullptr, &memory_), "vkAllocateMemory");
      !status) {
    return status;
  }
  if (auto status = check(f.BindBufferMemory(gpu_.vk(), buffer_, memory_, 0), "vkBindBufferMemory");
      !status) {
    return status;
  }
  if ((properties & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) == 0) {
    return {};
  }
  void* address = nullptr;
  auto mapped = check(f.MapMemory(gpu_.vk(), memory_, 0, VK_WHOLE_SIZE, 0, &address), "vkMapMemory");
  if (mapped) {
    bytes_ = {static_cast<std::byte*>(address), static_cast<std::size_t>(size_)};
  }
  return mapped;
}

}  // namespace camera_to_gpu
