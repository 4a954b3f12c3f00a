// SPDX-License-Identifier: Apache-2.0
// Images across the begin and the end of an access: from which layout they come, and to whom they go back.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <causeway/causeway.hpp>
#include <causeway/vulkan.hpp>

#include "host/vulkan_fake_driver.hpp"
#include "host/vulkan_fake_image.hpp"
#include "host/vulkan_fake_queue.hpp"

namespace causeway::test {
namespace {

using namespace std::chrono_literals;  // NOLINT: durations in tests

constexpr std::uint64_t kBytes = std::uint64_t{64} * 64 * 4;

/// A frame on the fake driver's device, over the whole library.
class VulkanFenceImage : public ::testing::Test {
protected:
  void SetUp() override {
    FakeImage::reset();
    auto made = Runtime::create();
    ASSERT_TRUE(made) << made.error().message();
    runtime_.emplace(std::move(*made));
  }
  void TearDown() override {
    mapping_ = Mapping();
    attachment_.reset();
    runtime_.reset();
    EXPECT_EQ(FakeImage::instance().images, 0);
  }

  DmaBuf fresh() {
    auto buffer = runtime_->allocate(kBytes, "memfd");  // what the fake driver takes, in the guest too
    EXPECT_TRUE(buffer) << buffer.error().message();
    return *buffer;
  }
  static Frame frame_over(const DmaBuf& buffer) {
    auto frame = Frame::create({.format = formats::kXRGB8888,
                                .modifier = Modifier::kLinear,
                                .width = 64,
                                .height = 64,
                                .planes = {{.object = 0, .stride = 256, .offset = 0}}},
                               {buffer});
    EXPECT_TRUE(frame) << frame.error().message();
    return *frame;
  }
  void attach(const Frame& frame, std::uint32_t flags) {
    const auto words = FakeDriver::words_with_images(flags);
    auto device =
        runtime_->open_device("vulkan", {.id = {}, .adopt_interface = CW_VULKAN_ADOPT_V1, .adopt = &words});
    ASSERT_TRUE(device) << device.error().message();
    auto attached = frame.attach(*device, Usage::ReadWrite | Usage::TransferWrite);
    ASSERT_TRUE(attached) << attached.error().message();
    attachment_.emplace(std::move(*attached));
    auto mapped = attachment_->map(Direction::Bidirectional, true);  // the fake moves no bytes
    ASSERT_TRUE(mapped) << mapped.error().message();
    mapping_ = std::move(*mapped);
    ASSERT_EQ((*vulkan::view(mapping_))->kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE));
    FakeQueue::instance().batches.clear();
  }
  /// Begins and ends an access; gives the barriers of images that were submitted for it.
  std::vector<VkImageMemoryBarrier> submitted(Usage usage) {
    FakeQueue::instance().batches.clear();
    auto access = mapping_.begin_access(usage, Deadline::in(5s));
    EXPECT_TRUE(access) << access.error().message();
    auto fences = access->end();
    EXPECT_TRUE(fences) << fences.error().message();
    for (const auto& fence : *fences) {
      EXPECT_TRUE(fence.wait(Deadline::in(5s)));  // puts the end on the queue
    }
    std::vector<VkImageMemoryBarrier> barriers;
    for (const auto& batch : FakeQueue::instance().batches) {
      for (VkCommandBuffer commands : batch.commands) {
        const auto& recorded = FakeImage::instance().barriers[commands];
        barriers.insert(barriers.end(), recorded.begin(), recorded.end());
      }
    }
    return barriers;
  }
  /// The acquire's old layout on the caller's own queue, by the turn.
  VkImageLayout turns_old_layout(Usage usage) {
    auto access = mapping_.begin_access(usage, Deadline::in(5s));
    EXPECT_TRUE(access) << access.error().message();
    const auto turn = vulkan::turn(mapping_);
    EXPECT_TRUE(turn) << turn.error().message();
    EXPECT_EQ(turn->image_count, 1U);
    if (!turn || turn->image_count != 1) {
      return VK_IMAGE_LAYOUT_MAX_ENUM;
    }
    const auto& acquire = turn->acquire_images[0];
    const auto& release = turn->release_images[0];
    EXPECT_EQ(acquire.newLayout, VK_IMAGE_LAYOUT_GENERAL);
    EXPECT_EQ(acquire.srcQueueFamilyIndex, VK_QUEUE_FAMILY_FOREIGN_EXT);
    EXPECT_EQ(acquire.dstQueueFamilyIndex, 0U);
    EXPECT_EQ(release.oldLayout, VK_IMAGE_LAYOUT_GENERAL);
    EXPECT_EQ(release.newLayout, VK_IMAGE_LAYOUT_GENERAL);
    EXPECT_EQ(release.srcQueueFamilyIndex, 0U);
    EXPECT_EQ(release.dstQueueFamilyIndex, VK_QUEUE_FAMILY_FOREIGN_EXT);
    EXPECT_EQ(acquire.image, (*vulkan::view(mapping_))->image);
    const auto layout = acquire.oldLayout;
    submit(turn->signal);
    EXPECT_TRUE(access->end());
    return layout;
  }
  /// The caller's own submission, as far as the order is concerned.
  static void submit(const VkSemaphoreSubmitInfo& signal) {
    const VkTimelineSemaphoreSubmitInfo point{
        VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO, nullptr, 0, nullptr, 1, &signal.value};
    VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO, &point};
    info.signalSemaphoreCount = 1;
    info.pSignalSemaphores = &signal.semaphore;
    const auto words = FakeDriver::words();
    const auto submit =
        reinterpret_cast<PFN_vkQueueSubmit>(words.get_instance_proc_addr(words.instance, "vkQueueSubmit"));
    EXPECT_EQ(submit(words.queue, 1, &info, VK_NULL_HANDLE), VK_SUCCESS);
  }

  static constexpr std::uint32_t kSubmits = CW_VULKAN_ADOPT_SUBMITS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE;
  static constexpr std::uint32_t kTurns = CW_VULKAN_ADOPT_TAKES_TURNS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE;

  std::optional<Runtime> runtime_;
  std::optional<Attachment> attachment_;
  Mapping mapping_;
};

TEST_F(VulkanFenceImage, OnOurQueueAFreshImageComesFromUndefinedOnceAndGoesBackInGeneral) {
  attach(frame_over(fresh()), kSubmits);
  auto first = submitted(Usage::Write);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].oldLayout, VK_IMAGE_LAYOUT_UNDEFINED);
  EXPECT_EQ(first[0].newLayout, VK_IMAGE_LAYOUT_GENERAL);
  EXPECT_EQ(first[0].srcQueueFamilyIndex, VK_QUEUE_FAMILY_FOREIGN_EXT);
  EXPECT_EQ(first[0].dstQueueFamilyIndex, 0U);
  EXPECT_EQ(first[1].oldLayout, VK_IMAGE_LAYOUT_GENERAL);
  EXPECT_EQ(first[1].newLayout, VK_IMAGE_LAYOUT_GENERAL);
  EXPECT_EQ(first[1].srcQueueFamilyIndex, 0U);
  EXPECT_EQ(first[1].dstQueueFamilyIndex, VK_QUEUE_FAMILY_FOREIGN_EXT);
  for (const Usage usage : {Usage::Read, Usage::Write, Usage::ReadWrite}) {
    auto next = submitted(usage);
    ASSERT_EQ(next.size(), 2U);
    EXPECT_EQ(next[0].oldLayout, VK_IMAGE_LAYOUT_GENERAL) << "what was written has to be kept";
    EXPECT_EQ(next[0].image, (*vulkan::view(mapping_))->image);
  }
}

TEST_F(VulkanFenceImage, WhatTheCpuWroteBeforeIsKept) {
  const auto frame = frame_over(fresh());
  {
    auto cpu = frame.begin_cpu_access(Usage::Write, Deadline::in(5s));
    ASSERT_TRUE(cpu) << cpu.error().message();
    ASSERT_TRUE(cpu->end());
  }
  attach(frame, kSubmits);
  EXPECT_EQ(submitted(Usage::Read).at(0).oldLayout, VK_IMAGE_LAYOUT_GENERAL);
}

TEST_F(VulkanFenceImage, AReaderPutsNothingIntoIt) {
  const auto frame = frame_over(fresh());
  attach(frame, kSubmits);
  EXPECT_EQ(submitted(Usage::Read).at(0).oldLayout, VK_IMAGE_LAYOUT_UNDEFINED);
  EXPECT_EQ(submitted(Usage::Read).at(0).oldLayout, VK_IMAGE_LAYOUT_UNDEFINED);
  {
    auto cpu = frame.begin_cpu_access(Usage::Write, Deadline::in(5s));
    ASSERT_TRUE(cpu) << cpu.error().message();
    ASSERT_TRUE(cpu->end());
  }
  EXPECT_EQ(submitted(Usage::Read).at(0).oldLayout, VK_IMAGE_LAYOUT_GENERAL);
}

TEST_F(VulkanFenceImage, MemoryThatOthersKnowMayHoldSomething) {
  auto known = fresh();
  {
    const auto given = known.dup_fd(Deadline::in(5s));
    ASSERT_TRUE(given) << given.error().message();
  }
  attach(frame_over(known), kSubmits);
  EXPECT_EQ(submitted(Usage::Write).at(0).oldLayout, VK_IMAGE_LAYOUT_GENERAL);
}

TEST_F(VulkanFenceImage, MemoryFromOutsideMayHoldSomething) {
  const UniqueFd file(::memfd_create("foreign", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), kBytes), 0);
  auto buffer = DmaBuf::from_fd(*runtime_, file.borrow());
  ASSERT_TRUE(buffer) << buffer.error().message();
  attach(frame_over(*buffer), kSubmits);
  EXPECT_EQ(submitted(Usage::Write).at(0).oldLayout, VK_IMAGE_LAYOUT_GENERAL);
}

TEST_F(VulkanFenceImage, OnTheCallersQueueTheTurnSaysTheSame) {
  attach(frame_over(fresh()), kTurns);
  EXPECT_EQ(turns_old_layout(Usage::Write), VK_IMAGE_LAYOUT_UNDEFINED);
  EXPECT_EQ(turns_old_layout(Usage::Read), VK_IMAGE_LAYOUT_GENERAL);
  EXPECT_EQ(turns_old_layout(Usage::Write), VK_IMAGE_LAYOUT_GENERAL);
}

// A command buffer that is recorded once and submitted for each frame must suit the frames with content.
TEST_F(VulkanFenceImage, WhatTheCallerRecordsOnceKeepsContent) {
  attach(frame_over(fresh()), kTurns);
  auto* const commands = reinterpret_cast<VkCommandBuffer>(0x77);
  ASSERT_TRUE(vulkan::record_acquire(mapping_, commands));
  ASSERT_TRUE(vulkan::record_release(mapping_, commands));
  const auto& recorded = FakeImage::instance().barriers[commands];
  ASSERT_EQ(recorded.size(), 2U);
  EXPECT_EQ(recorded[0].oldLayout, VK_IMAGE_LAYOUT_GENERAL);
  EXPECT_EQ(recorded[0].srcQueueFamilyIndex, VK_QUEUE_FAMILY_FOREIGN_EXT);
  EXPECT_EQ(recorded[1].dstQueueFamilyIndex, VK_QUEUE_FAMILY_FOREIGN_EXT);
}

}  // namespace
}  // namespace causeway::test
