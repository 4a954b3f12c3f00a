// SPDX-License-Identifier: Apache-2.0
// Events of programs on the fake driver: a batch waits for a point that the event's signal reaches, whatever
// comes in between.
#include <cerrno>
#include <chrono>
#include <thread>

#include "host/vulkan_fence_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::uint32_t kSubmits = CW_VULKAN_ADOPT_SUBMITS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE;
constexpr std::uint32_t kTurns = CW_VULKAN_ADOPT_TAKES_TURNS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE;

class VulkanFenceEvent : public VulkanFences {
protected:
  /// An access whose work waits for the event, ended.
  void round(const cw_fence& event) {
    ASSERT_TRUE(begin({event}));
    ASSERT_TRUE(end());
    ASSERT_TRUE(signal_);
  }
  Outcome probe(std::int64_t deadline_ns) {
    std::array<std::byte, 4> bytes{};
    auto words = plugin::sized<cw_probe>();
    words.size = bytes.size();
    words.data = bytes.data();
    words.deadline_ns = deadline_ns;
    return attempt([&](cw_error* error) {
      return vulkan_table().probe_write(device_->raw(), attachment_, &words, error);
    });
  }
};

TEST_F(VulkanFenceEvent, TheQueueWaitsForItAndNoThreadDoes) {
  open(kSubmits);
  EXPECT_NE(device_->capabilities() & CW_CAP_WAITS_HOST_EVENT, 0U);
  const auto event = host_.make_event();
  ASSERT_TRUE(begin({event}));
  ASSERT_THAT(queue().batches, SizeIs(1)) << "submitted before the event";
  EXPECT_THAT(queue().batches[0].waits, SizeIs(1));
  ASSERT_TRUE(end());
  EXPECT_EQ(wait(*signal_).status, CW_TIMED_OUT);
  EXPECT_EQ(queue().signals, 0);
  host_.signal(event);
  EXPECT_EQ(queue().signals, 1);
  EXPECT_TRUE(wait(*signal_));
  EXPECT_EQ(host_.cpu_waits(), 0U);
}

TEST_F(VulkanFenceEvent, WhatHasSignalledIsNotWaitedFor) {
  open(kSubmits);
  const auto event = host_.make_event();
  host_.signal(event);
  ASSERT_TRUE(begin({event}));
  EXPECT_THAT(queue().batches[0].waits, IsEmpty());
  ASSERT_TRUE(end());
  EXPECT_TRUE(wait(*signal_));
}

// That the bytes are no good is told by the host, which keeps the fence.
TEST_F(VulkanFenceEvent, OneThatFailsLetsTheQueueGo) {
  open(kSubmits);
  const auto event = host_.make_event();
  round(event);
  host_.signal(event, EIO);
  EXPECT_TRUE(wait(*signal_));
}

TEST_F(VulkanFenceEvent, TheySignalInAnyOrder) {
  open(kSubmits);
  std::vector<cw_fence> events;
  std::vector<cw_fence> ends;
  for (int i = 0; i < 3; ++i) {
    events.push_back(host_.make_event());
    round(events.back());
    ends.push_back(*signal_);
  }
  host_.signal(events[2]);
  host_.signal(events[0]);
  EXPECT_TRUE(wait(ends[0]));
  EXPECT_EQ(wait(ends[1]).status, CW_TIMED_OUT);
  EXPECT_EQ(wait(ends[2]).status, CW_TIMED_OUT) << "the queue is in order";
  host_.signal(events[1]);
  EXPECT_TRUE(wait(ends[2]));
}

TEST_F(VulkanFenceEvent, ARepeatedFrameMakesNothing) {
  open(kSubmits);
  int made = 0;
  for (int i = 0; i < 200; ++i) {
    const std::array<cw_fence, 2> events{host_.make_event(), host_.make_event()};
    ASSERT_TRUE(begin({events[0], events[1]}));
    ASSERT_TRUE(end());
    for (const auto& event : events) {
      host_.signal(event);
    }
    EXPECT_TRUE(wait(*signal_));
    release(*signal_);
    if (i == 0) {
      made = queue().made;
    }
  }
  EXPECT_EQ(queue().made, made);
}

TEST_F(VulkanFenceEvent, OneThatIsGivenAtTheEndIsPartOfIt) {
  open(kSubmits);
  ASSERT_TRUE(begin());
  const auto event = host_.make_event();
  ASSERT_TRUE(end_unasked({event}));
  EXPECT_EQ(wait(*signal_).status, CW_TIMED_OUT);
  host_.signal(event);
  EXPECT_TRUE(wait(*signal_));
  EXPECT_EQ(host_.cpu_waits(), 0U);
}

// The fake driver keeps books on the specification's rule; the fixture looks at them.
TEST_F(VulkanFenceEvent, NoSyncFileIsMadeBehindOne) {
  open(kSubmits);
  ASSERT_TRUE(begin());
  ASSERT_TRUE(end());
  const auto earlier = *signal_;
  const auto event = host_.make_event();
  round(event);
  cw_fence out;
  for (const auto& fence : {*signal_, earlier}) {  // the batch of an export comes behind the wait in any case
    const auto refused = export_fence(fence, out);
    EXPECT_EQ(refused.status, CW_UNSUPPORTED);
    EXPECT_THAT(refused.text, HasSubstr("waits for an event that a program signals"));
  }
  host_.signal(event);
  ASSERT_TRUE(export_fence(*signal_, out));
  ::close(out.fd);
}

TEST_F(VulkanFenceEvent, NoProbeIsPutBehindOne) {
  open(kSubmits);
  const auto event = host_.make_event();
  round(event);
  const auto before = queue().batches.size();
  const auto refused = probe(0);
  EXPECT_EQ(refused.status, CW_TIMED_OUT);
  EXPECT_THAT(refused.text, HasSubstr("waits for an event of a program"));
  EXPECT_THAT(queue().batches, SizeIs(before));
  std::thread program([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    host_.signal(event);
  });
  EXPECT_TRUE(probe(soon_ns()));
  program.join();
}

TEST_F(VulkanFenceEvent, DetachingGivesUpWhatNobodyHasSignalled) {
  open(kSubmits);
  const auto event = host_.make_event();
  round(event);
  attachment_ = nullptr;
  attached_.reset();
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("the waits are given up")));
  EXPECT_EQ(queue().signals, 1);
  EXPECT_TRUE(wait(*signal_));
  host_.signal(event);
  EXPECT_EQ(queue().signals, 1) << "too late to matter";
}

TEST_F(VulkanFenceEvent, AnEventThatOutlivesTheDeviceTellsNobody) {
  open(kSubmits);
  const auto event = host_.make_event();
  round(event);
  attachment_ = nullptr;
  attached_.reset();
  device_.reset();
  host_.signal(event);
  EXPECT_EQ(queue().signals, 1);
}

TEST_F(VulkanFenceEvent, NothingIsGivenUpWhereNothingIsPending) {
  open(kSubmits);
  const auto event = host_.make_event();
  round(event);
  host_.signal(event);
  attachment_ = nullptr;
  attached_.reset();
  EXPECT_THAT(host_.messages(), Not(Contains(HasSubstr("given up"))));
}

TEST_F(VulkanFenceEvent, ASignalThatFailsIsTriedAgain) {
  open(kSubmits);
  const auto event = host_.make_event();
  round(event);
  const auto first = *signal_;
  queue().signal_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
  host_.signal(event);
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("vkSignalSemaphore failed")));
  EXPECT_EQ(wait(first).status, CW_TIMED_OUT);
  const auto next = host_.make_event();
  ASSERT_TRUE(begin({next}));
  EXPECT_TRUE(wait(first));
  ASSERT_TRUE(end());
  host_.signal(next);
  EXPECT_TRUE(wait(*signal_));
}

TEST_F(VulkanFenceEvent, WithoutASemaphoreTheCpuWaits) {
  open(kSubmits);
  const auto event = host_.make_event();
  queue().create_fails = VK_ERROR_OUT_OF_DEVICE_MEMORY;
  ASSERT_TRUE(begin({event}));
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("the CPU waits instead of the device")));
  EXPECT_EQ(host_.cpu_waits(), 1U);
  ASSERT_TRUE(end());
  host_.signal(event);
  EXPECT_EQ(queue().signals, 0);
}

TEST_F(VulkanFenceEvent, AHostThatCannotTellWaitsByItself) {
  host_.be_old();
  open(kSubmits);
  EXPECT_EQ(device_->capabilities() & CW_CAP_WAITS_HOST_EVENT, 0U);
}

TEST_F(VulkanFenceEvent, WithoutTimelinesTheHostWaitsCounted) {
  open(CW_VULKAN_ADOPT_SUBMITS);
  EXPECT_EQ(device_->capabilities() & CW_CAP_WAITS_HOST_EVENT, 0U);
  ASSERT_TRUE(begin({host_.make_event()}));
  EXPECT_EQ(host_.cpu_waits(), 1U);
  EXPECT_THAT(queue().batches.back().waits, IsEmpty());
  ASSERT_TRUE(end());
}

TEST_F(VulkanFenceEvent, ATurnHasItAmongItsWaits) {
  open(kTurns);
  EXPECT_NE(device_->capabilities() & CW_CAP_WAITS_HOST_EVENT, 0U);
  const auto event = host_.make_event();
  ASSERT_TRUE(begin({event}));
  cw_vulkan_turn_v1 taken;
  ASSERT_TRUE(turn(taken));
  ASSERT_EQ(taken.wait_count, 1U);
  const auto wait = taken.waits[0];
  EXPECT_LT(queue().value(wait.semaphore), wait.value);
  ASSERT_TRUE(end());
  host_.signal(event);
  EXPECT_EQ(queue().value(wait.semaphore), wait.value);
  EXPECT_EQ(host_.cpu_waits(), 0U);
}

TEST_F(VulkanFenceEvent, ATurnsSyncFileIsNotMadeBehindOneEither) {
  open(kTurns | CW_VULKAN_ADOPT_MAY_SUBMIT);
  const auto event = host_.make_event();
  ASSERT_TRUE(begin({event}));
  cw_vulkan_turn_v1 taken;
  ASSERT_TRUE(turn(taken));
  ASSERT_TRUE(end());
  cw_fence out;
  const auto refused = export_fence(*signal_, out);
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("waits for an event that a program signals"));
  EXPECT_THAT(queue().batches, IsEmpty());
  host_.signal(event);
}

TEST_F(VulkanFenceEvent, AMappingThatGoesGivesUpItsTurnsWaits) {
  open(kTurns);
  const auto event = host_.make_event();
  ASSERT_TRUE(begin({event}));
  cw_vulkan_turn_v1 taken;
  ASSERT_TRUE(turn(taken));
  const auto wait = taken.waits[0];
  ASSERT_TRUE(end());
  attachment_ = nullptr;
  attached_.reset();
  EXPECT_EQ(queue().value(wait.semaphore), wait.value) << "or the caller's submission never ended";
  host_.signal(event);
}

}  // namespace
}  // namespace causeway::test
