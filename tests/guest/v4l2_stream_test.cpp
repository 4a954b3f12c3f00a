// SPDX-License-Identifier: Apache-2.0
// Streaming from a real driver: whose turn a frame is, and what is said when the camera fails or goes.

#include <algorithm>
#include <cstring>
#include <thread>

#include "guest/v4l2_vivid.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(V4l2Guest, TwoPlanesInOneDmaBufForAFormatOfTwoAreRefused) {
  if (const auto reason = why_no(kHeap)) {
    GTEST_SKIP() << *reason;
  }
  const auto camera = v4l2::open(*runtime, kMultiPlanar);
  ASSERT_TRUE(camera);
  ASSERT_TRUE(v4l2::set_format(*camera, {.fourcc = V4L2_PIX_FMT_NV12M, .width = kWidth, .height = kHeight}));
  auto memory = runtime->allocate(kWidth * kHeight * 3 / 2, kHeap);
  ASSERT_TRUE(memory) << memory.error().message();
  const auto frame =
      Frame::create({.format = formats::kNV12,
                     .width = kWidth,
                     .height = kHeight,
                     .planes = {{.object = 0, .stride = kWidth, .offset = 0},
                                {.object = 0, .stride = kWidth, .offset = std::uint64_t{kWidth} * kHeight}}},
                    {*memory});
  ASSERT_TRUE(frame) << frame.error().message();
  const auto attached = frame->attach(*camera, Usage::Capture);
  ASSERT_FALSE(attached) << "the driver would write chroma over luma";
  EXPECT_EQ(attached.error().code(), Errc::InvalidArgument);
  EXPECT_THAT(attached.error().message(), AllOf(HasSubstr("one dma-buf"), HasSubstr("NM12")));
}

TEST_F(V4l2Guest, HeldFramesAreNotQueuedAgain) {
  if (const auto reason = why_no(kHeap)) {
    GTEST_SKIP() << *reason;
  }
  const auto camera = v4l2::open(*runtime, kSinglePlanar);
  ASSERT_TRUE(camera);
  const auto pool = allocate(*camera, formats::kYUYV, 3);
  ASSERT_TRUE(pool) << pool.error().message();
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream);
  auto held = stream->next(Deadline::in(5s));
  ASSERT_TRUE(held);
  std::array<std::byte, 64> before{};
  const auto look = [&](std::array<std::byte, 64>& into) {
    auto access = held->frame().frame().begin_cpu_access(Usage::ReadWrite, Deadline::in(5s));
    ASSERT_TRUE(access) << access.error().message();
    std::memcpy(into.data(), access->plane(0).data(), into.size());
    EXPECT_TRUE(access->end());
  };
  {
    auto access = held->frame().frame().begin_cpu_access(Usage::Write, Deadline::in(5s));
    ASSERT_TRUE(access);
    std::memset(access->plane(0).data(), 0x5a, before.size());  // what the camera would paint over
    EXPECT_TRUE(access->end());
  }
  look(before);
  for (int i = 0; i < 9; ++i) {
    const auto other = stream->next(Deadline::in(5s));
    ASSERT_TRUE(other) << other.error().message();
    EXPECT_NE(other->frame().index(), held->frame().index());
  }
  std::array<std::byte, 64> after{};
  look(after);
  EXPECT_EQ(before, after);
  EXPECT_TRUE(held->release());
  bool came_back = false;
  for (int i = 0; i < 9 && !came_back; ++i) {
    const auto other = stream->next(Deadline::in(5s));
    ASSERT_TRUE(other);
    came_back = other->frame().index() == 0;
  }
  EXPECT_TRUE(came_back);
}

TEST_F(V4l2Guest, AllFramesHeldEndsWithTheDeadline) {
  if (const auto reason = why_no(kHeap)) {
    GTEST_SKIP() << *reason;
  }
  const auto camera = v4l2::open(*runtime, kSinglePlanar);
  ASSERT_TRUE(camera);
  const auto pool = allocate(*camera, formats::kYUYV, 2);
  ASSERT_TRUE(pool) << pool.error().message();
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream);
  const auto first = stream->next(Deadline::in(5s));
  auto second = stream->next(Deadline::in(5s));
  ASSERT_TRUE(first && second);
  const auto none = stream->next(Deadline::in(100ms));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Errc::TimedOut);
  EXPECT_THAT(none.error().message(), HasSubstr("all 2 frames are held"));
  std::thread consumer([lease = std::move(*second)]() mutable {
    std::this_thread::sleep_for(50ms);
    EXPECT_TRUE(lease.release());
  });
  EXPECT_TRUE(stream->next(Deadline::in(5s)));
  consumer.join();
}

TEST_F(V4l2Guest, CorruptFramesAreMarked) {
  if (const auto reason = why_no(kHeap)) {
    GTEST_SKIP() << *reason;
  }
  const auto camera = v4l2::open(*runtime, kSinglePlanar);
  ASSERT_TRUE(camera);
  const auto pool = allocate(*camera, formats::kYUYV);
  ASSERT_TRUE(pool) << pool.error().message();
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(set_control(kSinglePlanar, "Inject V4L2_BUF_FLAG_ERROR", 1));
  int corrupt = 0;
  for (int i = 0; i < 8; ++i) {
    const auto captured = stream->next(Deadline::in(5s));
    ASSERT_TRUE(captured) << captured.error().message();
    corrupt += captured->corrupt() ? 1 : 0;
  }
  EXPECT_EQ(corrupt, 1);
}

TEST_F(V4l2Guest, AFatalErrorIsReportedAndARestartCuresIt) {
  if (const auto reason = why_no(kHeap)) {
    GTEST_SKIP() << *reason;
  }
  const auto camera = v4l2::open(*runtime, kSinglePlanar);
  ASSERT_TRUE(camera);
  const auto pool = allocate(*camera, formats::kYUYV);
  ASSERT_TRUE(pool) << pool.error().message();
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(stream->next(Deadline::in(5s)));
  ASSERT_TRUE(set_control(kSinglePlanar, "Inject Fatal Streaming Error", 1));
  const auto failed = stream->next(Deadline::in(30s));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Errc::Io) << failed.error().message();
  ASSERT_TRUE(stream->stop());
  stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream) << stream.error().message();
  EXPECT_TRUE(stream->next(Deadline::in(5s)));
}

TEST_F(V4l2Guest, ASecondProgramIsToldThatTheCameraIsBusy) {
  if (const auto reason = why_no(kHeap)) {
    GTEST_SKIP() << *reason;
  }
  const auto camera = v4l2::open(*runtime, kSinglePlanar);
  ASSERT_TRUE(camera);
  const auto pool = allocate(*camera, formats::kYUYV);
  ASSERT_TRUE(pool) << pool.error().message();
  auto other = Runtime::create();
  ASSERT_TRUE(other);
  const auto second = v4l2::open(*other, kSinglePlanar);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::Busy);
  EXPECT_THAT(second.error().message(), HasSubstr("another program"));
}

TEST_F(V4l2Guest, WrongSizesAndFormatsAreExplained) {
  const auto camera = v4l2::open(*runtime, kSinglePlanar);
  ASSERT_TRUE(camera);
  const auto size = runtime->negotiate({.format = formats::kYUYV, .width = 800, .height = 600})
                        .with(*camera, Usage::Capture)
                        .plan();
  ASSERT_FALSE(size);
  EXPECT_THAT(size.error().message(),
              AllOf(HasSubstr("800x600"), HasSubstr("640x480"), HasSubstr("1280x720")));
  const auto format = runtime->negotiate({.format = formats::kP010, .width = 640, .height = 480})
                          .with(*camera, Usage::Capture)
                          .plan();
  ASSERT_FALSE(format);
  EXPECT_THAT(format.error().message(), AllOf(HasSubstr("P010"), HasSubstr("YUYV")));
}

TEST_F(V4l2Guest, ListsFormatsWithSizesAndIntervals) {
  for (const char* path : {kSinglePlanar, kMultiPlanar}) {
    const auto camera = v4l2::open(*runtime, path);
    ASSERT_TRUE(camera);
    const auto offers = v4l2::formats(*camera);
    ASSERT_TRUE(offers) << offers.error().message();
    const auto yuyv = std::find_if(offers->begin(), offers->end(),
                                   [](const auto& o) { return o.format == formats::kYUYV; });
    ASSERT_NE(yuyv, offers->end());
    EXPECT_FALSE(yuyv->sizes.empty());
    EXPECT_FALSE(yuyv->sizes.at(0).intervals.empty());
  }
}

TEST_F(V4l2Guest, UnbindingTheDriverInMidStreamIsReportedInTime) {
  if (const auto reason = why_no(kHeap)) {
    GTEST_SKIP() << *reason;
  }
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root unbinds a driver";
  }
  {
    const auto camera = v4l2::open(*runtime, kSinglePlanar);
    ASSERT_TRUE(camera);
    const auto pool = allocate(*camera, formats::kYUYV);
    ASSERT_TRUE(pool) << pool.error().message();
    auto stream = v4l2::Stream::start(*camera, *pool);
    ASSERT_TRUE(stream);
    auto held = stream->next(Deadline::in(5s));
    ASSERT_TRUE(held);
    std::thread unplug([] {
      std::this_thread::sleep_for(200ms);
      EXPECT_TRUE(write_file("/sys/bus/platform/drivers/vivid/unbind", "vivid.0"));
    });
    const auto begun = Deadline::Clock::now();
    std::optional<Error> lost;
    while (!lost && Deadline::Clock::now() - begun < 30s) {
      const auto next = stream->next(Deadline::in(30s));
      if (!next) {
        lost = next.error();
      }
    }
    unplug.join();
    ASSERT_TRUE(lost);
    EXPECT_EQ(lost->code(), Errc::DeviceLost) << lost->message();
    EXPECT_THAT(lost->message(), AllOf(HasSubstr(kSinglePlanar), HasSubstr("gone")));
    EXPECT_LT(Deadline::Clock::now() - begun, 10s) << "not hung on";
    expect_bars(*held);  // what was captured stays readable
    const auto released = held->release();
    ASSERT_FALSE(released);
    EXPECT_EQ(released.error().code(), Errc::DeviceLost);
  }
  EXPECT_TRUE(write_file("/sys/bus/platform/drivers/vivid/bind", "vivid.0"));
  const auto begun = Deadline::Clock::now();
  while (::access(kMultiPlanar, F_OK) != 0 && Deadline::Clock::now() - begun < 10s) {
    std::this_thread::sleep_for(20ms);
  }
  const auto again = v4l2::open(*runtime, kSinglePlanar);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(allocate(*again, formats::kYUYV, 2));
}

}  // namespace
}  // namespace causeway::test
