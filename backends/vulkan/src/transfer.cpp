// SPDX-License-Identifier: Apache-2.0
#include "transfer.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

constexpr VkImageSubresourceRange kWhole{VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};

VkBufferMemoryBarrier older(const VkBufferMemoryBarrier2& barrier) noexcept {
  VkBufferMemoryBarrier made{VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER};
  made.srcAccessMask = static_cast<VkAccessFlags>(barrier.srcAccessMask);
  made.dstAccessMask = static_cast<VkAccessFlags>(barrier.dstAccessMask);
  made.srcQueueFamilyIndex = barrier.srcQueueFamilyIndex;
  made.dstQueueFamilyIndex = barrier.dstQueueFamilyIndex;
  made.buffer = barrier.buffer;
  made.size = barrier.size;
  return made;
}

VkImageMemoryBarrier older(const VkImageMemoryBarrier2& barrier) noexcept {
  VkImageMemoryBarrier made{VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER};
  made.srcAccessMask = static_cast<VkAccessFlags>(barrier.srcAccessMask);
  made.dstAccessMask = static_cast<VkAccessFlags>(barrier.dstAccessMask);
  made.oldLayout = barrier.oldLayout;
  made.newLayout = barrier.newLayout;
  made.srcQueueFamilyIndex = barrier.srcQueueFamilyIndex;
  made.dstQueueFamilyIndex = barrier.dstQueueFamilyIndex;
  made.image = barrier.image;
  made.subresourceRange = barrier.subresourceRange;
  return made;
}

}  // namespace

Transfer::Transfer(const Context& context, const cw_vulkan_view_v1& of, bool writes) : context_(context) {
  // ALL_COMMANDS on our side, since the caller's commands may be any, and so that the acquire comes after the
  // semaphores' waits and the release before the signal. What the others did is made visible by the transfer
  // itself: source access and stage of an acquire, destination of a release, count for nothing.
  const VkAccessFlags2 ours = VK_ACCESS_2_MEMORY_READ_BIT | (writes ? VK_ACCESS_2_MEMORY_WRITE_BIT : 0U);
  VkBufferMemoryBarrier2 buffer{VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER_2};
  buffer.srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  buffer.dstStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  buffer.size = VK_WHOLE_SIZE;
  VkImageMemoryBarrier2 image{VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2};
  image.srcStageMask = buffer.srcStageMask;
  image.dstStageMask = buffer.dstStageMask;
  image.oldLayout = VK_IMAGE_LAYOUT_GENERAL;
  image.newLayout = VK_IMAGE_LAYOUT_GENERAL;
  image.subresourceRange = kWhole;
  for (const bool acquire : {true, false}) {
    image.srcAccessMask = buffer.srcAccessMask = acquire ? 0 : ours;
    image.dstAccessMask = buffer.dstAccessMask = acquire ? ours : 0;
    image.srcQueueFamilyIndex = buffer.srcQueueFamilyIndex = acquire ? of.acquire_from : context.queue_family;
    image.dstQueueFamilyIndex = buffer.dstQueueFamilyIndex = acquire ? context.queue_family : of.acquire_from;
    for (std::uint32_t i = 0; i < of.object_count; ++i) {
      buffer.buffer = of.buffers[i];
      (acquire ? acquire_buffers_ : release_buffers_).push_back(buffer);
    }
    const auto add = [&](VkImage one) {
      if (one != VK_NULL_HANDLE) {
        image.image = one;
        (acquire ? acquire_images_ : release_images_).push_back(image);
      }
    };
    add(of.image);
    std::for_each(std::begin(of.plane_images), std::end(of.plane_images), add);
  }
  first_images_ = acquire_images_;
  for (auto& one : first_images_) {
    one.oldLayout = VK_IMAGE_LAYOUT_UNDEFINED;
  }
}

void Transfer::record(VkCommandBuffer commands, std::span<const VkBufferMemoryBarrier2> buffers,
                      std::span<const VkImageMemoryBarrier2> images, bool to_host) const {
  std::vector<VkBufferMemoryBarrier> older_buffers;
  std::vector<VkImageMemoryBarrier> older_images;
  for (const auto& one : buffers) {
    older_buffers.push_back(older(one));
  }
  for (const auto& one : images) {
    older_images.push_back(older(one));
  }
  // What the CPU wrote before a submission needs no barrier (section 7.9, Host Write Ordering Guarantees).
  const VkMemoryBarrier host{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, VK_ACCESS_MEMORY_WRITE_BIT,
                             VK_ACCESS_HOST_READ_BIT};
  context_.api.CmdPipelineBarrier(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                                  to_host ? VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT
                                          : VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                                  0, to_host ? 1 : 0, &host, static_cast<std::uint32_t>(older_buffers.size()),
                                  older_buffers.data(), static_cast<std::uint32_t>(older_images.size()),
                                  older_images.data());
}

void Transfer::record_acquire(VkCommandBuffer commands) const {
  record(commands, acquire_buffers_, acquire_images_, false);
}

void Transfer::record_first_acquire(VkCommandBuffer commands) const {
  record(commands, acquire_buffers_, first_images_, false);
}

void Transfer::record_release(VkCommandBuffer commands) const {
  record(commands, release_buffers_, release_images_, true);
}

Result<TransferCommands> TransferCommands::record(const Context& context, VkCommandPool pool,
                                                  const Transfer& transfer) {
  TransferCommands made;
  made.count_ = transfer.first_images().empty() ? 2 : 3;
  const VkCommandBufferAllocateInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr, pool,
                                         VK_COMMAND_BUFFER_LEVEL_PRIMARY, made.count_};
  VkResult result = context.api.AllocateCommandBuffers(context.device, &info, made.commands_.data());
  if (result != VK_SUCCESS) {
    return vk_error("vkAllocateCommandBuffers", result, "making commands for transfers of ownership");
  }
  made.context_ = &context;
  made.pool_ = pool;
  // Several accesses may be on their way to the device at the same time.
  const VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, nullptr,
                                       VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT, nullptr};
  constexpr std::array<void (Transfer::*)(VkCommandBuffer) const, 3> kRecorders = {
      &Transfer::record_acquire, &Transfer::record_release, &Transfer::record_first_acquire};
  for (std::uint32_t i = 0; i < made.count_; ++i) {
    VkCommandBuffer commands = made.commands_.at(i);
    result = context.api.BeginCommandBuffer(commands, &begin);
    if (result == VK_SUCCESS) {
      (transfer.*kRecorders.at(i))(commands);
      result = context.api.EndCommandBuffer(commands);
    }
    if (result != VK_SUCCESS) {
      return vk_error("vkEndCommandBuffer", result, "recording transfers of ownership");
    }
  }
  return made;
}

TransferCommands::TransferCommands(TransferCommands&& other) noexcept
    : context_(std::exchange(other.context_, nullptr)),
      pool_(other.pool_),
      count_(other.count_),
      commands_(other.commands_) {}

TransferCommands& TransferCommands::operator=(TransferCommands&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(pool_, other.pool_);
  std::swap(count_, other.count_);
  std::swap(commands_, other.commands_);
  return *this;
}

TransferCommands::~TransferCommands() {
  if (context_ != nullptr) {
    context_->api.FreeCommandBuffers(context_->device, pool_, count_, commands_.data());
  }
}

}  // namespace causeway::vulkan_backend
