// SPDX-License-Identifier: Apache-2.0
// Points that nobody has submitted work for: who waits for them, and who must not.

#include <array>
#include <thread>

#include "unit/syncobj_harness.hpp"

namespace causeway::test {
namespace {

using namespace std::chrono_literals;

TEST_F(SyncobjTest, AnUnsubmittedPointBecomesNoSyncFile) {
  const auto line = timeline();
  const auto point = must(line.point(7));
  EXPECT_TRUE(fails_with(point.dup_sync_file(), Errc::WrongState, {"point 7", "nobody has submitted"}));
  EXPECT_TRUE(fails_with(line.export_sync_file(7), Errc::WrongState, {"submit it first"}));
  const std::array waits{point, must(timeline().point(1))};
  EXPECT_TRUE(fails_with(Fence::merge(waits), Errc::WrongState));
  EXPECT_EQ(point.status(), FenceStatus::Pending) << "to be asked is not to fail";
}

TEST_F(SyncobjTest, WaitingForOnesOwnUnsubmittedSignalIsRefused) {
  const auto line = timeline();
  const auto point = must(line.point(7));
  const auto begun = Deadline::Clock::now();
  EXPECT_TRUE(
      fails_with(point.wait(Deadline::never()), Errc::WrongState, {"point 7", "itself", "readiness"}));
  EXPECT_LT(Deadline::Clock::now() - begun, 5s) << "at once, and not at some deadline";
  EXPECT_TRUE(fails_with(point.wait(Deadline::now()), Errc::TimedOut)) << "to look is allowed";

  // The same by way of an access: nothing is begun, and the buffer stays free.
  const auto memory = buffer();
  const auto device = open("dma");
  auto attachment = must(memory.attach(device, Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Write, std::array{point}, Deadline::never()),
                         Errc::WrongState, {"point 7"}));
  ASSERT_TRUE(line.signal(7));
  auto access = must(mapping.begin_access(Usage::Write, std::array{point}, Deadline::now()));
  EXPECT_TRUE(access.end());
}

TEST_F(SyncobjTest, ReadinessWakesWhenAnotherThreadSubmits) {
  const auto line = timeline();
  const auto ready = must(must(line.point(1)).readiness());
  EXPECT_FALSE(shows(ready));
  std::thread submitter([&] {
    std::this_thread::sleep_for(5ms);
    EXPECT_TRUE(line.signal(1));
  });
  EXPECT_TRUE(shows(ready, 5'000ms));
  submitter.join();
  EXPECT_EQ(must(line.point(1)).status(), FenceStatus::Signalled);
}

TEST_F(SyncobjTest, AKernelWithoutEventfdsIsAskedOnce) {
  card.eventfds = false;
  const auto line = timeline();
  for (std::uint64_t point = 1; point < 4; ++point) {
    EXPECT_TRUE(fails_with(must(line.point(point)).readiness(), Errc::Unsupported, {"Linux 6.6"}));
  }
  EXPECT_EQ(kernel.count(ioctl_name(DRM_IOCTL_SYNCOBJ_EVENTFD)), 1U);
  ASSERT_TRUE(line.signal(3));
  EXPECT_TRUE(shows(must(must(line.point(3)).readiness()))) << "a submitted one has a sync_file";
}

TEST_F(SyncobjTest, AnAdoptedTimelinesSubmitIsWaitedFor) {
  const auto node = open_card();
  const auto handle = foreign_syncobj(node);
  const auto line = must(SyncobjTimeline::adopt(runtime(), node.borrow(), handle));
  const auto point = must(line.point(2));
  EXPECT_TRUE(
      fails_with(point.wait(Deadline::in(10ms)), Errc::TimedOut, {"nobody had submitted", "point 2"}));
  EXPECT_EQ(point.status(), FenceStatus::Pending);
  std::thread owner([&] {
    std::this_thread::sleep_for(5ms);
    EXPECT_EQ(signal_past_us(node, handle, 2), 0);
  });
  EXPECT_TRUE(point.wait(Deadline::in(10s)));
  owner.join();
}

TEST_F(SyncobjTest, ADestroyedSyncobjIsAFailureAndNoHang) {
  const auto node = open_card();
  const auto handle = foreign_syncobj(node);
  const auto point = must(must(SyncobjTimeline::adopt(runtime(), node.borrow(), handle)).point(1));
  drm_syncobj_destroy request{};
  request.handle = handle;
  ASSERT_EQ(ioctl(node, DRM_IOCTL_SYNCOBJ_DESTROY, &request), 0);
  EXPECT_TRUE(fails_with(point.wait(Deadline::never()), Errc::Io, {"gone"}));
  EXPECT_EQ(point.status(), FenceStatus::Failed);
  EXPECT_EQ(point.error(), EOWNERDEAD);
}

}  // namespace
}  // namespace causeway::test
