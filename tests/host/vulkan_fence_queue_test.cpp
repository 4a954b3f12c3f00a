// SPDX-License-Identifier: Apache-2.0
// A queue that the backend submits to: what goes to it for an access, what is used again, and what is left
// after each failure.
#include <fcntl.h>

#include "host/vulkan_fence_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint32_t kSubmits = CW_VULKAN_ADOPT_SUBMITS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE;

class VulkanFenceQueue : public VulkanFences {
protected:
  void round(std::vector<cw_fence> waits = {}) {
    ASSERT_TRUE(begin(std::move(waits)));
    ASSERT_TRUE(end());
    ASSERT_TRUE(signal_);
  }
};

TEST_F(VulkanFenceQueue, BeginWaitsAndAcquiresEndReleasesAndSignals) {
  open(kSubmits);
  EXPECT_NE(device_->capabilities() & CW_CAP_WAITS_SYNC_FILE, 0U);
  ASSERT_TRUE(begin({sync_file()}));
  ASSERT_THAT(queue().batches, SizeIs(1));
  EXPECT_THAT(queue().batches[0].waits, SizeIs(1));
  EXPECT_THAT(queue().batches[0].commands, SizeIs(1));
  ASSERT_TRUE(end());
  ASSERT_THAT(queue().batches, SizeIs(2));
  EXPECT_THAT(queue().batches[1].waits, IsEmpty());
  EXPECT_THAT(queue().batches[1].commands, SizeIs(1));
  EXPECT_NE(queue().batches[0].commands, queue().batches[1].commands);
  ASSERT_TRUE(signal_);
  EXPECT_EQ(signal_->kind, std::uint32_t{CW_FENCE_DEVICE});
  ASSERT_THAT(queue().batches[1].signals, SizeIs(1));
  EXPECT_EQ(queue().batches[1].signals[0].second, signal_->value);
  EXPECT_EQ(host_.cpu_waits(), 0U);
  release(*signal_);
}

TEST_F(VulkanFenceQueue, EndsArePutOffUntilTheNextBeginOrUntilSomebodyAsks) {
  open(kSubmits);
  ASSERT_TRUE(begin());
  queue().batches.clear();
  ASSERT_TRUE(end_unasked());
  ASSERT_TRUE(signal_);
  EXPECT_THAT(queue().batches, IsEmpty());
  ASSERT_TRUE(begin({*signal_}));
  ASSERT_THAT(queue().batches, SizeIs(1)) << "release and acquire in one";
  EXPECT_THAT(queue().batches[0].commands, SizeIs(2));
  EXPECT_THAT(queue().batches[0].waits, IsEmpty());
  ASSERT_THAT(queue().batches[0].signals, SizeIs(1));
  EXPECT_EQ(queue().batches[0].signals[0].second, signal_->value);
  const auto first = *signal_;
  ASSERT_TRUE(end_unasked());
  EXPECT_GT(signal_->value, first.value);
  wait(first);
  EXPECT_THAT(queue().batches, SizeIs(1)) << "that one is out already";
  wait(*signal_);
  EXPECT_THAT(queue().batches, SizeIs(2));
}

TEST_F(VulkanFenceQueue, ItsOwnPointsAreWaitedForByTheTimeline) {
  open(kSubmits);
  round();
  const auto first = *signal_;
  const auto imports = queue().imports;
  ASSERT_TRUE(begin({first}));
  const auto& waits = queue().batches.back().waits;
  ASSERT_THAT(waits, SizeIs(1));
  EXPECT_EQ(waits[0].second, first.value);
  EXPECT_EQ(queue().imports, imports);
  ASSERT_TRUE(end());
  EXPECT_GT(signal_->value, first.value);
}

TEST_F(VulkanFenceQueue, ARepeatedFrameMakesNothing) {
  open(kSubmits);
  round({sync_file()});
  const int made = queue().made;
  const int commands = queue().command_buffers;
  for (int i = 0; i < 200; ++i) {
    round({sync_file(), *signal_});
    cw_fence out;
    ASSERT_TRUE(export_fence(*signal_, out));
    ::close(out.fd);
    release(*signal_);
  }
  // One more than a round without an export needs.
  EXPECT_LE(queue().made, made + 1);
  EXPECT_EQ(queue().command_buffers, commands);
}

// While the device has not come to the wait, its semaphore may not take another payload.
TEST_F(VulkanFenceQueue, ASemaphoreIsNotUsedAgainBeforeItsBatchIsDone) {
  open(kSubmits);
  queue().holds = true;
  round({sync_file()});
  const auto first = queue().batches[0].waits[0].first;
  round({sync_file()});
  EXPECT_NE(queue().batches[2].waits[0].first, first);
  queue().run();
  const int made = queue().made;
  round({sync_file()});
  EXPECT_EQ(queue().made, made);
  queue().run();
}

TEST_F(VulkanFenceQueue, KeptMemoryIsNotTransferred) {
  open(kSubmits);
  attached_->view().sync->keep(device_->raw(), attachment_, 1);
  round();
  EXPECT_THAT(queue().batches[0].commands, SizeIs(1)) << "it has to be acquired once";
  EXPECT_THAT(queue().batches[1].commands, IsEmpty());
  queue().batches.clear();
  ASSERT_TRUE(begin());
  EXPECT_THAT(queue().batches, IsEmpty()) << "nothing to wait for, nothing to acquire";
  ASSERT_TRUE(begin({*signal_}));
  ASSERT_THAT(queue().batches, SizeIs(1)) << "a timeline wait alone";
  EXPECT_THAT(queue().batches[0].commands, IsEmpty());
  attached_->view().sync->keep(device_->raw(), attachment_, 0);
  ASSERT_TRUE(end());
  EXPECT_THAT(queue().batches.back().commands, IsEmpty()) << "another access still has it";
  ASSERT_TRUE(end());
  EXPECT_THAT(queue().batches.back().commands, SizeIs(1));
}

TEST_F(VulkanFenceQueue, ReadersShareOneTransfer) {
  open(kSubmits);
  ASSERT_TRUE(begin());
  ASSERT_TRUE(begin());
  EXPECT_THAT(queue().batches, SizeIs(1));
  ASSERT_TRUE(end());
  EXPECT_THAT(queue().batches.back().commands, IsEmpty());
  ASSERT_TRUE(end());
  EXPECT_THAT(queue().batches.back().commands, SizeIs(1));
}

TEST_F(VulkanFenceQueue, APendingPointTimesOutAndThenIsThere) {
  open(kSubmits);
  queue().holds = true;
  round();
  const auto pending = wait(*signal_);
  EXPECT_EQ(pending.status, CW_TIMED_OUT);
  EXPECT_THAT(pending.text, HasSubstr("was not done by the deadline"));
  queue().run();
  EXPECT_TRUE(wait(*signal_));
}

TEST_F(VulkanFenceQueue, AnExportWaitsForThePointOnTheQueue) {
  open(kSubmits);
  round();
  queue().batches.clear();
  const auto before = open_descriptors().size();
  cw_fence out;
  ASSERT_TRUE(export_fence(*signal_, out));
  EXPECT_EQ(out.kind, std::uint32_t{CW_FENCE_SYNC_FILE});
  ASSERT_THAT(queue().batches, SizeIs(1));
  ASSERT_THAT(queue().batches[0].waits, SizeIs(1));
  EXPECT_EQ(queue().batches[0].waits[0].second, signal_->value);
  EXPECT_THAT(queue().batches[0].commands, IsEmpty());
  EXPECT_EQ(open_descriptors().size(), before + 1);
  EXPECT_EQ(::fcntl(out.fd, F_GETFD), FD_CLOEXEC);
  ::close(out.fd);
}

TEST_F(VulkanFenceQueue, AnExportOfWhatIsDoneMayHaveNoDescriptor) {
  open(kSubmits);
  round();
  queue().exports_none = true;
  cw_fence out;
  EXPECT_EQ(export_fence(*signal_, out).status, CW_UNSUPPORTED);
}

TEST_F(VulkanFenceQueue, WithoutSyncFdTheHostWaitsAndNothingIsExported) {
  queue().sync_fd = false;
  open(kSubmits);
  EXPECT_EQ(device_->capabilities() & CW_CAP_WAITS_SYNC_FILE, 0U);
  round();
  cw_fence out;
  const auto refused = export_fence(*signal_, out);
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("SYNC_FD"));
}

TEST_F(VulkanFenceQueue, WithoutTimelinesTheCpuWaitsAtTheEndAndItIsCounted) {
  open(CW_VULKAN_ADOPT_SUBMITS);
  EXPECT_EQ(device_->capabilities() & CW_CAP_WAITS_SYNC_FILE, 0U);
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("no timeline semaphores")));
  ASSERT_TRUE(begin());
  ASSERT_TRUE(end());
  EXPECT_FALSE(signal_) << "it is done already";
  EXPECT_EQ(host_.cpu_waits(), 1U);
}

TEST_F(VulkanFenceQueue, ARefusedSyncFileIsWaitedForOnTheCpu) {
  for (const bool closes : {false, true}) {
    SCOPED_TRACE(closes ? "a driver that closes" : "a driver that leaves");
    queue().closes = [closes](VkResult) { return closes; };
    // What it does is learnt when the device is opened.
    queue().import_fails = VK_ERROR_INVALID_EXTERNAL_HANDLE;
    open(kSubmits);
    round({sync_file()});
    const auto before = open_descriptors();
    const auto waits = host_.cpu_waits();
    for (int i = 0; i < 100; ++i) {
      queue().import_fails = VK_ERROR_INVALID_EXTERNAL_HANDLE;
      round({sync_file()});
      release(*signal_);
    }
    EXPECT_EQ(host_.cpu_waits(), waits + 100);
    EXPECT_EQ(open_descriptors(), before);
    attached_.reset();
    device_.reset();
  }
}

// A memfd is no sync_file, so only lavapipe is tried with one.
TEST_F(VulkanFenceQueue, AnotherDriverIsTriedWithNothingAndTakenByTheSpecification) {
  FakeDriver::instance().vendor = 0x1002;
  device_.emplace(host_, FakeDriver::words_with_fences(kSubmits));
  ASSERT_TRUE(device_->opened()) << device_->opened();
  EXPECT_EQ(queue().imports, 0);
  auto object = memory_.object();
  object.flags |= CW_OBJECT_IS_DMA_BUF;
  attached_.emplace(*device_, AttachWords(object));
  ASSERT_TRUE(attached_->outcome()) << attached_->outcome();
  attachment_ = attached_->view().attachment;
  const auto before = open_descriptors();
  queue().import_fails = VK_ERROR_INVALID_EXTERNAL_HANDLE;
  round({sync_file()});
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(VulkanFenceQueue, FailuresLeaveNothingBehindAndTheNextAccessWorks) {
  open(kSubmits);
  round({sync_file()});
  const auto before = open_descriptors();
  for (int i = 0; i < 50; ++i) {
    queue().submit_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
    EXPECT_EQ(begin({sync_file(), sync_file()}).status, CW_OUT_OF_MEMORY);
    ASSERT_TRUE(begin());
    queue().submit_fails = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    EXPECT_EQ(end().status, CW_OUT_OF_MEMORY);  // told where the fence is asked for
    ASSERT_TRUE(signal_);
    EXPECT_NE(wait(*signal_).status, CW_OUT_OF_MEMORY) << "the next who asks has it submitted";
    release(*signal_);
    round();
    cw_fence out;
    queue().submit_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
    EXPECT_EQ(export_fence(*signal_, out).status, CW_OUT_OF_MEMORY);
    release(*signal_);
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_LE(queue().semaphores, 4);
}

TEST_F(VulkanFenceQueue, WhatCannotBeMadeIsSaidWhereItIsAsked) {
  queue().create_fails = VK_SUCCESS;
  open(kSubmits);
  cw_fence out;
  round();
  queue().create_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
  EXPECT_EQ(export_fence(*signal_, out).status, CW_OUT_OF_MEMORY);
  queue().export_fails = VK_ERROR_TOO_MANY_OBJECTS;
  EXPECT_EQ(export_fence(*signal_, out).status, CW_OUT_OF_MEMORY);
  queue().commands_fail = VK_ERROR_OUT_OF_DEVICE_MEMORY;
  EXPECT_EQ(device_->attach_once(AttachWords(memory_.object())).status, CW_OUT_OF_MEMORY);
}

TEST_F(VulkanFenceQueue, ALostDeviceIsSaidToBeLostForGood) {
  open(kSubmits);
  round();
  queue().lost = true;
  EXPECT_EQ(wait(*signal_).status, CW_DEVICE_LOST);
  queue().lost = false;  // it does not come back
  EXPECT_EQ(begin().status, CW_DEVICE_LOST);
  release(*signal_);
}

TEST_F(VulkanFenceQueue, IdleIsOneBatchHoweverOftenItIsAsked) {
  open(kSubmits);
  queue().holds = true;
  round();
  const auto before = queue().batches.size();
  const auto idle = [this] {
    return attempt([&](cw_error* error) { return vulkan_table().wait_idle(device_->raw(), 0, error); });
  };
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(idle().status, CW_TIMED_OUT);
  }
  EXPECT_EQ(queue().batches.size(), before + 1);
  queue().run();
  queue().holds = false;
  EXPECT_TRUE(idle());
}

TEST_F(VulkanFenceQueue, ThereAreNoTurnsToTake) {
  open(kSubmits);
  ASSERT_TRUE(begin());
  cw_vulkan_turn_v1 out;
  const auto refused = turn(out);
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("CW_VULKAN_ADOPT_TAKES_TURNS"));
  ASSERT_TRUE(end());
}

}  // namespace
}  // namespace causeway::test
