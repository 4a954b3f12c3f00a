// SPDX-License-Identifier: Apache-2.0
//
// Callbacks as the kernel has them: added once, run once at the signal, in order, with no lock held.
#include <poll.h>

#include <atomic>
#include <thread>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

class CoreFenceCallback : public CoreTest {
protected:
  Fence import(const FakeFence& fence) {
    const UniqueFd fd(kernel.sync_file(fence));
    return must(Fence::from_sync_file(runtime(), fd.borrow()));
  }
};

TEST_F(CoreFenceCallback, EventRunsThemInOrderOnTheSignallingThread) {
  auto event = must(HostEvent::create(runtime()));
  std::vector<int> order;
  std::vector<std::thread::id> threads;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(event.fence().add_callback([&, i](int error) {
      EXPECT_EQ(error, EIO);
      order.push_back(i);
      threads.push_back(std::this_thread::get_id());
    }));
  }
  std::thread producer([&] { EXPECT_TRUE(event.signal(EIO)); });
  const auto id = producer.get_id();
  producer.join();
  EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2));
  EXPECT_THAT(threads, ::testing::Each(id));
}

TEST_F(CoreFenceCallback, NoLockIsHeldMeanwhile) {
  auto event = must(HostEvent::create(runtime()));
  const auto& fence = event.fence();
  bool ran = false;
  ASSERT_TRUE(fence.add_callback([&](int) {
    // Each of these would take the fence's lock.
    EXPECT_EQ(fence.status(), FenceStatus::Signalled);
    EXPECT_FALSE(fence.add_callback([](int) {}));
    EXPECT_FALSE(fence.remove_callback(1));
    EXPECT_TRUE(fence.wait(soon()));
    EXPECT_TRUE(fence.readiness());
    ran = true;
  }));
  EXPECT_TRUE(event.signal());
  EXPECT_TRUE(ran);
}

TEST_F(CoreFenceCallback, AddedToASignalledFenceItNeverRuns) {
  auto event = must(HostEvent::create(runtime()));
  const auto work = kernel.make_fence();
  const auto file = import(work);
  EXPECT_TRUE(event.signal());
  kernel.signal(work);
  bool ran = false;
  EXPECT_FALSE(event.fence().add_callback([&](int) { ran = true; }));
  EXPECT_FALSE(file.add_callback([&](int) { ran = true; }));
  runtime().dispatch();
  EXPECT_TRUE(file.wait(soon()));
  EXPECT_FALSE(ran);
}

TEST_F(CoreFenceCallback, RemovedOneDoesNotRun) {
  auto event = must(HostEvent::create(runtime()));
  int ran = 0;
  const auto first = event.fence().add_callback([&](int) { ran += 1; });
  const auto second = event.fence().add_callback([&](int) { ran += 10; });
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(event.fence().remove_callback(*first));
  EXPECT_FALSE(event.fence().remove_callback(*first));
  EXPECT_TRUE(event.signal());
  EXPECT_FALSE(event.fence().remove_callback(*second));
  EXPECT_EQ(ran, 10);
}

TEST_F(CoreFenceCallback, OfTheKernelTheyRunAtDispatch) {
  const auto work = kernel.make_fence();
  const auto fence = import(work);
  int error = -1;
  ASSERT_TRUE(fence.add_callback([&](int failure) { error = failure; }));
  EXPECT_EQ(runtime().dispatch(), 0U);
  kernel.signal(work, EIO);
  EXPECT_EQ(fence.status(), FenceStatus::Failed);
  EXPECT_EQ(error, -1);  // looking runs nothing
  EXPECT_EQ(runtime().dispatch(), 1U);
  EXPECT_EQ(error, EIO);
  EXPECT_EQ(runtime().dispatch(), 0U);
}

TEST_F(CoreFenceCallback, OfTheKernelTheyRunOnWhoWaits) {
  const auto work = kernel.make_fence();
  const auto fence = import(work);
  bool ran = false;
  ASSERT_TRUE(fence.add_callback([&](int) { ran = true; }));
  kernel.signal(work);
  EXPECT_TRUE(fence.wait(soon()));
  EXPECT_TRUE(ran);
}

TEST_F(CoreFenceCallback, DispatchTellsThroughADescriptor) {
  const auto ready = must(runtime().dispatch_readiness());
  const auto is_ready = [&] {
    pollfd entry{.fd = ready.fd.get(), .events = ready.events, .revents = 0};
    return ::poll(&entry, 1, 0) > 0;
  };
  EXPECT_FALSE(is_ready());
  const auto early = kernel.make_fence();
  const auto late = kernel.make_fence();
  const auto first = import(early);
  const auto second = import(late);
  int ran = 0;
  ASSERT_TRUE(first.add_callback([&](int) { ++ran; }));
  ASSERT_TRUE(second.add_callback([&](int) { ++ran; }));
  EXPECT_FALSE(is_ready());
  kernel.signal(early);
  EXPECT_TRUE(is_ready());
  EXPECT_EQ(runtime().dispatch(), 1U);
  EXPECT_FALSE(is_ready());
  kernel.signal(late);
  EXPECT_TRUE(is_ready());
  EXPECT_EQ(runtime().dispatch(), 1U);
  EXPECT_FALSE(is_ready());
  EXPECT_EQ(ran, 2);
}

TEST_F(CoreFenceCallback, CallbackMayAddOneToAnotherFence) {
  const auto a = kernel.make_fence();
  const auto b = kernel.make_fence();
  const auto first = import(a);
  const auto second = import(b);
  bool ran = false;
  ASSERT_TRUE(first.add_callback([&](int) { ASSERT_TRUE(second.add_callback([&](int) { ran = true; })); }));
  kernel.signal(a);
  EXPECT_EQ(runtime().dispatch(), 1U);
  kernel.signal(b);
  EXPECT_EQ(runtime().dispatch(), 1U);
  EXPECT_TRUE(ran);
}

TEST_F(CoreFenceCallback, WhatNeverSignalsGoesWithTheRuntime) {
  const auto work = kernel.make_fence();
  const auto kept = std::make_shared<int>(1);
  const UniqueFd fd(kernel.sync_file(work));
  {
    auto other = make_runtime(kernel.syscalls());
    ASSERT_TRUE(must(Fence::from_sync_file(other, fd.borrow())).add_callback([kept](int) {}));
    EXPECT_EQ(kept.use_count(), 2);
  }
  EXPECT_EQ(kept.use_count(), 1);
  kernel.signal(work);
}

// A waiter, a signal, and callbacks that come and go, all at once: each callback either runs once, or was
// removed, or was told that it came too late.
TEST_F(CoreFenceCallback, EverythingMayRace) {
  for (int round = 0; round < 300; ++round) {
    auto event = must(HostEvent::create(runtime()));
    const auto fence = event.fence();
    std::atomic<int> ran{0};
    std::atomic<int> accounted{0};
    constexpr int kEach = 8;
    const auto add_and_remove = [&] {
      for (int i = 0; i < kEach; ++i) {
        const auto id = fence.add_callback([&](int) { ++ran; });
        if (!id || (i % 2 == 0 && fence.remove_callback(*id))) {
          ++accounted;
        }
      }
    };
    std::thread one(add_and_remove);
    std::thread two(add_and_remove);
    std::thread waiter([&] { EXPECT_TRUE(fence.wait(soon())); });
    std::thread signaller([&] { EXPECT_TRUE(event.signal()); });
    for (auto* thread : {&one, &two, &waiter, &signaller}) {
      thread->join();
    }
    EXPECT_EQ(ran + accounted, 2 * kEach);
  }
}

}  // namespace
}  // namespace causeway::test
