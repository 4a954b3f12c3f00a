// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/vulkan_abi.h>
#include <array>
#include <causeway/result.hpp>
#include <span>
#include <vector>

#include "context.hpp"

namespace causeway::vulkan_backend {

/// The transfers of ownership of an attachment: from the other devices to our queue family, and back (section
/// 7.7.4, Queue Family Ownership Transfer). An image stays in layout GENERAL, in which the others have it,
/// and comes from UNDEFINED only while nobody has put anything into it: then its driver need not make sense
/// of what happens to lie in fresh memory.
///
/// Threads: immutable once made.
class Transfer {
public:
  /// of is what was imported. writes: the device may write to it.
  Transfer(const Context& context, const cw_vulkan_view_v1& of, bool writes);

  [[nodiscard]] std::span<const VkBufferMemoryBarrier2> acquire_buffers() const { return acquire_buffers_; }
  [[nodiscard]] std::span<const VkImageMemoryBarrier2> acquire_images() const { return acquire_images_; }
  /// The acquire of images that hold nothing.
  [[nodiscard]] std::span<const VkImageMemoryBarrier2> first_images() const { return first_images_; }
  [[nodiscard]] std::span<const VkBufferMemoryBarrier2> release_buffers() const { return release_buffers_; }
  [[nodiscard]] std::span<const VkImageMemoryBarrier2> release_images() const { return release_images_; }

  void record_acquire(VkCommandBuffer commands) const;
  void record_first_acquire(VkCommandBuffer commands) const;
  /// Also makes the writes available to the CPU, which may read next through its own mapping.
  void record_release(VkCommandBuffer commands) const;

private:
  void record(VkCommandBuffer commands, std::span<const VkBufferMemoryBarrier2> buffers,
              std::span<const VkImageMemoryBarrier2> images, bool to_host) const;

  const Context& context_;
  std::vector<VkBufferMemoryBarrier2> acquire_buffers_;
  std::vector<VkImageMemoryBarrier2> acquire_images_;
  std::vector<VkImageMemoryBarrier2> first_images_;
  std::vector<VkBufferMemoryBarrier2> release_buffers_;
  std::vector<VkImageMemoryBarrier2> release_images_;
};

/// The transfers as command buffers, recorded once and submitted as often as needed.
///
/// Threads: as rule 6 of backend_abi.h. Freed with this object, when no batch uses them any more.
class TransferCommands {
public:
  /// pool must outlive it. Errors: OutOfMemory.
  [[nodiscard]] static Result<TransferCommands> record(const Context& context, VkCommandPool pool,
                                                       const Transfer& transfer);
  TransferCommands() noexcept = default;
  TransferCommands(TransferCommands&& other) noexcept;
  TransferCommands& operator=(TransferCommands&& other) noexcept;
  TransferCommands(const TransferCommands&) = delete;
  TransferCommands& operator=(const TransferCommands&) = delete;
  ~TransferCommands();

  /// holds_nothing: nobody has written to the memory yet.
  [[nodiscard]] VkCommandBuffer acquire(bool holds_nothing) const noexcept {
    return holds_nothing && count_ == commands_.size() ? commands_[2] : commands_[0];
  }
  [[nodiscard]] VkCommandBuffer release() const noexcept { return commands_[1]; }

private:
  const Context* context_ = nullptr;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  std::uint32_t count_ = 2;  ///< 3 with images: their first acquire
  std::array<VkCommandBuffer, 3> commands_{};
};

}  // namespace causeway::vulkan_backend
