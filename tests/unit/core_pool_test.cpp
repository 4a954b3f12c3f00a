// SPDX-License-Identifier: Apache-2.0
//
// FramePool: frames that are lent and come back, and what each device sees of them.
#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <set>
#include <thread>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

class CorePool : public CoreTest {
protected:
  FramePool pool_of(std::uint32_t count, const std::vector<Device>& devices = {}) {
    auto negotiation = runtime().negotiate({.format = formats::kNV12, .width = 64, .height = 64});
    for (const auto& device : devices) {
      negotiation.with(device, Usage::ReadWrite);
    }
    return must(negotiation.allocate(count));
  }
};

TEST_F(CorePool, FramesAreAsPlanned) {
  const auto device = open("dma,stride_align=256");
  const auto pool = pool_of(3, {device});
  ASSERT_EQ(pool.size(), 3U);
  EXPECT_EQ(pool.plan().layout.planes[0].stride, 256U);
  std::set<std::uint64_t> inodes;
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    const auto frame = pool.frame(i);
    EXPECT_EQ(frame.index(), i);
    EXPECT_EQ(frame.frame().layout(), pool.plan().layout);
    inodes.insert(frame.frame().objects()[0].id().inode);
    EXPECT_GE(frame.frame().objects()[0].size(), pool.plan().object_sizes[0]);
  }
  EXPECT_EQ(inodes.size(), 3U) << "each frame is a dma-buf of its own, with fences of its own";
}

TEST_F(CorePool, LentFramesAreDifferentOnes) {
  auto pool = pool_of(3);
  std::set<std::uint32_t> indices;
  std::vector<FrameLease> leases;
  for (int i = 0; i < 3; ++i) {
    leases.push_back(must(pool.acquire(Deadline::now())));
    indices.insert(leases.back()->index());
  }
  EXPECT_EQ(indices.size(), 3U);
  EXPECT_TRUE(fails_with(pool.acquire(Deadline::now()), Errc::TimedOut, {"3"}));
  const auto before = Deadline::Clock::now();
  EXPECT_TRUE(fails_with(pool.acquire(Deadline::in(std::chrono::milliseconds(10))), Errc::TimedOut));
  EXPECT_GE(Deadline::Clock::now() - before, std::chrono::milliseconds(10));
  const auto returned = leases[1]->index();
  leases.erase(leases.begin() + 1);
  EXPECT_EQ(must(pool.acquire(Deadline::now()))->index(), returned);
}

TEST_F(CorePool, LongestIdleFrameComesFirst) {
  auto pool = pool_of(2);
  const auto first = must(pool.acquire(Deadline::now()))->index();
  const auto second = must(pool.acquire(Deadline::now()))->index();
  EXPECT_NE(first, second) << "a frame just let go may still be read by somebody";
  EXPECT_EQ(must(pool.acquire(Deadline::now()))->index(), first);
}

TEST_F(CorePool, MovedLeaseIsGivenBackOnce) {
  auto pool = pool_of(2);
  auto a = must(pool.acquire(Deadline::now()));
  {
    const auto b = std::move(a);
    EXPECT_EQ(b->index(), 0U);
    EXPECT_EQ(must(pool.acquire(Deadline::now()))->index(), 1U);
    EXPECT_EQ(must(pool.acquire(Deadline::now()))->index(), 1U) << "the other one is on loan";
  }
  const auto c = must(pool.acquire(Deadline::now()));
  EXPECT_EQ(c->index(), 0U);
  const auto d = must(pool.acquire(Deadline::now()));
  EXPECT_EQ(d->index(), 1U);
  EXPECT_TRUE(fails_with(pool.acquire(Deadline::now()), Errc::TimedOut));
}

TEST_F(CorePool, FrameThatNobodyWorksOnIsPreferred) {
  auto pool = pool_of(3);
  const auto late = [&](std::uint32_t i) {
    auto event = must(HostEvent::create(runtime()));
    auto slots = must(pool.frame(i).frame().objects()[0].reservation().reserve(1));
    must(slots.add(event.fence(), FenceUsage::Read));
    return event;
  };
  auto of_first = late(0);
  auto of_second = late(1);
  EXPECT_EQ(must(pool.acquire(Deadline::now()))->index(), 2U);
  auto of_third = late(2);
  EXPECT_EQ(must(pool.acquire(Deadline::now()))->index(), 0U) << "none is idle: in turn";
  must(of_third.signal());
  EXPECT_EQ(must(pool.acquire(Deadline::now()))->index(), 2U) << "it is asked for what has signalled since";
  must(of_first.signal());
  must(of_second.signal());
}

TEST_F(CorePool, MoreFramesThanAWordHasBits) {
  constexpr std::uint32_t kCount = 130;
  auto pool = pool_of(kCount);
  std::vector<FrameLease> leases;
  std::set<std::uint32_t> indices;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    leases.push_back(must(pool.acquire(Deadline::now())));
    indices.insert(leases.back()->index());
  }
  EXPECT_EQ(indices.size(), kCount);
  EXPECT_TRUE(fails_with(pool.acquire(Deadline::now()), Errc::TimedOut, {"130"}));
  for (const std::uint32_t i : {3U, 70U, 129U}) {
    leases.erase(std::find_if(leases.begin(), leases.end(),
                              [i](const FrameLease& lease) { return lease->index() == i; }));
    leases.push_back(must(pool.acquire(Deadline::now())));
    EXPECT_EQ(leases.back()->index(), i);
  }
}

TEST_F(CorePool, AssigningOverALeaseGivesItsFrameBackAtOnce) {
  auto pool = pool_of(2);
  auto a = must(pool.acquire(Deadline::now()));
  auto b = must(pool.acquire(Deadline::now()));
  a = std::move(b);
  auto c = pool.acquire(Deadline::now());
  EXPECT_TRUE(c) << "the frame that a had is on loan to nobody";
}

TEST_F(CorePool, LeaseMayBeLetGoOnAnotherThread) {
  auto pool = pool_of(1);
  auto lease = must(pool.acquire(Deadline::now()));
  std::jthread consumer([lease = std::move(lease)] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(lease->index(), 0U);
  });
  EXPECT_TRUE(pool.acquire(soon())) << "waited for the other thread";
}

// For ThreadSanitizer too: a frame is lent to one at a time.
TEST_F(CorePool, ThreadsShareAPool) {
  auto pool = pool_of(2);
  std::array<std::atomic<int>, 2> holders{};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        auto mine = pool;
        for (int i = 0; i < 200; ++i) {
          const auto lease = must(mine.acquire(soon()));
          EXPECT_EQ(holders.at(lease->index())++, 0);
          holders.at(lease->index())--;
        }
      });
    }
  }
  EXPECT_EQ(must(pool.acquire(Deadline::now()))->frame().objects().size(), 1U);
}

// For ThreadSanitizer too: whoever comes last, with a handle or with a frame, takes the pool away, once.
TEST_F(CorePool, LastOneOutEndsThePool) {
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> ready{0};
    std::vector<std::jthread> threads;
    {
      auto pool = pool_of(3);
      for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&ready, mine = std::optional(pool)]() mutable {
          auto lease = must(mine->acquire(soon()));  // one of the four waits for another's frame
          ++ready;
          mine.reset();
          while (ready < 3) {
            std::this_thread::yield();
          }
        });
      }
    }
    threads.clear();
    ASSERT_EQ(kernel.live_dma_bufs(), 0U);
  }
}

TEST_F(CorePool, LeaseKeepsThePoolAlive) {
  std::optional<FrameLease> lease;
  {
    const auto device = open("dma");
    auto pool = pool_of(2, {device});
    lease.emplace(must(pool.acquire(Deadline::now())));
  }
  EXPECT_EQ(kernel.live_dma_bufs(), 2U);
  auto access = must((*lease)->frame().begin_cpu_access(Usage::Write, soon()));
  EXPECT_TRUE(access.end());
  lease.reset();
  EXPECT_EQ(kernel.live_dma_bufs(), 0U);
}

TEST_F(CorePool, EachDeviceOfTheNegotiationHasItsView) {
  const auto one = open("dma");
  const auto other = open("via-cpu");
  const auto stranger = open("dma");
  const auto pool = pool_of(2, {one, other});
  for (std::uint32_t i = 0; i < 2; ++i) {
    const auto frame = pool.frame(i);
    EXPECT_TRUE(frame.on(one).valid());
    EXPECT_TRUE(frame.on(other).valid());
    EXPECT_NE(frame.on(one).native(kDmaView), frame.on(other).native(kDmaView));
    EXPECT_EQ(frame.on(one).import_path(), "dma-buf");
    EXPECT_EQ(frame.on(other).import_path(), "host-pointer");
    EXPECT_FALSE(frame.on(stranger).valid());
    EXPECT_TRUE(fails_with(frame.on(stranger).begin_access(Usage::Read, soon()), Errc::WrongState,
                           {"no part in this negotiation"}));
  }
  ASSERT_EQ(pool.report().imports.size(), 2U);
  EXPECT_EQ(pool.report().imports[0].device, "test device dma");
  EXPECT_EQ(pool.report().imports[1].device, "test device via-cpu");
}

TEST_F(CorePool, SlotOfAClosedDeviceGoesToTheNext) {
  const auto keeps = open("dma");
  std::optional<Device> closed = open("dma");
  const auto slot = closed->slot();
  const auto pool = pool_of(1, {keeps});
  closed.reset();
  const auto next = open("dma");
  EXPECT_EQ(next.slot(), slot);
  EXPECT_FALSE(pool.frame(0).on(next).valid());
}

TEST_F(CorePool, DeviceOfThePoolStaysOpenWhileItLives) {
  std::optional<Device> device = open("dma");
  const auto slot = device->slot();
  const auto pool = pool_of(1, {*device});
  device.reset();
  const auto next = open("dma");
  EXPECT_NE(next.slot(), slot) << "its place is taken: the pool holds it";
  EXPECT_FALSE(pool.frame(0).on(next).valid());
}

TEST_F(CorePool, DeviceWorksOnEveryPlane) {
  const auto device = open("dma,objects=2");
  const auto pool = pool_of(1, {device});
  const auto frame = pool.frame(0);
  ASSERT_EQ(frame.frame().objects().size(), 2U);
  const auto& view = *static_cast<const DmaView*>(frame.on(device).native(kDmaView));
  ASSERT_EQ(view.object_count(), 2U);
  const std::array chroma{std::byte{0x80}};
  auto access = must(frame.on(device).begin_access(Usage::Write, soon()));
  EXPECT_TRUE(view.write(1, 5, chroma));
  EXPECT_TRUE(access.end());
  auto look = must(frame.frame().begin_cpu_access(Usage::Read, soon()));
  EXPECT_EQ(look.plane(1)[5], chroma[0]);
  EXPECT_TRUE(look.end());
}

TEST_F(CorePool, DevicesSayWhyTheyRefuseToBeAsked) {
  const auto device = open("dma,fail_query=7");
  EXPECT_TRUE(fails_with(runtime().negotiate(FrameDesc::bytes(kPage)).with(device, Usage::Read).allocate(1),
                         Errc::Busy, {"dma,fail_query=7", "told to fail"}));
}

// ---- Several runtimes

TEST_F(CorePool, TwoRuntimesWorkSideBySide) {
  auto other = make_runtime(kernel.syscalls());
  const auto here = open("dma");
  const auto there = must(other.open_device("testdma", {.id = "dma"}));
  EXPECT_NE(here.slot(), there.slot()) << "places count for the whole process";
  const auto mine = pool_of(1, {here});
  const auto theirs =
      must(other.negotiate(FrameDesc::bytes(kPage)).with(there, Usage::ReadWrite).allocate(1));
  auto access = must(mine.frame(0).on(here).begin_access(Usage::Write, soon()));
  auto at_the_same_time = must(theirs.frame(0).on(there).begin_access(Usage::Write, soon()));
  EXPECT_TRUE(access.end());
  EXPECT_TRUE(at_the_same_time.end());
}

TEST_F(CorePool, DeviceOfAnotherRuntimeIsRefused) {
  auto other = make_runtime(kernel.syscalls());
  const auto stranger = must(other.open_device("testdma", {.id = "dma"}));
  EXPECT_TRUE(fails_with(buffer().attach(stranger, Usage::Read), Errc::InvalidArgument, {"runtime"}));
  EXPECT_TRUE(fails_with(frame_over({buffer()}).attach(stranger, Usage::Read), Errc::InvalidArgument));
  EXPECT_TRUE(fails_with(runtime().negotiate(FrameDesc::bytes(kPage)).with(stranger, Usage::Read).allocate(1),
                         Errc::InvalidArgument, {"runtime"}));
}

// "For a device that took no part in the negotiation, a mapping that is not valid", and a device of another
// runtime never has the place of one that did.
TEST_F(CorePool, DeviceOfAnotherRuntimeSeesNothing) {
  auto other = make_runtime(kernel.syscalls());
  const auto device = open("dma");
  const auto stranger = must(other.open_device("testdma", {.id = "dma"}));
  ASSERT_NE(stranger.slot(), device.slot());
  const auto pool = pool_of(1, {device});
  EXPECT_TRUE(pool.frame(0).on(device).valid());
  EXPECT_FALSE(pool.frame(0).on(stranger).valid());
}

TEST_F(CorePool, DeviceIsNamedOnce) {
  const auto device = open("dma");
  EXPECT_TRUE(fails_with(runtime()
                             .negotiate(FrameDesc::bytes(kPage))
                             .with(device, Usage::Read)
                             .with(device, Usage::Write)
                             .allocate(1),
                         Errc::InvalidArgument, {"named twice"}));
}

}  // namespace
}  // namespace causeway::test
