// SPDX-License-Identifier: Apache-2.0
// Timeline syncobjs of a real driver (virtio-gpu, without its 3D part), with fences that are truly pending.

#include <array>
#include <thread>

#include "guest/fence_harness.hpp"

namespace causeway::test {
namespace {

/// On each kind of node.
class SyncobjGuest : public FenceGuest, public ::testing::WithParamInterface<const char*> {
protected:
  void SetUp() override {
    FenceGuest::SetUp();
    if (IsSkipped()) {
      return;
    }
    const auto found = drm_node(GetParam(), "virtio_gpu");
    if (!found) {
      GTEST_SKIP() << "there is no " << GetParam() << " node of virtio-gpu";
    }
    path = *found;
  }
  SyncobjTimeline timeline() { return must(SyncobjTimeline::create(*runtime, path)); }
  [[nodiscard]] UniqueFd open_node() const { return UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC)); }
  static std::uint32_t make_syncobj(const UniqueFd& node) {
    drm_syncobj_create request{};
    EXPECT_EQ(::ioctl(node.get(), DRM_IOCTL_SYNCOBJ_CREATE, &request), 0);
    return request.handle;
  }
  static int signal_past_us(const UniqueFd& node, std::uint32_t handle, std::uint64_t point) {
    drm_syncobj_timeline_array request{};
    request.handles = reinterpret_cast<std::uintptr_t>(&handle);
    request.points = reinterpret_cast<std::uintptr_t>(&point);
    request.count_handles = 1;
    return ::ioctl(node.get(), DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &request);
  }

  std::string path;
};
INSTANTIATE_TEST_SUITE_P(Nodes, SyncobjGuest, ::testing::Values("card", "renderD"), name_of);

TEST_P(SyncobjGuest, PendingFencesCrossBothWaysAndStayPending) {
  const auto line = timeline();
  PendingSyncFile pending;
  ASSERT_TRUE(line.import_sync_file(sync_file(pending), 4));
  EXPECT_EQ(must(line.value()), 0U);
  EXPECT_EQ(must(line.submitted()), 4U);
  const auto point = must(line.point(4));
  const auto exported = must(line.export_sync_file(4));
  const auto ready = must(point.readiness());
  EXPECT_EQ(point.status(), FenceStatus::Pending);
  EXPECT_EQ(exported.fence().status(), FenceStatus::Pending);
  EXPECT_FALSE(shows(ready));
  EXPECT_EQ(point.wait(Deadline::in(30ms)).error().code(), Errc::TimedOut);
  const auto before = Deadline::Clock::now();
  ASSERT_TRUE(pending.signal());
  EXPECT_TRUE(shows(ready, 5s));
  EXPECT_TRUE(point.wait(Deadline::in(5s)));
  EXPECT_TRUE(exported.fence().wait(Deadline::in(5s)));
  EXPECT_EQ(must(line.value()), 4U);
  ASSERT_TRUE(point.signalled_at());
  EXPECT_GE(*point.signalled_at(), before);
}

TEST_P(SyncobjGuest, APointExportedIntoADmaBufHoldsItsReaders) {
  const auto line = timeline();
  PendingSyncFile pending;
  ASSERT_TRUE(line.import_sync_file(sync_file(pending), 1));
  const auto memory = buffer("dma_heap:system");
  const auto out = must(line.export_sync_file(1));
  ASSERT_TRUE(memory.reservation().import_into_kernel(out, FenceUsage::Write));
  EXPECT_FALSE(must(memory.reservation().test(Usage::Read)));
  ASSERT_TRUE(pending.signal());
  EXPECT_TRUE(memory.reservation().wait(Usage::Read, Deadline::in(5s)));
}

TEST_P(SyncobjGuest, APointWaitsForThoseBeforeIt) {
  const auto line = timeline();
  PendingSyncFile pending;
  ASSERT_TRUE(line.import_sync_file(sync_file(pending), 1));
  ASSERT_TRUE(line.signal(2));
  const auto second = must(line.point(2));
  EXPECT_EQ(second.status(), FenceStatus::Pending);
  ASSERT_TRUE(pending.signal());
  EXPECT_TRUE(second.wait(Deadline::in(5s)));
}

TEST_P(SyncobjGuest, ATimelineNeverGoesBackwards) {
  const auto line = timeline();
  ASSERT_TRUE(line.signal(10));
  for (const std::uint64_t behind : {3U, 10U}) {
    const auto refused = line.signal(behind);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::InvalidArgument) << refused.error().message();
  }
  EXPECT_EQ(must(line.value()), 10U);
  // Without our question the kernel says that all is well, and does nothing.
  const auto node = open_node();
  const auto raw = make_syncobj(node);
  EXPECT_EQ(signal_past_us(node, raw, 10), 0);
  EXPECT_EQ(signal_past_us(node, raw, 3), 0);
  EXPECT_EQ(must(must(SyncobjTimeline::adopt(*runtime, node.borrow(), raw)).value()), 10U);
}

TEST_P(SyncobjGuest, UnsubmittedPoints) {
  const auto line = timeline();
  const auto point = must(line.point(7));
  EXPECT_EQ(point.status(), FenceStatus::Pending);
  EXPECT_EQ(point.dup_sync_file().error().code(), Errc::WrongState);
  EXPECT_EQ(point.wait(Deadline::never()).error().code(), Errc::WrongState) << "it would wait for itself";
  EXPECT_EQ(point.wait(Deadline::now()).error().code(), Errc::TimedOut);
  const auto ready = must(point.readiness());  // SYNCOBJ_EVENTFD
  EXPECT_FALSE(shows(ready));
  std::thread submitter([&] {
    std::this_thread::sleep_for(20ms);
    EXPECT_TRUE(line.signal(7));
  });
  EXPECT_TRUE(shows(ready, 5s));
  submitter.join();
  EXPECT_EQ(point.status(), FenceStatus::Signalled);
  EXPECT_TRUE(point.dup_sync_file());
}

TEST_P(SyncobjGuest, AnAdoptedTimelinesSubmitIsWaitedFor) {
  const auto node = open_node();
  const auto handle = make_syncobj(node);
  const auto line = must(SyncobjTimeline::adopt(*runtime, node.borrow(), handle));
  const auto point = must(line.point(2));
  const auto none = point.wait(Deadline::in(20ms));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Errc::TimedOut) << none.error().message();
  std::thread owner([&] {
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(signal_past_us(node, handle, 2), 0);
  });
  EXPECT_TRUE(point.wait(Deadline::in(8s)));
  owner.join();
  const auto other = open_node();
  EXPECT_EQ(SyncobjTimeline::adopt(*runtime, other.borrow(), handle).error().code(), Errc::NotFound);
}

TEST_P(SyncobjGuest, CallbacksOfUnsubmittedPointsAreDispatched) {
  const auto line = timeline();
  int runs = 0;
  ASSERT_TRUE(must(line.point(1)).add_callback([&](int) { ++runs; }));
  const auto due = must(runtime->dispatch_readiness());
  EXPECT_FALSE(shows(due));
  ASSERT_TRUE(line.signal(1));
  EXPECT_TRUE(shows(due, 5s));
  EXPECT_EQ(runtime->dispatch(), 1U);
  EXPECT_EQ(runs, 1);
}

TEST_F(FenceGuest, VgemHasNoTimelines) {
  const auto path = drm_node("card", "vgem");
  ASSERT_TRUE(path);
  const auto line = SyncobjTimeline::create(*runtime, *path);
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().code(), Errc::Unsupported) << line.error().message();
}

}  // namespace
}  // namespace causeway::test
