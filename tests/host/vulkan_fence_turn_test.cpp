// SPDX-License-Identifier: Apache-2.0
// A queue that is the caller's own: nothing is submitted, and each access has a turn that says what to
// submit.
#include <fcntl.h>

#include "host/vulkan_fence_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kTurns = CW_VULKAN_ADOPT_TAKES_TURNS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE;

class VulkanFenceTurn : public VulkanFences {
protected:
  void round(std::vector<cw_fence> waits = {}) {
    ASSERT_TRUE(begin(std::move(waits)));
    ASSERT_TRUE(turn(taken_));
    ASSERT_TRUE(end());
    ASSERT_TRUE(signal_);
  }

  cw_vulkan_turn_v1 taken_{};
};

TEST_F(VulkanFenceTurn, SaysWhatToWaitForTransferAndSignal) {
  open(kTurns);
  EXPECT_NE(device_->capabilities() & CW_CAP_WAITS_SYNC_FILE, 0U);
  ASSERT_TRUE(begin({sync_file()}));
  cw_vulkan_turn_v1 taken;
  ASSERT_TRUE(turn(taken));
  ASSERT_EQ(taken.wait_count, 1U);
  EXPECT_EQ(taken.waits[0].sType, VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO);
  EXPECT_NE(taken.waits[0].semaphore, VkSemaphore{VK_NULL_HANDLE});
  EXPECT_NE(taken.signal.semaphore, VkSemaphore{VK_NULL_HANDLE});
  EXPECT_EQ(taken.signal.value, 1U);
  ASSERT_EQ(taken.buffer_count, 1U);
  ASSERT_NE(taken.acquire_buffers, nullptr);
  ASSERT_NE(taken.release_buffers, nullptr);
  EXPECT_EQ(taken.acquire_buffers[0].buffer, attached_->view().buffers[0]);
  EXPECT_EQ(taken.acquire_buffers[0].srcQueueFamilyIndex, attached_->view().acquire_from);
  EXPECT_EQ(taken.release_buffers[0].dstQueueFamilyIndex, attached_->view().acquire_from);
  EXPECT_EQ(taken.image_count, 0U);
  ASSERT_TRUE(end());
  ASSERT_TRUE(signal_);
  EXPECT_EQ(signal_->kind, std::uint32_t{CW_FENCE_DEVICE});
  EXPECT_EQ(signal_->value, taken.signal.value);
  EXPECT_THAT(queue().batches, IsEmpty()) << "it is the caller who submits";
  EXPECT_EQ(host_.cpu_waits(), 0U);
  // The caller's submission comes later, and then the fence is there.
  EXPECT_EQ(wait(*signal_).status, CW_TIMED_OUT);
}

TEST_F(VulkanFenceTurn, AskingTwiceGivesTheSameTurn) {
  open(kTurns);
  ASSERT_TRUE(begin());
  cw_vulkan_turn_v1 first;
  cw_vulkan_turn_v1 again;
  ASSERT_TRUE(turn(first));
  ASSERT_TRUE(turn(again));
  EXPECT_EQ(again.signal.value, first.signal.value);
  EXPECT_EQ(again.acquire_buffers, first.acquire_buffers);
  ASSERT_TRUE(end());
}

// Of a host that gives accesses no numbers.
TEST_F(VulkanFenceTurn, TwoReadersHaveTurnsInTheirOrder) {
  open(kTurns);
  cw_vulkan_turn_v1 first;
  cw_vulkan_turn_v1 second;
  ASSERT_TRUE(begin());
  ASSERT_TRUE(turn(first));
  ASSERT_TRUE(begin());
  ASSERT_TRUE(turn(second));
  EXPECT_EQ(second.signal.value, first.signal.value + 1);
  ASSERT_TRUE(end());
  EXPECT_EQ(signal_->value, first.signal.value);
  ASSERT_TRUE(end());
  EXPECT_EQ(signal_->value, second.signal.value);
}

TEST_F(VulkanFenceTurn, TwoReadersEndInAnyOrder) {
  open(kTurns);
  cw_vulkan_turn_v1 first;
  cw_vulkan_turn_v1 second;
  access_ = 1;
  ASSERT_TRUE(begin());
  ASSERT_TRUE(turn(first));
  access_ = 2;
  ASSERT_TRUE(begin());
  ASSERT_TRUE(turn(second));
  ASSERT_TRUE(end());
  EXPECT_EQ(signal_->value, second.signal.value);
  access_ = 1;
  ASSERT_TRUE(end());
  EXPECT_EQ(signal_->value, first.signal.value);
}

// What is promised to nobody may be promised again, but not behind a point that was submitted.
TEST_F(VulkanFenceTurn, AnEarlierTurnIsDroppedAfterALaterOneHasEnded) {
  open(kTurns);
  cw_vulkan_turn_v1 first;
  cw_vulkan_turn_v1 second;
  cw_vulkan_turn_v1 third;
  access_ = 1;
  ASSERT_TRUE(begin());
  ASSERT_TRUE(turn(first));
  access_ = 2;
  ASSERT_TRUE(begin());
  ASSERT_TRUE(turn(second));
  ASSERT_TRUE(end());
  ASSERT_TRUE(drop_turn());
  access_ = 1;
  ASSERT_TRUE(end());
  EXPECT_FALSE(signal_);
  access_ = 3;
  ASSERT_TRUE(begin());
  ASSERT_TRUE(turn(third));
  EXPECT_EQ(third.signal.value, second.signal.value + 1);
  ASSERT_TRUE(end());
}

TEST_F(VulkanFenceTurn, KeptMemoryIsNotTransferred) {
  open(kTurns);
  cw_vulkan_turn_v1 taken;
  attached_->view().sync->keep(device_->raw(), attachment_, 1);
  ASSERT_TRUE(begin());
  ASSERT_TRUE(turn(taken));
  EXPECT_NE(taken.acquire_buffers, nullptr);
  EXPECT_EQ(taken.release_buffers, nullptr);
  ASSERT_TRUE(end());
  attached_->view().sync->keep(device_->raw(), attachment_, 0);
  ASSERT_TRUE(begin());
  ASSERT_TRUE(turn(taken));
  EXPECT_EQ(taken.acquire_buffers, nullptr);
  EXPECT_NE(taken.release_buffers, nullptr);
  ASSERT_TRUE(end());
}

TEST_F(VulkanFenceTurn, WaitsThatNobodyAskedForAreAnError) {
  open(kTurns);
  ASSERT_TRUE(begin({sync_file()}));
  const auto ended = end();
  EXPECT_EQ(ended.status, CW_WRONG_STATE);
  EXPECT_THAT(ended.text, HasSubstr("vulkan::turn"));
  EXPECT_FALSE(signal_);
  ASSERT_TRUE(begin());
  EXPECT_TRUE(end()) << "without waits it is the caller who was done";
  EXPECT_FALSE(signal_);
}

TEST_F(VulkanFenceTurn, WithoutTheFlagThereAreNeitherWaitsNorTurns) {
  open(CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE);
  EXPECT_EQ(device_->capabilities() & CW_CAP_WAITS_SYNC_FILE, 0U);
  ASSERT_TRUE(begin());
  cw_vulkan_turn_v1 taken;
  EXPECT_EQ(turn(taken).status, CW_UNSUPPORTED);
  ASSERT_TRUE(end());
  EXPECT_FALSE(signal_);
}

TEST_F(VulkanFenceTurn, NoTurnBeforeTheBegin) {
  open(kTurns);
  cw_vulkan_turn_v1 taken;
  EXPECT_EQ(turn(taken).status, CW_WRONG_STATE);
}

// A submission that failed signals nothing, and who waits for the device to be idle would wait for ever.
TEST_F(VulkanFenceTurn, OneThatWasNotSubmittedIsDropped) {
  open(kTurns);
  const auto idle = [this] {
    return attempt([&](cw_error* error) { return vulkan_table().wait_idle(device_->raw(), 0, error); });
  };
  ASSERT_TRUE(begin({sync_file()}));
  ASSERT_TRUE(turn(taken_));
  EXPECT_EQ(idle().status, CW_TIMED_OUT) << "it is counted upon";
  const int alive = queue().semaphores;
  ASSERT_TRUE(drop_turn());
  EXPECT_TRUE(idle());
  EXPECT_LT(queue().semaphores, alive) << "nobody waits for the sync_file";
  cw_vulkan_turn_v1 again;
  EXPECT_EQ(turn(again).status, CW_WRONG_STATE);
  EXPECT_EQ(drop_turn().status, CW_WRONG_STATE);
  ASSERT_TRUE(end());
  EXPECT_FALSE(signal_) << "nothing was done";
  ASSERT_TRUE(begin());
  ASSERT_TRUE(turn(again));
  EXPECT_EQ(again.signal.value, taken_.signal.value);
  EXPECT_NE(again.acquire_buffers, nullptr) << "it was not taken over";
  queue().reach(again.signal.semaphore, again.signal.value);
  ASSERT_TRUE(end());
  EXPECT_TRUE(idle());
}

TEST_F(VulkanFenceTurn, ADroppedTurnsBinarySignalIsUsedAgain) {
  open(CW_VULKAN_ADOPT_TAKES_TURNS);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(begin());
    ASSERT_TRUE(turn(taken_));
    ASSERT_TRUE(drop_turn());
    ASSERT_TRUE(end());
    EXPECT_FALSE(signal_);
  }
  EXPECT_EQ(queue().semaphores, 1);
  EXPECT_EQ(queue().exports, 0) << "of a semaphore that nobody signals";
}

TEST_F(VulkanFenceTurn, OnlyATurnIsDropped) {
  open(kTurns);
  EXPECT_EQ(drop_turn().status, CW_WRONG_STATE);
  attached_.reset();
  device_.reset();
  open(CW_VULKAN_ADOPT_SUBMITS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE);
  ASSERT_TRUE(begin());
  EXPECT_EQ(drop_turn().status, CW_UNSUPPORTED);
  ASSERT_TRUE(end());
}

TEST_F(VulkanFenceTurn, AnExportNeedsThePermissionToSubmit) {
  open(kTurns);
  round();
  cw_fence out;
  const auto refused = export_fence(*signal_, out);
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("CW_VULKAN_ADOPT_MAY_SUBMIT"));
  EXPECT_THAT(queue().batches, IsEmpty());
  attached_.reset();
  device_.reset();
  open(kTurns | CW_VULKAN_ADOPT_MAY_SUBMIT);
  round();
  queue().reach(taken_.signal.semaphore, taken_.signal.value);  // a sync_file stands for what is submitted
  ASSERT_TRUE(export_fence(*signal_, out));
  ::close(out.fd);
  EXPECT_EQ(queue().batches.size(), 1U);
}

TEST_F(VulkanFenceTurn, WithoutTimelinesTheSignalIsBinaryAndItsFenceASyncFile) {
  open(CW_VULKAN_ADOPT_TAKES_TURNS);
  const auto before = open_descriptors().size();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(begin());
    cw_vulkan_turn_v1 taken;
    ASSERT_TRUE(turn(taken));
    EXPECT_NE(taken.signal.semaphore, VkSemaphore{VK_NULL_HANDLE});
    EXPECT_EQ(taken.signal.value, 0U);
    ASSERT_TRUE(end());
    ASSERT_TRUE(signal_);
    EXPECT_EQ(signal_->kind, std::uint32_t{CW_FENCE_SYNC_FILE});
    EXPECT_EQ(::fcntl(signal_->fd, F_GETFD), FD_CLOEXEC);
    ::close(signal_->fd);
  }
  EXPECT_EQ(open_descriptors().size(), before);
  EXPECT_EQ(queue().semaphores, 1);
}

TEST_F(VulkanFenceTurn, WithNeitherThereIsNothingToSignal) {
  queue().sync_fd = false;
  open(CW_VULKAN_ADOPT_TAKES_TURNS);
  ASSERT_TRUE(begin());
  cw_vulkan_turn_v1 taken;
  ASSERT_TRUE(turn(taken));
  EXPECT_EQ(taken.signal.semaphore, VkSemaphore{VK_NULL_HANDLE});
  ASSERT_TRUE(end());
  EXPECT_FALSE(signal_);
}

TEST_F(VulkanFenceTurn, ARepeatedFrameMakesNothing) {
  open(kTurns);
  for (int i = 0; i < 3; ++i) {
    round({sync_file()});
    queue().batches.clear();
  }
  // The fake runs no submission of the caller's, so points are not reached and semaphores stay in flight;
  // without waits nothing is made at all.
  const int made = queue().made;
  for (int i = 0; i < 100; ++i) {
    round({*signal_});
    release(*signal_);
  }
  EXPECT_EQ(queue().made, made);
}

}  // namespace
}  // namespace causeway::test
