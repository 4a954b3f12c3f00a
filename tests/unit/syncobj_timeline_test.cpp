// SPDX-License-Identifier: Apache-2.0
// Timelines of the kernel's: what is submitted, signalled, imported and exported, and in which order.

#include <array>
#include <thread>

#include "unit/syncobj_harness.hpp"

namespace causeway::test {
namespace {

using namespace std::chrono_literals;

TEST_F(SyncobjTest, PointsSignalInTheirOrder) {
  const auto line = timeline();
  EXPECT_EQ(must(line.value()), 0U);
  const auto fifth = must(line.point(5));
  EXPECT_EQ(fifth.kind(), FenceKind::SyncobjPoint);
  EXPECT_EQ(fifth.context(), line.context());
  EXPECT_EQ(fifth.sequence(), 5U);
  EXPECT_EQ(fifth.status(), FenceStatus::Pending);
  ASSERT_TRUE(line.signal(5));
  EXPECT_EQ(must(line.value()), 5U);
  EXPECT_EQ(fifth.status(), FenceStatus::Signalled);
  EXPECT_TRUE(fifth.wait(Deadline::now()));
  EXPECT_EQ(must(line.point(3)).status(), FenceStatus::Signalled) << "a timeline at 5 has passed 3";
  EXPECT_EQ(must(line.point(6)).status(), FenceStatus::Pending);
  EXPECT_EQ(runtime().counters().cpu_waits, 0U);
}

TEST_F(SyncobjTest, APointZeroIsRefused) {
  const auto line = timeline();
  EXPECT_TRUE(fails_with(line.point(0), Errc::InvalidArgument, {"begin at 1"}));
  EXPECT_TRUE(fails_with(line.export_sync_file(0), Errc::InvalidArgument));
}

TEST_F(SyncobjTest, ATimelineNeverGoesBackwards) {
  const auto line = timeline();
  ASSERT_TRUE(line.signal(10));
  const auto asked = kernel.count(ioctl_name(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL));
  EXPECT_TRUE(fails_with(line.signal(3), Errc::InvalidArgument, {"point 3", "point 10", "backwards"}));
  EXPECT_TRUE(fails_with(line.signal(10), Errc::InvalidArgument, {"point 10"}));
  const auto fence = kernel.make_fence();
  EXPECT_TRUE(fails_with(line.import_sync_file(sync_file(fence), 9), Errc::InvalidArgument, {"backwards"}));
  EXPECT_EQ(kernel.count(ioctl_name(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL)), asked);
  // Without the question: the kernel says that all is well, and does nothing.
  const auto node = open_card();
  const auto raw = foreign_syncobj(node);
  EXPECT_EQ(signal_past_us(node, raw, 10), 0);
  EXPECT_EQ(signal_past_us(node, raw, 3), 0);
  EXPECT_EQ(must(must(SyncobjTimeline::adopt(runtime(), node.borrow(), raw)).value()), 10U);
}

TEST_F(SyncobjTest, BehindAPendingPointIsBackwardsToo) {
  const auto line = timeline();
  const auto fence = kernel.make_fence();
  ASSERT_TRUE(line.import_sync_file(sync_file(fence), 10));
  EXPECT_EQ(must(line.value()), 0U);
  EXPECT_EQ(must(line.submitted()), 10U);
  EXPECT_TRUE(fails_with(line.signal(5), Errc::InvalidArgument, {"point 10"}));
}

TEST_F(SyncobjTest, PendingFencesCrossBothWaysAndStayPending) {
  const auto line = timeline();
  const auto fence = kernel.make_fence();
  ASSERT_TRUE(line.import_sync_file(sync_file(fence), 4));
  const auto point = must(line.point(4));
  const auto exported = must(line.export_sync_file(4));
  const auto ready = must(point.readiness());
  EXPECT_EQ(point.status(), FenceStatus::Pending);
  EXPECT_EQ(exported.fence().status(), FenceStatus::Pending);
  EXPECT_FALSE(shows(ready));
  EXPECT_TRUE(fails_with(point.wait(Deadline::in(5ms)), Errc::TimedOut));
  kernel.signal(fence);
  EXPECT_TRUE(shows(ready));
  EXPECT_EQ(point.status(), FenceStatus::Signalled);
  EXPECT_EQ(exported.fence().status(), FenceStatus::Signalled);
  EXPECT_EQ(must(line.value()), 4U);
}

TEST_F(SyncobjTest, APointWaitsForThoseBeforeIt) {
  const auto line = timeline();
  const auto fence = kernel.make_fence();
  ASSERT_TRUE(line.import_sync_file(sync_file(fence), 1));
  ASSERT_TRUE(line.signal(2));
  const auto second = must(line.point(2));
  EXPECT_EQ(second.status(), FenceStatus::Pending);
  kernel.signal(fence);
  EXPECT_EQ(second.status(), FenceStatus::Signalled);
}

TEST_F(SyncobjTest, TheFailureOfTheWorkIsTold) {
  const auto line = timeline();
  const auto fence = kernel.make_fence();
  ASSERT_TRUE(line.import_sync_file(sync_file(fence), 1));
  const auto point = must(line.point(1));
  EXPECT_EQ(point.status(), FenceStatus::Pending);
  kernel.signal(fence, EIO);
  EXPECT_EQ(point.status(), FenceStatus::Failed);
  EXPECT_EQ(point.error(), EIO);
  EXPECT_TRUE(fails_with(point.wait(soon()), Errc::Io));
}

TEST_F(SyncobjTest, PointsOfOneTimelineMergeIntoTheLatest) {
  const auto line = timeline();
  const auto first = kernel.make_fence();
  const auto second = kernel.make_fence();
  ASSERT_TRUE(line.import_sync_file(sync_file(first), 1));
  ASSERT_TRUE(line.import_sync_file(sync_file(second), 2));
  const std::array both{must(line.point(2)), must(line.point(1))};
  const auto merged = must(Fence::merge(both));
  EXPECT_EQ(merged, both[0]) << "the later one speaks for both";
  kernel.signal(second);
  EXPECT_EQ(merged.status(), FenceStatus::Pending);
  kernel.signal(first);
  EXPECT_EQ(merged.status(), FenceStatus::Signalled);
}

TEST_F(SyncobjTest, CallbacksRunWhenDispatched) {
  const auto line = timeline();
  int runs = 0;
  ASSERT_TRUE(must(line.point(1)).add_callback([&](int error) {
    EXPECT_EQ(error, 0);
    ++runs;
  }));
  const auto due = must(runtime().dispatch_readiness());
  EXPECT_FALSE(shows(due));
  EXPECT_EQ(runtime().dispatch(), 0U);
  ASSERT_TRUE(line.signal(1));
  EXPECT_TRUE(shows(due)) << "the eventfd of a point that was not submitted when it was asked for";
  EXPECT_EQ(runtime().dispatch(), 1U);
  EXPECT_EQ(runs, 1);
}

TEST_F(SyncobjTest, HandlesAreDestroyedByWhoMadeThem) {
  {
    const auto line = timeline();
    EXPECT_EQ(card.open_handles(), 1U);
    const auto fence = kernel.make_fence();
    ASSERT_TRUE(line.import_sync_file(sync_file(fence), 1));
    EXPECT_EQ(card.open_handles(), 1U) << "what an import needs meanwhile is gone";
    const auto point = must(line.point(1));
    EXPECT_EQ(point.status(), FenceStatus::Pending);
  }
  EXPECT_EQ(card.open_handles(), 0U);
  const auto node = open_card();
  const auto handle = foreign_syncobj(node);
  {
    const auto line = must(SyncobjTimeline::adopt(runtime(), node.borrow(), handle));
    EXPECT_EQ(line.handle(), handle);
    ASSERT_TRUE(line.signal(1));
  }
  EXPECT_EQ(card.open_handles(), 1U) << "an adopted one stays its owner's";
  EXPECT_EQ(card.wrong_destroys(), 0U);
}

TEST_F(SyncobjTest, AFenceKeepsItsTimeline) {
  std::optional<Fence> point;
  {
    const auto line = timeline();
    ASSERT_TRUE(line.signal(1));
    point = must(line.point(1));
  }
  EXPECT_EQ(card.open_handles(), 1U);
  EXPECT_EQ(point->status(), FenceStatus::Signalled);
  point.reset();
  EXPECT_EQ(card.open_handles(), 0U);
}

TEST_F(SyncobjTest, AHandleOfAnotherFileDescriptionIsRefused) {
  const auto maker = open_card();
  const auto other = open_card();
  const auto handle = foreign_syncobj(maker);
  EXPECT_TRUE(fails_with(SyncobjTimeline::adopt(runtime(), other.borrow(), handle), Errc::NotFound,
                         {std::to_string(handle), "file description"}));
  EXPECT_TRUE(SyncobjTimeline::adopt(runtime(), maker.borrow(), handle));
}

TEST_F(SyncobjTest, NodesWithoutTimelinesAreRefused) {
  EXPECT_TRUE(fails_with(SyncobjTimeline::create(runtime(), "/dev/dri/renderD199"), Errc::NotFound));
  EXPECT_TRUE(fails_with(SyncobjTimeline::create(runtime(), "/dev/null"), Errc::Unsupported, {"DRM"}));
  EXPECT_FALSE(SyncobjTimeline::create(runtime(), BorrowedFd(-1)));
  EXPECT_FALSE(SyncobjTimeline::adopt(runtime(), BorrowedFd(-1), 1));
  card.timelines = false;
  EXPECT_TRUE(fails_with(SyncobjTimeline::create(runtime(), kCard), Errc::Unsupported,
                         {"timeline", "DRM_CAP_SYNCOBJ_TIMELINE"}));
  EXPECT_EQ(card.open_handles(), 0U);
}

TEST_F(SyncobjTest, CreatedOnTheCallersNode) {
  std::optional<SyncobjTimeline> line;
  {
    const auto node = open_card();
    line = must(SyncobjTimeline::create(runtime(), node.borrow()));
  }
  EXPECT_TRUE(line->signal(1)) << "the caller closed a descriptor of his own";
}

TEST_F(SyncobjTest, EveryCallMayFailAndNothingLeaks) {
  for (const int reason : {EIO, EMFILE, EINTR, EAGAIN}) {
    for_each_failing_call(reason, [&](const std::string& failing) {
      auto made = make_runtime(kernel.syscalls());
      const auto fence = kernel.make_fence();
      const UniqueFd fd(kernel.sync_file(fence));
      if (auto line = SyncobjTimeline::create(made, kCard)) {
        if (auto file = SyncFile::from_fd(made, fd.borrow())) {
          static_cast<void>(line->import_sync_file(*file, 1));
        }
        if (auto point = line->point(1)) {
          static_cast<void>(point->readiness());
          kernel.signal(fence);
          static_cast<void>(point->wait(Deadline::in(100ms)));
        }
        static_cast<void>(line->export_sync_file(1));
        const auto forward = line->signal(2);
        if (reason == EINTR || reason == EAGAIN) {
          EXPECT_TRUE(forward) << "a signal interrupts nobody: " << failing;
        }
      }
    });
  }
  // A destroy that fails by injection leaves its handle, once for each reason that is not repeated.
  EXPECT_LE(card.open_handles(), 8U);
  EXPECT_EQ(card.wrong_destroys(), 0U);
}

}  // namespace
}  // namespace causeway::test
