// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "gpu.hpp"

namespace camera_to_gpu {

/// A buffer in memory of the GPU's own, shared with nobody; mapped for the CPU if it was asked to be.
class GpuBuffer {
public:
  /// Errors: Unsupported (no memory with these properties), OutOfMemory.
  [[nodiscard]] static causeway::Result<std::unique_ptr<GpuBuffer>> create(Gpu& gpu, VkDeviceSize size,
                                                                           VkBufferUsageFlags usage,
                                                                           VkMemoryPropertyFlags properties);
  ~GpuBuffer();
  GpuBuffer(const GpuBuffer&) = delete;
  GpuBuffer& operator=(const GpuBuffer&) = delete;

  [[nodiscard]] VkBuffer vk() const noexcept { return buffer_; }
  [[nodiscard]] VkDeviceSize size() const noexcept { return size_; }
  /// Empty unless it was asked for with VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT.
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

private:
  GpuBuffer(Gpu& gpu, VkDeviceSize size) : gpu_(gpu), size_(size) {}
  [[nodiscard]] causeway::Status allocate(VkBufferUsageFlags usage, VkMemoryPropertyFlags properties);

  Gpu& gpu_;
  VkDeviceSize size_;
  VkBuffer buffer_ = VK_NULL_HANDLE;
  VkDeviceMemory memory_ = VK_NULL_HANDLE;
  std::span<std::byte> bytes_;
};

}  // namespace camera_to_gpu
