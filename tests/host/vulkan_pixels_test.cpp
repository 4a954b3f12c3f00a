// SPDX-License-Identifier: Apache-2.0
// What an imported image shows is what the CPU wrote, pixel by pixel, at the frame's own stride.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>

#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

constexpr std::uint32_t kWidth = 50;
constexpr std::uint32_t kHeight = 20;
constexpr std::uint32_t kStride = 256;  // more than a row's 200 bytes
constexpr std::size_t kRow = std::size_t{kWidth} * 4;
constexpr std::size_t kTight = kRow * kHeight;

/// An application's side: its commands on the device's queue, by the handles that it was lent.
class Application {
public:
  explicit Application(const cw_vulkan_handles_v1& handles) : handles_(handles) {}

  template <class Function>
  Function get(const char* name) const {
    return reinterpret_cast<Function>(handles_.get_instance_proc_addr(handles_.instance, name));
  }
  [[nodiscard]] const cw_vulkan_handles_v1& handles() const { return handles_; }

  /// Copies the image into target: acquire from FOREIGN, copy, release. True if the device did it.
  [[nodiscard]] bool copy(const cw_vulkan_view_v1& from, VkBuffer target) const {
    VkCommandPoolCreateInfo pool_info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    pool_info.queueFamilyIndex = handles_.queue_family;
    VkCommandPool pool = VK_NULL_HANDLE;
    get<PFN_vkCreateCommandPool>("vkCreateCommandPool")(handles_.device, &pool_info, nullptr, &pool);
    const VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr, pool,
                                               VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1};
    VkCommandBuffer commands = VK_NULL_HANDLE;
    get<PFN_vkAllocateCommandBuffers>("vkAllocateCommandBuffers")(handles_.device, &allocate, &commands);
    VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    get<PFN_vkBeginCommandBuffer>("vkBeginCommandBuffer")(commands, &begin);

    VkImageMemoryBarrier barrier{VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER};
    barrier.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT;
    barrier.oldLayout = VK_IMAGE_LAYOUT_GENERAL;
    barrier.newLayout = VK_IMAGE_LAYOUT_GENERAL;
    barrier.srcQueueFamilyIndex = from.acquire_from;
    barrier.dstQueueFamilyIndex = handles_.queue_family;
    barrier.image = from.image;
    barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    const auto wait = get<PFN_vkCmdPipelineBarrier>("vkCmdPipelineBarrier");
    wait(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, nullptr, 0,
         nullptr, 1, &barrier);
    VkBufferImageCopy region{};
    region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    region.imageExtent = {from.width, from.height, 1};
    get<PFN_vkCmdCopyImageToBuffer>("vkCmdCopyImageToBuffer")(commands, from.image, VK_IMAGE_LAYOUT_GENERAL,
                                                              target, 1, &region);
    std::swap(barrier.srcQueueFamilyIndex, barrier.dstQueueFamilyIndex);
    barrier.srcAccessMask = std::exchange(barrier.dstAccessMask, 0U);
    const VkMemoryBarrier to_host{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, VK_ACCESS_TRANSFER_WRITE_BIT,
                                  VK_ACCESS_HOST_READ_BIT};
    wait(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
         VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, 0, 1, &to_host, 0, nullptr, 1,
         &barrier);
    get<PFN_vkEndCommandBuffer>("vkEndCommandBuffer")(commands);
    VkSubmitInfo submit{VK_STRUCTURE_TYPE_SUBMIT_INFO};
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands;
    const bool done =
        get<PFN_vkQueueSubmit>("vkQueueSubmit")(handles_.queue, 1, &submit, VK_NULL_HANDLE) == VK_SUCCESS &&
        get<PFN_vkQueueWaitIdle>("vkQueueWaitIdle")(handles_.queue) == VK_SUCCESS;
    get<PFN_vkDestroyCommandPool>("vkDestroyCommandPool")(handles_.device, pool, nullptr);
    return done;
  }

private:
  cw_vulkan_handles_v1 handles_;
};

TEST(VulkanPixels, AreThoseThatTheCpuWrote) {
  const VulkanHost host;
  const OpenedDevice device(host, "llvmpipe");
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto frame = TestMemory::udmabuf(std::size_t{32} * 1024);
  const auto copy = TestMemory::udmabuf(std::size_t{32} * 1024);
  if (!frame.valid()) {
    GTEST_SKIP() << "/dev/udmabuf cannot be opened";
  }
  const Attached image(device, AttachWords(frame.object(), formats::kXRGB8888, kWidth, kHeight, kStride,
                                           CW_USAGE_READ | CW_USAGE_TRANSFER));
  ASSERT_TRUE(image.outcome()) << image.outcome();
  if (image.view().kind != CW_VULKAN_IMAGE) {
    GTEST_SKIP() << "lavapipe has no VK_EXT_image_drm_format_modifier on this machine";
  }
  const Attached target(device, AttachWords(copy.object()));
  ASSERT_TRUE(target.outcome()) << target.outcome();

  const auto pixels = pattern(kTight, 9);
  for (std::size_t row = 0; row < kHeight; ++row) {
    std::memcpy(&frame.bytes()[row * kStride], &pixels[row * kRow], kRow);
  }
  const Application application(device.handles());
  ASSERT_TRUE(application.copy(image.view(), target.view().buffers[0]));
  EXPECT_TRUE(std::equal(pixels.begin(), pixels.end(), copy.bytes().begin()));
}

}  // namespace
}  // namespace causeway::test
