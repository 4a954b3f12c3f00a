// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan.hpp>

#include <cstdint>
#include <memory>

#include "suite.hpp"

namespace causeway::bench {

/// Whose queue Vulkan's work goes to, and so who submits the transfers of ownership.
enum class Queue { Callers, Ours };

/// A device that we opened, adopted once more as a program takes part with its own: it submits by itself, and
/// records the transfers of ownership into its commands. It must not outlive ours.
[[nodiscard]] Device callers_own(const Device& ours, Runtime& runtime);

/// Vulkan as an expert writes it by hand: the calls that a row compares us with, and the work that both sides
/// submit. On the device that the suite opened, so that both meet the same driver in the same state.
///
/// Threads: thread-bound.
class RawVulkan {
public:
  /// The part of a frame that a piece of work touches, bytes: small, so that rows show what the way costs and
  /// not the work.
  static constexpr std::uint64_t kWorkBytes = 65536;

  /// A buffer over memory, both destroyed with it.
  class Buffer {
  public:
    Buffer(const RawVulkan& vulkan, VkBuffer buffer, VkDeviceMemory memory) noexcept
        : vulkan_(&vulkan), buffer_(buffer), memory_(memory) {}
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer();
    [[nodiscard]] VkBuffer get() const noexcept { return buffer_; }
    /// Where the CPU sees it; for memory that own_buffer() made.
    [[nodiscard]] std::byte* map() const;

  private:
    const RawVulkan* vulkan_;
    VkBuffer buffer_;
    VkDeviceMemory memory_;
  };

  explicit RawVulkan(const Device& device);
  RawVulkan(const RawVulkan&) = delete;
  RawVulkan& operator=(const RawVulkan&) = delete;
  ~RawVulkan();

  /// Imports a dma-buf, or what the driver takes for one. fd is duplicated. Throws std::runtime_error.
  [[nodiscard]] std::unique_ptr<Buffer> import(BorrowedFd fd, std::uint64_t bytes) const;
  /// A buffer of Vulkan's own that the CPU can map.
  [[nodiscard]] std::unique_ptr<Buffer> own_buffer(std::uint64_t bytes) const;

  /// Records, once, the work to submit: value into the first kWorkBytes of target, with the ownership taken
  /// from outside and given back.
  void record_fill(VkBuffer target, std::uint32_t value);
  /// Records the copy of the first kWorkBytes of source to buffer.
  void record_read(VkBuffer source, VkBuffer buffer);
  /// The same on a mapping, as a program that takes its turns records them: Causeway's helper writes the
  /// transfers of ownership.
  void record_fill(const Mapping& target, std::uint32_t value);
  void record_read(const Mapping& source, VkBuffer buffer);
  /// Submits what was recorded, and waits for it with a fence.
  void submit_and_wait() const;
  /// Submits what was recorded as a turn asks for it: after its waits, with its signal.
  void submit(const vulkan::Turn& turn) const;

private:
  friend class Buffer;
  struct Calls {
    PFN_vkCreateBuffer CreateBuffer;
    PFN_vkDestroyBuffer DestroyBuffer;
    PFN_vkGetBufferMemoryRequirements GetBufferMemoryRequirements;
    PFN_vkGetMemoryFdPropertiesKHR GetMemoryFdPropertiesKHR;
    PFN_vkAllocateMemory AllocateMemory;
    PFN_vkFreeMemory FreeMemory;
    PFN_vkMapMemory MapMemory;
    PFN_vkBindBufferMemory BindBufferMemory;
    PFN_vkCreateCommandPool CreateCommandPool;
    PFN_vkDestroyCommandPool DestroyCommandPool;
    PFN_vkAllocateCommandBuffers AllocateCommandBuffers;
    PFN_vkBeginCommandBuffer BeginCommandBuffer;
    PFN_vkEndCommandBuffer EndCommandBuffer;
    PFN_vkCmdPipelineBarrier CmdPipelineBarrier;
    PFN_vkCmdFillBuffer CmdFillBuffer;
    PFN_vkCmdCopyBuffer CmdCopyBuffer;
    PFN_vkCreateFence CreateFence;
    PFN_vkDestroyFence DestroyFence;
    PFN_vkResetFences ResetFences;
    PFN_vkWaitForFences WaitForFences;
    PFN_vkQueueSubmit QueueSubmit;
  };

  [[nodiscard]] VkBuffer create(std::uint64_t bytes, const void* next) const;
  [[nodiscard]] std::unique_ptr<Buffer> bind(VkBuffer buffer, VkDeviceMemory memory) const;
  void begin_recording() const;
  void end_recording() const;
  void fill(VkBuffer target, std::uint32_t value) const;
  void copy(VkBuffer source, VkBuffer buffer) const;
  void hand_over(VkBuffer buffer, std::uint32_t from, std::uint32_t to, VkAccessFlags before,
                 VkAccessFlags after) const;

  vulkan::Handles gpu_;
  Calls calls_{};
  std::uint32_t host_visible_ = 0;  // a memory type that the CPU can map
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
};

}  // namespace causeway::bench
