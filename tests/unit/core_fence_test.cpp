// SPDX-License-Identifier: Apache-2.0
//
// Fences of the kernel and of programs: how they end, who is told, and what is no fence at all.
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

class CoreFence : public CoreTest {
protected:
  Fence import(const FakeFence& fence, Producer producer = Producer::Unknown) {
    const UniqueFd fd(kernel.sync_file(fence));
    return must(Fence::from_sync_file(runtime(), fd.borrow(), producer));
  }
  static bool readable(const Pollable& what) {
    pollfd entry{.fd = what.fd.get(), .events = what.events, .revents = 0};
    return ::poll(&entry, 1, 0) > 0;
  }
};

TEST_F(CoreFence, SyncFileSignalsOnceAndForGood) {
  const auto work = kernel.make_fence("blit");
  const auto fence = import(work);
  EXPECT_EQ(fence.kind(), FenceKind::SyncFile);
  EXPECT_EQ(fence.status(), FenceStatus::Pending);
  const auto ready = must(fence.readiness());
  EXPECT_FALSE(readable(ready));
  EXPECT_TRUE(fails_with(fence.wait(Deadline::now()), Errc::TimedOut));
  kernel.signal(work);
  EXPECT_TRUE(readable(ready));
  EXPECT_EQ(fence.status(), FenceStatus::Signalled);
  EXPECT_TRUE(fence.wait(Deadline::now()));
  EXPECT_EQ(fence.error(), 0);
}

TEST_F(CoreFence, WaitEndsWhenItIsSignalled) {
  const auto work = kernel.make_fence();
  const auto fence = import(work);
  std::thread device([&] { kernel.signal(work); });
  EXPECT_TRUE(fence.wait(soon()));
  device.join();
}

TEST_F(CoreFence, WaitsAreCountedOnlyIfTheyWait) {
  const auto work = kernel.make_fence();
  const auto fence = import(work);
  const auto before = runtime().counters();
  EXPECT_FALSE(fence.wait(Deadline::now()));
  EXPECT_EQ((runtime().counters() - before).cpu_waits, 1U);
  kernel.signal(work);
  EXPECT_TRUE(fence.wait(soon()));
  EXPECT_EQ((runtime().counters() - before).cpu_waits, 1U);
}

TEST_F(CoreFence, FailureOfTheWorkIsTold) {
  const auto work = kernel.make_fence();
  const auto fence = import(work);
  kernel.signal(work, EIO);
  EXPECT_EQ(fence.status(), FenceStatus::Failed);
  EXPECT_EQ(fence.error(), EIO);
  const auto waited = fence.wait(soon());
  EXPECT_TRUE(fails_with(waited, Errc::Io, {"EIO"}));
}

TEST_F(CoreFence, WhatIsNoSyncFileIsRefused) {
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  const UniqueFd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const auto memory = buffer();
  const auto dma_buf = must(memory.fd());
  for (const int fd : {-1, 9999, event.get(), file.get(), dma_buf.get()}) {
    EXPECT_TRUE(fails_with(Fence::from_sync_file(runtime(), BorrowedFd(fd)), Errc::InvalidArgument,
                           {std::to_string(fd), "sync_file"}))
        << fd;
    EXPECT_TRUE(fails_with(Fence::from_event(runtime(), BorrowedFd(fd)), Errc::InvalidArgument,
                           {std::to_string(fd), "dup_event"}))
        << fd;
  }
}

TEST_F(CoreFence, DefaultMadeIsNone) {
  const Fence none;
  EXPECT_FALSE(none.valid());
  EXPECT_EQ(none.status(), FenceStatus::Signalled);
  EXPECT_TRUE(none.wait(Deadline::now()));
  EXPECT_TRUE(fails_with(none.readiness(), Errc::InvalidArgument));
  EXPECT_TRUE(fails_with(none.dup_sync_file(), Errc::InvalidArgument));
  EXPECT_FALSE(none.add_callback([](int) {}));
}

TEST_F(CoreFence, EventIsSignalledByItsProducer) {
  auto event = must(HostEvent::create(runtime()));
  const auto fence = event.fence();
  EXPECT_EQ(fence.kind(), FenceKind::HostEvent);
  EXPECT_TRUE(fails_with(fence.wait(Deadline::in(std::chrono::milliseconds(1))), Errc::TimedOut));
  EXPECT_FALSE(fence.signalled_at());
  const auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(event.signal());
  EXPECT_EQ(fence.status(), FenceStatus::Signalled);
  ASSERT_TRUE(fence.signalled_at());
  EXPECT_GE(*fence.signalled_at(), before);
  EXPECT_TRUE(fails_with(event.signal(), Errc::WrongState, {"once"}));
}

TEST_F(CoreFence, EventWakesWhoWaits) {
  auto event = must(HostEvent::create(runtime()));
  std::thread producer([&] { EXPECT_TRUE(event.signal()); });
  EXPECT_TRUE(event.fence().wait(soon()));
  producer.join();
}

TEST_F(CoreFence, DroppedEventFailsInsteadOfHanging) {
  Fence fence;
  {
    auto event = must(HostEvent::create(runtime()));
    fence = event.fence();
    const auto moved = std::move(event);
    EXPECT_EQ(fence.status(), FenceStatus::Pending);
  }
  EXPECT_EQ(fence.error(), ECANCELED);
  EXPECT_TRUE(fails_with(fence.wait(soon()), Errc::Io, {"ECANCELED"}));
}

TEST_F(CoreFence, ErrorOfAnEventIsAnErrno) {
  auto event = must(HostEvent::create(runtime()));
  EXPECT_TRUE(fails_with(event.signal(-1), Errc::InvalidArgument, {"-1"}));
  EXPECT_TRUE(fails_with(event.signal(5000), Errc::InvalidArgument, {"5000"}));
  EXPECT_TRUE(event.signal(EIO));
  EXPECT_EQ(event.fence().error(), EIO);
}

TEST_F(CoreFence, ReadinessOfAnEventIsADescriptor) {
  for (const int error : {0, EIO, 4095}) {
    auto event = must(HostEvent::create(runtime()));
    const auto early = must(event.fence().readiness());
    EXPECT_FALSE(readable(early));
    EXPECT_TRUE(event.signal(error));
    EXPECT_TRUE(readable(early));
    EXPECT_TRUE(readable(must(event.fence().readiness())));
  }
}

TEST_F(CoreFence, EventCrossesAsADescriptor) {
  auto event = must(HostEvent::create(runtime()));
  const auto crossing = must(event.fence().dup_event());
  const auto there = must(Fence::from_event(runtime(), crossing.borrow()));
  const auto also_there = must(Fence::from_event(runtime(), crossing.borrow()));
  EXPECT_EQ(there.status(), FenceStatus::Pending);
  EXPECT_TRUE(event.signal(EIO));
  EXPECT_EQ(there.error(), EIO);
  EXPECT_EQ(also_there.error(), EIO);  // looking takes nothing away from others
  EXPECT_EQ(must(Fence::from_event(runtime(), crossing.borrow())).error(), EIO);
}

TEST_F(CoreFence, ProducerThatDiedIsSeen) {
  // What is left of a killed process: a pipe with nobody at its writing end.
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  UniqueFd writing(ends[1]);
  const UniqueFd reading(ends[0]);
  const auto fence = must(Fence::from_event(runtime(), reading.borrow()));
  EXPECT_EQ(fence.status(), FenceStatus::Pending);
  writing.reset();
  EXPECT_EQ(fence.error(), EOWNERDEAD);
  EXPECT_TRUE(fails_with(fence.wait(soon()), Errc::Io, {"gone", "EOWNERDEAD"}));
}

TEST_F(CoreFence, OnlyTheKernelSignalsSyncFiles) {
  auto event = must(HostEvent::create(runtime()));
  EXPECT_TRUE(fails_with(event.fence().dup_sync_file(), Errc::Unsupported, {"dup_event"}));
  EXPECT_TRUE(fails_with(SyncFile::of(event.fence()), Errc::Unsupported));
  const auto work = kernel.make_fence();
  const auto fence = import(work);
  EXPECT_TRUE(fails_with(fence.dup_event(), Errc::Unsupported, {"sync_file"}));
  const auto file = must(SyncFile::of(fence));
  EXPECT_EQ(file.fence(), fence);
  kernel.signal(work);
}

TEST_F(CoreFence, TimelineGoesForwards) {
  auto timeline = must(HostTimeline::create(runtime()));
  const auto first = must(timeline.point(1));
  const auto third = must(timeline.point(3));
  EXPECT_EQ(first.context(), timeline.context());
  EXPECT_EQ(third.sequence(), 3U);
  EXPECT_EQ(must(timeline.point(3)), third);
  EXPECT_TRUE(timeline.signal(2));
  EXPECT_EQ(timeline.value(), 2U);
  EXPECT_EQ(first.status(), FenceStatus::Signalled);
  EXPECT_EQ(third.status(), FenceStatus::Pending);
  EXPECT_TRUE(fails_with(timeline.signal(2), Errc::InvalidArgument, {"2", "backwards"}));
  EXPECT_TRUE(fails_with(timeline.signal(1), Errc::InvalidArgument, {"1", "2"}));
  EXPECT_EQ(must(timeline.point(2)).status(), FenceStatus::Signalled);
  EXPECT_TRUE(timeline.signal(3, EIO));
  EXPECT_EQ(third.error(), EIO);
}

TEST_F(CoreFence, TimelineThatGoesLeavesNobodyWaiting) {
  Fence point;
  {
    auto timeline = must(HostTimeline::create(runtime()));
    point = must(timeline.point(9));
  }
  EXPECT_EQ(point.error(), ECANCELED);
}

TEST_F(CoreFence, SharedWithItsRuntimesProcessOnly) {
  auto event = must(HostEvent::create(runtime()));
  const auto other = make_runtime(kernel.syscalls());
  auto foreign = must(HostEvent::create(const_cast<Runtime&>(other)));
  const std::array both{event.fence(), foreign.fence()};
  EXPECT_TRUE(fails_with(Fence::merge(both), Errc::InvalidArgument, {"different runtimes"}));
}

// ---- Merging

TEST_F(CoreFence, MergedOfTheKernelsSignalsWithTheLast) {
  const auto a = kernel.make_fence("a");
  const auto b = kernel.make_fence("b");
  const std::array both{import(a), import(b)};
  const auto merged = must(Fence::merge(both));
  EXPECT_EQ(merged.kind(), FenceKind::SyncFile);
  kernel.signal(a);
  EXPECT_EQ(merged.status(), FenceStatus::Pending);
  kernel.signal(b, EIO);
  EXPECT_EQ(merged.error(), EIO);
}

TEST_F(CoreFence, MergedOfEventsSignalsWithTheLast) {
  auto a = must(HostEvent::create(runtime()));
  auto b = must(HostEvent::create(runtime()));
  const std::array both{a.fence(), b.fence()};
  const auto merged = must(Fence::merge(both));
  EXPECT_EQ(merged.kind(), FenceKind::HostEvent);
  EXPECT_TRUE(b.signal(EIO));
  EXPECT_EQ(merged.status(), FenceStatus::Pending);
  EXPECT_TRUE(a.signal());
  EXPECT_EQ(merged.error(), EIO);
}

TEST_F(CoreFence, MergeLeavesOutWhatIsCovered) {
  auto timeline = must(HostTimeline::create(runtime()));
  const auto work = kernel.make_fence();
  const auto done = import(work);
  kernel.signal(work);
  const std::array fences{must(timeline.point(2)), must(timeline.point(5)), must(timeline.point(3)), done};
  const auto merged = must(Fence::merge(fences));
  EXPECT_EQ(merged, fences[1]);
  EXPECT_TRUE(timeline.signal(5));
  EXPECT_FALSE(must(Fence::merge(fences)).valid());
  EXPECT_FALSE(must(Fence::merge({})).valid());
}

TEST_F(CoreFence, MergeRefusesBothWorlds) {
  auto event = must(HostEvent::create(runtime()));
  const auto work = kernel.make_fence();
  const std::array mixed{event.fence(), import(work)};
  EXPECT_TRUE(fails_with(Fence::merge(mixed), Errc::Unsupported, {"list"}));
  // Nobody would tell the whole when another process signals its part.
  const auto crossing = must(event.fence().dup_event());
  const std::array remote{event.fence(), must(Fence::from_event(runtime(), crossing.borrow()))};
  EXPECT_TRUE(fails_with(Fence::merge(remote), Errc::Unsupported, {"another process", "list"}));
  const std::array none{Fence()};
  EXPECT_TRUE(fails_with(Fence::merge(none), Errc::InvalidArgument));
  kernel.signal(work);
}

TEST_F(CoreFence, EachCallThatFailsIsToldAndLeavesNothing) {
  for (const int failure : {EMFILE, ENOMEM, EINTR, EAGAIN}) {
    for_each_failing_call(failure, [&](const std::string& failing) {
      const auto work = kernel.make_fence();
      const UniqueFd fd(kernel.sync_file(work));
      const auto attempt = [&]() -> Status {
        auto fence = Fence::from_sync_file(runtime(), fd.borrow());
        if (!fence) {
          return std::move(fence.error());
        }
        auto event = HostEvent::create(runtime());
        if (!event) {
          return std::move(event.error());
        }
        auto crossing = event->fence().dup_event();
        if (!crossing) {
          return std::move(crossing.error());
        }
        auto there = Fence::from_event(runtime(), crossing->borrow());
        if (!there) {
          return std::move(there.error());
        }
        if (auto signalled = event->signal(); !signalled) {
          return signalled;
        }
        if (auto waited = there->wait(soon()); !waited) {
          return waited;
        }
        kernel.signal(work);
        return fence->wait(soon());
      };
      const auto result = attempt();
      if (failing.empty() || failure == EINTR) {
        EXPECT_TRUE(result) << result.error().message();
      } else if (!result) {
        EXPECT_TRUE(is_told(result.error()));
      }
      if (!work.signalled()) {
        kernel.signal(work);
      }
    });
  }
}

}  // namespace
}  // namespace causeway::test
