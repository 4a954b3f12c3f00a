// SPDX-License-Identifier: Apache-2.0
// A real camera, and readers of its frames whose fences are truly pending (vgem's).

#include <poll.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "guest/v4l2_vivid.hpp"
#include "guest/vgem_fence.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class V4l2GuestFences : public V4l2Guest {
protected:
  void SetUp() override {
    V4l2Guest::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    if (!Vgem::is_there()) {
      GTEST_SKIP() << "there is no vgem, which makes fences that are truly pending";
    }
    if (const auto reason = why_no(kHeap)) {
      GTEST_SKIP() << *reason;
    }
    camera = v4l2::open(*runtime, kSinglePlanar).value();
    pool = allocate(*camera, formats::kYUYV, 3).value();
    waits_before_ = runtime->counters().cpu_waits;
  }
  void TearDown() override {
    pool.reset();
    camera.reset();
    V4l2Guest::TearDown();
  }

  using Bytes = std::array<std::byte, 16>;
  /// What a device would read there now: past all turns, as it does while its fence is pending.
  static Bytes peek(const CpuRange& view) {
    Bytes bytes{};
    std::memcpy(bytes.data(), view.bytes().data(), bytes.size());
    return bytes;
  }
  /// Marks a frame with what the camera never paints there.
  static void mark(const v4l2::Captured& captured) {
    auto access = captured.frame().frame().begin_cpu_access(Usage::Write, Deadline::in(5s));
    ASSERT_TRUE(access) << access.error().message();
    std::memset(access->plane(0).data(), 0x5a, sizeof(Bytes));
    EXPECT_TRUE(access->end());
  }
  static v4l2::Captured take(v4l2::Stream& stream) { return stream.next(Deadline::in(8s)).value(); }
  /// The fence of a device that reads the frame.
  static PendingFence reader_of(const v4l2::Captured& captured) {
    const auto fd = captured.frame().frame().objects()[0].dup_fd().value();
    return {fd.borrow(), false};
  }
  [[nodiscard]] std::uint64_t cpu_waits() const { return runtime->counters().cpu_waits - waits_before_; }

  std::optional<Device> camera;
  std::optional<FramePool> pool;

private:
  std::uint64_t waits_before_ = 0;
};

TEST_F(V4l2GuestFences, AFrameWithAPendingReaderIsNotQueued) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  auto captured = take(stream);
  const auto index = captured.frame().index();
  const auto view = captured.frame().frame().objects()[0].mmap(0, 4096).value();
  mark(captured);
  const auto before = peek(view);
  auto reader = reader_of(captured);
  EXPECT_TRUE(captured.release());
  for (int i = 0; i < 9; ++i) {
    EXPECT_NE(take(stream).frame().index(), index);
  }
  EXPECT_EQ(peek(view), before) << "the camera painted over what a device still reads";
  ASSERT_TRUE(reader.signal()) << "it expired before the frames came";
  bool came_back = false;
  for (int i = 0; i < 9 && !came_back; ++i) {
    came_back = take(stream).frame().index() == index;
  }
  EXPECT_TRUE(came_back);
  EXPECT_NE(peek(view), before);
  EXPECT_EQ(cpu_waits(), 0U);
}

/// The same without being kept aside: QBUF takes it, and the camera paints.
TEST_F(V4l2GuestFences, TheDriverItselfWaitsForNoReader) {
  const auto* table = v4l2::detail::table_of(*camera).value();
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  auto captured = take(stream);
  const auto* native =
      static_cast<const cw_v4l2_view*>(captured.frame().on(*camera).native(CW_V4L2_VIEW_INTERFACE));
  const auto view = captured.frame().frame().objects()[0].mmap(0, 4096).value();
  mark(captured);
  const auto before = peek(view);
  auto reader = reader_of(captured);
  ASSERT_EQ(table->queue(camera->raw(), native->index, native->ticket, nullptr), CW_OK);
  for (int i = 0; i < 8 && peek(view) == before; ++i) {
    (void)stream.next(Deadline::in(5s));
  }
  EXPECT_NE(peek(view), before) << "then the test above would prove nothing";
  EXPECT_TRUE(reader.signal()) << "and that under a reader whose fence was pending";
}

TEST_F(V4l2GuestFences, TheNextFrameComesAsSoonAsAReaderIsDone) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  std::vector<PendingFence> readers;
  for (int i = 0; i < 3; ++i) {
    auto captured = take(stream);
    readers.push_back(reader_of(captured));
    EXPECT_TRUE(captured.release());
  }
  const auto none = stream.next(Deadline::in(50ms));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Errc::TimedOut);
  EXPECT_THAT(none.error().message(), HasSubstr("3 frames that were given back are kept from the camera"));
  std::thread device([&] {
    std::this_thread::sleep_for(50ms);
    for (auto& reader : readers) {
      EXPECT_TRUE(reader.signal());
    }
  });
  const auto captured = stream.next(Deadline::in(8s));
  device.join();
  EXPECT_TRUE(captured) << captured.error().message();
  EXPECT_EQ(cpu_waits(), 0U);
}

TEST_F(V4l2GuestFences, AProgramsOwnPollLoop) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  std::optional<PendingFence> reader;
  std::vector<std::uint32_t> order;
  const auto until = Deadline::in(9s);
  while (order.size() < 8 && until.left() > 0s) {
    const auto all = stream.readiness().value();
    ASSERT_FALSE(all.empty());
    std::vector<pollfd> entries;
    entries.reserve(all.size());
    for (const auto& one : all) {
      entries.push_back({.fd = one.fd.get(), .events = one.events, .revents = 0});
    }
    ASSERT_GT(::poll(entries.data(), entries.size(), 5'000), 0);
    auto captured = stream.next(Deadline::now());
    if (!captured) {
      EXPECT_EQ(captured.error().code(), Errc::TimedOut) << captured.error().message();
      continue;
    }
    order.push_back(captured->frame().index());
    if (order.size() == 1) {
      reader = reader_of(*captured);
    } else if (order.size() == 4) {
      EXPECT_EQ(std::ranges::count(order, order.front()), 1) << "its reader is not done";
      EXPECT_TRUE(reader->signal());
    }
  }
  EXPECT_EQ(order.size(), 8U);
  EXPECT_GT(std::ranges::count(order, order.front()), 1) << "it came back";
  EXPECT_EQ(cpu_waits(), 0U);
}

TEST_F(V4l2GuestFences, StoppedWithAFrameAside) {
  std::optional<PendingFence> reader;
  {
    auto stream = v4l2::Stream::start(*camera, *pool).value();
    auto captured = take(stream);
    reader = reader_of(captured);
    EXPECT_TRUE(captured.release());
    EXPECT_TRUE(stream.stop());
  }
  auto again = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(again) << again.error().message();
  for (int i = 0; i < 4; ++i) {
    EXPECT_NE(take(*again).frame().index(), 0U);
  }
  ASSERT_TRUE(reader->signal());
  bool joined = false;
  for (int i = 0; i < 9 && !joined; ++i) {
    joined = take(*again).frame().index() == 0;
  }
  EXPECT_TRUE(joined);
}

TEST_F(V4l2GuestFences, TheCaptureIsAFenceWithTheCamerasTime) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  const auto captured = take(stream);
  const auto fence = captured.fence();
  EXPECT_EQ(fence.status(), FenceStatus::Signalled);
  ASSERT_TRUE(fence.signalled_at());
  EXPECT_EQ(*fence.signalled_at(), captured.timestamp());
}

TEST_F(V4l2GuestFences, UnboundWithEveryFrameAsideEndsInOneSentence) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root unbinds a driver";
  }
  std::vector<PendingFence> readers;
  {
    auto stream = v4l2::Stream::start(*camera, *pool).value();
    for (int i = 0; i < 3; ++i) {
      auto captured = take(stream);
      readers.push_back(reader_of(captured));
      EXPECT_TRUE(captured.release());
    }
    std::thread unplug([] {
      std::this_thread::sleep_for(100ms);
      EXPECT_TRUE(write_file("/sys/bus/platform/drivers/vivid/unbind", "vivid.0"));
    });
    const auto begun = Deadline::Clock::now();
    const auto next = stream.next(Deadline::in(30s));
    unplug.join();
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().code(), Errc::DeviceLost) << next.error().message();
    EXPECT_THAT(next.error().message(), AllOf(HasSubstr(kSinglePlanar), HasSubstr("gone")));
    EXPECT_LT(Deadline::Clock::now() - begun, 8s) << "before the fences expire";
  }
  readers.clear();
  pool.reset();
  camera.reset();
  EXPECT_TRUE(write_file("/sys/bus/platform/drivers/vivid/bind", "vivid.0"));
  const auto begun = Deadline::Clock::now();
  while (::access(kMultiPlanar, F_OK) != 0 && Deadline::Clock::now() - begun < 10s) {
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_TRUE(v4l2::open(*runtime, kSinglePlanar));
}

}  // namespace
}  // namespace causeway::test
