// SPDX-License-Identifier: Apache-2.0
// Frames whose readers have fences pending: kept from the camera until those have signalled, without a wait.

#include <poll.h>

#include <thread>

#include "unit/v4l2_streaming.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class V4l2Fences : public V4l2Streaming {
protected:
  void SetUp() override {
    V4l2Streaming::SetUp();
    waits_before_ = runtime->counters().cpu_waits;
  }

  [[nodiscard]] HostEvent event() { return HostEvent::create(*runtime).value(); }
  static void add_reader(const v4l2::Captured& captured, const Fence& fence) {
    auto slots = captured.frame().frame().objects()[0].reservation().reserve(1);
    ASSERT_TRUE(slots);
    EXPECT_TRUE(slots->add(fence, FenceUsage::Read));
  }
  [[nodiscard]] static v4l2::Captured take(v4l2::Stream& stream) {
    return stream.next(Deadline::in(10s)).value();
  }
  [[nodiscard]] std::uint32_t driver_index(std::uint32_t frame) const {
    const auto* view = pool->frame(frame).on(*camera).native(CW_V4L2_VIEW_INTERFACE);
    return static_cast<const cw_v4l2_view*>(view)->index;
  }
  [[nodiscard]] bool is_queued(std::uint32_t frame) const {
    return std::ranges::find(driver.queued, driver_index(frame)) != driver.queued.end();
  }
  [[nodiscard]] std::uint64_t cpu_waits() const { return runtime->counters().cpu_waits - waits_before_; }
  static bool shows(const Pollable& pollable) {
    pollfd entry{.fd = pollable.fd.get(), .events = pollable.events, .revents = 0};
    return ::poll(&entry, 1, 0) == 1;
  }

private:
  std::uint64_t waits_before_ = 0;
};

TEST_F(V4l2Fences, AFrameWithAPendingReaderIsNotQueued) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  auto reading = event();
  auto captured = take(stream);
  const auto index = captured.frame().index();
  add_reader(captured, reading.fence());
  EXPECT_TRUE(captured.release()) << "letting go waits for nobody, and complains of nothing";
  for (int i = 0; i < 9; ++i) {
    EXPECT_NE(take(stream).frame().index(), index);
    EXPECT_FALSE(is_queued(index));
  }
  ASSERT_TRUE(reading.signal());
  bool came_back = false;
  for (int i = 0; i < 4 && !came_back; ++i) {
    came_back = take(stream).frame().index() == index;
  }
  EXPECT_TRUE(came_back);
  EXPECT_EQ(cpu_waits(), 0U);
}

TEST_F(V4l2Fences, AFenceOfTheKernelsIsSeenToo) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  auto captured = take(stream);
  const auto index = captured.frame().index();
  const auto fence = kernel.make_fence("a reader that a driver knows of");
  const auto fd = captured.frame().frame().objects()[0].dup_fd().value();
  ASSERT_TRUE(kernel.add_fence(fd.get(), fence, false));
  EXPECT_TRUE(captured.release());
  for (int i = 0; i < 9; ++i) {
    EXPECT_NE(take(stream).frame().index(), index);
  }
  kernel.signal(fence);
  (void)take(stream);
  EXPECT_TRUE(is_queued(index));
  EXPECT_EQ(cpu_waits(), 0U);
}

/// What the reader would have found, had the frame been given to the driver at once.
TEST_F(V4l2Fences, WithoutBeingKeptAsideTheFrameIsPaintedOverUnderItsReader) {
  const auto* table = v4l2::detail::table_of(*camera).value();
  for (const bool kept_aside : {true, false}) {
    auto stream = v4l2::Stream::start(*camera, *pool).value();
    auto reading = event();
    auto captured = take(stream);
    const auto* view =
        static_cast<const cw_v4l2_view*>(captured.frame().on(*camera).native(CW_V4L2_VIEW_INTERFACE));
    const auto fd = captured.frame().frame().objects()[0].dup_fd().value();
    const auto first = kernel.device_bytes(fd.get())[0];
    add_reader(captured, reading.fence());
    if (kept_aside) {
      ASSERT_TRUE(captured.release());
    } else {
      ASSERT_EQ(table->queue(camera->raw(), view->index, view->ticket, nullptr), CW_OK);
    }
    for (int i = 0; i < 4; ++i) {
      (void)stream.next(Deadline::in(1s));  // the bypassed frame confuses the stream; that is its point
    }
    EXPECT_EQ(kernel.device_bytes(fd.get())[0] == first, kept_aside);
    ASSERT_TRUE(reading.signal());
    ASSERT_TRUE(stream.stop());
  }
}

TEST_F(V4l2Fences, TheNextFrameComesAsSoonAsAReaderIsDone) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  std::vector<HostEvent> readers;
  readers.reserve(3);
  for (int i = 0; i < 3; ++i) {
    readers.push_back(event());
    auto captured = take(stream);
    add_reader(captured, readers.back().fence());
    EXPECT_TRUE(captured.release());
  }
  EXPECT_TRUE(driver.queued.empty());
  const auto none = stream.next(Deadline::in(20ms));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Errc::TimedOut);
  EXPECT_THAT(none.error().message(), HasSubstr("3 frames that were given back are kept from the camera"));
  std::thread device([&] {
    std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(readers[1].signal());
  });
  const auto captured = stream.next(Deadline::in(10s));
  device.join();
  ASSERT_TRUE(captured) << captured.error().message();
  EXPECT_EQ(captured->frame().index(), 1U);
  EXPECT_EQ(cpu_waits(), 0U);
}

TEST_F(V4l2Fences, AFrameLetGoWhileSomebodyWaitsIsWaitedForToo) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  std::vector<v4l2::Captured> held;
  held.reserve(3);
  for (int i = 0; i < 3; ++i) {
    held.push_back(take(stream));
  }
  auto reading = event();
  std::thread consumer([&] {
    std::this_thread::sleep_for(10ms);
    add_reader(held[2], reading.fence());
    EXPECT_TRUE(held[2].release());
    std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(reading.signal());
  });
  const auto captured = stream.next(Deadline::in(10s));
  consumer.join();
  ASSERT_TRUE(captured) << captured.error().message();
  EXPECT_EQ(captured->frame().index(), 2U);
}

TEST_F(V4l2Fences, ReadinessTellsOfCameraAndFences) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  EXPECT_EQ(stream.readiness().value().size(), 1U) << "the camera's own";
  std::vector<v4l2::Captured> held;
  held.reserve(3);
  for (int i = 0; i < 3; ++i) {
    held.push_back(take(stream));
  }
  EXPECT_TRUE(stream.readiness().value().empty()) << "only consumers can help";
  auto reading = event();
  add_reader(held[0], reading.fence());
  EXPECT_TRUE(held[0].release());
  {
    const auto all = stream.readiness().value();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_FALSE(shows(all[0]));
    ASSERT_TRUE(reading.signal());
    EXPECT_TRUE(shows(all[0]));
  }
  const auto captured = stream.next(Deadline::now());
  EXPECT_TRUE(captured || is_queued(0)) << "next() had something to do";
  ASSERT_TRUE(stream.stop());
  EXPECT_EQ(stream.readiness().error().code(), Errc::WrongState);
}

TEST_F(V4l2Fences, AReaderThatFailsLetsTheFrameGo) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  std::optional<HostEvent> reading = event();
  auto captured = take(stream);
  add_reader(captured, reading->fence());
  EXPECT_TRUE(captured.release());
  (void)take(stream);
  EXPECT_FALSE(is_queued(0));
  reading.reset();  // given up: ECANCELED
  (void)take(stream);
  EXPECT_TRUE(is_queued(0));
}

TEST_F(V4l2Fences, StoppedWithFramesAsideAndStartedAgain) {
  auto reading = event();
  {
    auto stream = v4l2::Stream::start(*camera, *pool).value();
    auto captured = take(stream);
    add_reader(captured, reading.fence());
    EXPECT_TRUE(captured.release());
    EXPECT_TRUE(stream.stop());
    const auto stopped = stream.next(Deadline::in(10s));
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code(), Errc::WrongState);
  }
  auto again = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(driver.queued.size(), 2U) << "the frame that is still read joins later";
  EXPECT_FALSE(is_queued(0));
  ASSERT_TRUE(reading.signal());
  (void)take(*again);
  EXPECT_TRUE(is_queued(0));
  EXPECT_EQ(cpu_waits(), 0U);
}

TEST_F(V4l2Fences, AStreamMayStartWithEveryFrameAside) {
  auto reading = event();
  for (std::uint32_t i = 0; i < pool->size(); ++i) {
    auto slots = pool->frame(i).frame().objects()[0].reservation().reserve(1).value();
    ASSERT_TRUE(slots.add(reading.fence(), FenceUsage::Read));
  }
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream) << stream.error().message();
  EXPECT_TRUE(driver.queued.empty());
  ASSERT_TRUE(reading.signal());
  EXPECT_TRUE(stream->next(Deadline::in(10s)));
}

TEST_F(V4l2Fences, AVanishedCameraIsReportedThoughEveryFrameIsAside) {
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  auto reading = event();
  for (int i = 0; i < 3; ++i) {
    auto captured = take(stream);
    add_reader(captured, reading.fence());
    EXPECT_TRUE(captured.release());
  }
  driver.gone = true;
  const auto begun = Deadline::Clock::now();
  const auto next = stream.next(Deadline::in(60s));
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code(), Errc::DeviceLost);
  EXPECT_THAT(next.error().message(), AllOf(HasSubstr("/dev/video0"), HasSubstr("gone")));
  EXPECT_LT(Deadline::Clock::now() - begun, 30s);
  EXPECT_TRUE(stream.stop());
  EXPECT_TRUE(reading.signal());
}

TEST_F(V4l2Fences, TheCaptureItselfIsAFence) {
  driver.corrupt_frames = 1;
  auto stream = v4l2::Stream::start(*camera, *pool).value();
  {
    const auto corrupt = take(stream);
    EXPECT_EQ(corrupt.fence().status(), FenceStatus::Failed);
    EXPECT_EQ(corrupt.fence().error(), EIO);
  }
  const auto captured = take(stream);
  const auto fence = captured.fence();
  EXPECT_EQ(fence.kind(), FenceKind::HostEvent);
  EXPECT_EQ(fence.status(), FenceStatus::Signalled);
  EXPECT_TRUE(fence.wait(Deadline::now()));
  ASSERT_TRUE(fence.signalled_at());
  EXPECT_EQ(*fence.signalled_at(), captured.timestamp()) << "the camera's time, not that of asking";
}

TEST_F(V4l2Stream, EachCallMayFailWithAFrameAside) {
  for (const int reason : {EMFILE, ENODEV, EINTR, EAGAIN}) {
    for_each_failing_call(reason, [&](const std::string& failing) {
      auto runtime = make_runtime();
      const auto camera = runtime ? v4l2::open(*runtime, "/dev/video0") : Result<Device>(runtime.error());
      if (!camera) {
        return;
      }
      const auto pool = runtime->negotiate(kYuyv).with(*camera, Usage::Capture).allocate(2);
      auto stream = pool ? v4l2::Stream::start(*camera, *pool) : Result<v4l2::Stream>(pool.error());
      auto reading = HostEvent::create(*runtime).value();
      if (!stream) {
        EXPECT_FALSE(stream.error().detail().empty()) << failing;
        return;
      }
      if (auto captured = stream->next(Deadline::in(200ms))) {
        if (auto slots = captured->frame().frame().objects()[0].reservation().reserve(1)) {
          EXPECT_TRUE(slots->add(reading.fence(), FenceUsage::Read));
        }
        (void)captured->release();
      }
      (void)stream->readiness();
      (void)stream->next(Deadline::in(200ms));
      EXPECT_TRUE(reading.signal());
      const auto last = stream->next(Deadline::in(200ms));
      if (!last) {
        EXPECT_FALSE(last.error().detail().empty()) << failing;
        EXPECT_NE(reason, EINTR) << failing << ": " << last.error().message();
      }
    });
  }
}

}  // namespace
}  // namespace causeway::test
