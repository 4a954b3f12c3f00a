// SPDX-License-Identifier: Apache-2.0
// Accesses that fail half way, on a queue that the backend submits to: what they had in hand is neither used
// for something else nor waited for. The fake driver keeps books on the specification's rules, and the
// fixture looks at them.
#include <chrono>
#include <future>

#include "host/vulkan_fence_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr std::uint32_t kSubmits = CW_VULKAN_ADOPT_SUBMITS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE;
constexpr std::uint32_t kTurns = CW_VULKAN_ADOPT_TAKES_TURNS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE;

class VulkanFenceFailure : public VulkanFences {
protected:
  void round() {
    ASSERT_TRUE(begin());
    ASSERT_TRUE(end());
    ASSERT_TRUE(signal_);
  }
  /// A semaphore that is signalled for others: the most recently free one is taken.
  void export_once() {
    cw_fence out;
    ASSERT_TRUE(export_fence(*signal_, out));
    ::close(out.fd);
  }
  static cw_fence unknown_fence() {
    auto fence = plugin::sized<cw_fence>();
    fence.kind = CW_FENCE_DEVICE;
    fence.handle = 999;
    return fence;
  }
  void detach() {
    attachment_ = nullptr;
    attached_.reset();
  }
  Outcome probe() {
    std::array<std::byte, 4> bytes{};
    auto words = plugin::sized<cw_probe>();
    words.size = bytes.size();
    words.data = bytes.data();
    return attempt([&](cw_error* error) {
      return vulkan_table().probe_write(device_->raw(), attachment_, &words, error);
    });
  }
  Outcome idle() {
    return attempt([&](cw_error* error) { return vulkan_table().wait_idle(device_->raw(), 0, error); });
  }
};

TEST_F(VulkanFenceFailure, WhatWasImportedAndNotWaitedForIsNeverSignalled) {
  open(kSubmits);
  round();
  EXPECT_EQ(begin({sync_file(), unknown_fence()}).status, CW_INTERNAL);
  export_once();
  queue().submit_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
  EXPECT_EQ(begin({sync_file()}).status, CW_OUT_OF_MEMORY);
  export_once();
}

TEST_F(VulkanFenceFailure, NorIsThatOfATurnThatNobodyTook) {
  open(kTurns | CW_VULKAN_ADOPT_MAY_SUBMIT);
  ASSERT_TRUE(begin());
  cw_vulkan_turn_v1 taken;
  ASSERT_TRUE(turn(taken));
  ASSERT_TRUE(end());
  queue().reach(taken.signal.semaphore, taken.signal.value);
  const auto fence = *signal_;
  ASSERT_TRUE(begin({sync_file()}));
  EXPECT_EQ(end().status, CW_WRONG_STATE);
  signal_ = fence;
  export_once();
}

// The caller's submission may be out and wait for it.
TEST_F(VulkanFenceFailure, ATakenTurnsSemaphoreIsKeptThoughItsAccessNeverEnds) {
  open(kTurns);
  ASSERT_TRUE(begin({sync_file()}));
  cw_vulkan_turn_v1 taken;
  ASSERT_TRUE(turn(taken));
  const int alive = queue().semaphores;
  detach();
  EXPECT_EQ(queue().semaphores, alive);
}

TEST_F(VulkanFenceFailure, AReleaseThatCouldNotGoOutIsForgottenWithItsAttachment) {
  open(kSubmits);
  ASSERT_TRUE(begin());
  ASSERT_TRUE(end_unasked());
  const auto point = *signal_;
  queue().cpu_waits.clear();
  queue().submit_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
  detach();
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("not given back")));
  for (const auto& [semaphore, value] : queue().cpu_waits) {
    EXPECT_LT(value, point.value) << "nobody has submitted that point";
  }
  EXPECT_TRUE(idle());  // the next submission takes the others' ends along, and none of its commands
  EXPECT_TRUE(wait(point));
}

TEST_F(VulkanFenceFailure, AnEndThatNeverGoesOutIsNotWaitedForAtTheClose) {
  open(kSubmits);
  ASSERT_TRUE(begin());
  ASSERT_TRUE(end_unasked());
  const auto point = *signal_;
  detach();
  attached_.emplace(*device_, AttachWords(memory_.object()));
  attachment_ = attached_->view().attachment;
  ASSERT_TRUE(begin());
  ASSERT_TRUE(end_unasked());
  queue().submit_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
  detach();
  queue().cpu_waits.clear();
  queue().submit_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
  device_.reset();
  for (const auto& [semaphore, value] : queue().cpu_waits) {
    EXPECT_LE(value, point.value + 1) << "the second begin's point was submitted, the second end's was not";
  }
}

// A program may ask for a fence of the device, to find out what it has to do for the wait to end.
TEST_F(VulkanFenceFailure, AFenceIsAskedForWhileAnAccessWaitsOnTheCpu) {
  queue().sync_fd = false;
  open(kSubmits);
  round();
  bool answered = false;
  std::vector<std::future<std::int32_t>> asked;  // outlives the wait: one that stands still ends after it
  host_.while_waiting = [&] {
    const auto fence = *signal_;
    asked.push_back(std::async(std::launch::async, [this, fence] { return wait(fence).status; }));
    answered = asked.back().wait_for(std::chrono::seconds(5)) == std::future_status::ready;
  };
  ASSERT_TRUE(begin({sync_file()}));
  EXPECT_TRUE(answered) << "at a begin";
  answered = false;
  ASSERT_TRUE(end_unasked({sync_file()}));
  EXPECT_TRUE(answered) << "at an end";
}

TEST_F(VulkanFenceFailure, WithoutTimelinesABatchThatTimedOutIsWaitedForBeforeTheNext) {
  open(CW_VULKAN_ADOPT_SUBMITS);
  ASSERT_TRUE(begin());
  queue().holds = true;
  EXPECT_EQ(end().status, CW_TIMED_OUT);
  const auto before = queue().batches.size();
  EXPECT_EQ(idle().status, CW_TIMED_OUT);
  EXPECT_EQ(queue().batches.size(), before) << "its fence is in use";
  queue().holds = false;
  queue().run();
  EXPECT_TRUE(idle());
  EXPECT_EQ(queue().batches.size(), before + 1);
}

TEST_F(VulkanFenceFailure, WithoutTimelinesAWaitThatFailedHasNotSeenTheEnd) {
  open(CW_VULKAN_ADOPT_SUBMITS);
  ASSERT_TRUE(begin());
  queue().holds = true;
  queue().fence_wait_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
  EXPECT_EQ(end().status, CW_OUT_OF_MEMORY);
  EXPECT_EQ(idle().status, CW_TIMED_OUT);
  queue().holds = false;
  queue().run();
  EXPECT_TRUE(idle());
}

TEST_F(VulkanFenceFailure, AProbeWhoseWaitFailedIsWaitedForBeforeTheNext) {
  open(kSubmits);
  queue().holds = true;
  queue().fence_wait_fails = VK_ERROR_OUT_OF_DEVICE_MEMORY;
  EXPECT_EQ(probe().status, CW_OUT_OF_MEMORY);
  EXPECT_EQ(probe().status, CW_TIMED_OUT);
  queue().holds = false;
  queue().run();
  EXPECT_TRUE(probe());
}

}  // namespace
}  // namespace causeway::test
