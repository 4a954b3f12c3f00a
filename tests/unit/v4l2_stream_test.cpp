// SPDX-License-Identifier: Apache-2.0
// Streams through the Runtime: whose turn a frame is, and what is said when the camera fails or goes.

#include <thread>

#include "unit/v4l2_streaming.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;

TEST_F(V4l2Streaming, FramesArriveInSharedMemory) {
  EXPECT_TRUE(camera->has(Capability::ProducesOnly));
  ASSERT_EQ(pool->report().imports.size(), 1U);
  EXPECT_EQ(pool->report().imports[0].verdict, AliasVerdict::Aliased);
  EXPECT_EQ(pool->report().imports[0].import_path, "dma-buf");
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream) << stream.error().message();
  for (std::uint32_t i = 0; i < 10; ++i) {
    const auto captured = stream->next(Deadline::in(1s));
    ASSERT_TRUE(captured) << captured.error().message();
    EXPECT_EQ(captured->sequence(), i);
    EXPECT_EQ(captured->bytes_used(), 614400U);
    EXPECT_EQ(captured->bytes_used(9), 0U);
    EXPECT_TRUE(captured->timestamp_is_monotonic());
    EXPECT_FALSE(captured->corrupt());
    expect_painted(*captured);
  }
  EXPECT_EQ(runtime->counters().copied_bytes, 0U);
}

TEST_F(V4l2Streaming, FramesHaveTheColoursThatTheCameraTells) {
  EXPECT_EQ(pool->frame(0).frame().layout().color,
            (Color{.encoding = ColorEncoding::Bt601, .range = ColorRange::Limited}))
      << "what V4L2 means by \"default\"";
  EXPECT_EQ(pool->report().imports[0].imported_as, ImportedAs::Bytes);
  pool.reset();
  driver.colorspace = V4L2_COLORSPACE_REC709;
  auto desc = kYuyv;
  desc.color.range = ColorRange::Full;
  const auto other = runtime->negotiate(desc).with(*camera, Usage::Capture).allocate(2);
  ASSERT_TRUE(other) << other.error().message();
  EXPECT_EQ(other->frame(0).frame().layout().color,
            (Color{.encoding = ColorEncoding::Bt709, .range = ColorRange::Full}))
      << "and the program's word goes first";
}

TEST_F(V4l2Streaming, ACapturedFrameIsTheConsumersAlone) {
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream);
  auto held = stream->next(Deadline::in(1s));
  ASSERT_TRUE(held);
  for (int i = 0; i < 9; ++i) {
    const auto other = stream->next(Deadline::in(1s));
    ASSERT_TRUE(other);
    EXPECT_NE(other->frame().index(), held->frame().index());
  }
  expect_painted(*held);
  const auto queued = pool->frame((held->frame().index() + 1) % 3);
  const auto stolen = queued.frame().begin_cpu_access(Usage::Read, Deadline::now());
  ASSERT_FALSE(stolen) << "the camera is about to write into this one";
  EXPECT_EQ(stolen.error().code(), Errc::Busy);
}

TEST_F(V4l2Streaming, AllFramesHeld) {
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream);
  std::vector<v4l2::Captured> held;
  for (int i = 0; i < 3; ++i) {
    auto captured = stream->next(Deadline::in(1s));
    ASSERT_TRUE(captured);
    held.push_back(std::move(*captured));
  }
  const auto none = stream->next(Deadline::in(20ms));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Errc::TimedOut);
  EXPECT_THAT(none.error().message(), HasSubstr("all 3 frames are held by consumers"));
  std::thread consumer([&] {
    std::this_thread::sleep_for(10ms);
    held.erase(held.begin());
  });
  const auto next = stream->next(Deadline::in(10s));
  consumer.join();
  EXPECT_TRUE(next) << next.error().message();
}

TEST_F(V4l2Streaming, ManyConsumerThreads) {
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream);
  std::vector<std::thread> consumers;
  for (int i = 0; i < 60; ++i) {
    auto captured = stream->next(Deadline::in(10s));
    ASSERT_TRUE(captured) << captured.error().message();
    consumers.emplace_back([lease = std::move(*captured)]() mutable { EXPECT_TRUE(lease.release()); });
  }
  for (auto& consumer : consumers) {
    consumer.join();
  }
  EXPECT_TRUE(stream->stop());
}

TEST_F(V4l2Streaming, LeasesOutliveTheirStreamAndEverythingElse) {
  std::optional<v4l2::Captured> held;
  {
    auto stream = v4l2::Stream::start(*camera, *pool);
    ASSERT_TRUE(stream);
    auto captured = stream->next(Deadline::in(1s));
    ASSERT_TRUE(captured);
    held.emplace(std::move(*captured));
  }
  EXPECT_FALSE(driver.streaming());
  {
    auto second = v4l2::Stream::start(*camera, *pool);
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_EQ(driver.queued.size(), 2U) << "the frame that is still held does not go to the camera";
    ASSERT_TRUE(second->next(Deadline::in(1s)));
  }
  pool.reset();
  camera.reset();
  runtime.reset();
  expect_painted(*held);
  EXPECT_TRUE(held->release());
}

TEST_F(V4l2Streaming, AFrameLetGoInTheMiddleOfAnAccessComesBackLater) {
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream);
  std::vector<v4l2::Captured> others;
  auto captured = stream->next(Deadline::in(1s));
  ASSERT_TRUE(captured);
  for (int i = 0; i < 2; ++i) {
    auto other = stream->next(Deadline::in(1s));
    ASSERT_TRUE(other);
    others.push_back(std::move(*other));
  }
  const auto index = captured->frame().index();
  auto access = captured->frame().frame().begin_cpu_access(Usage::Read, Deadline::in(1s));
  ASSERT_TRUE(access);
  const auto early = captured->release();
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code(), Errc::Busy);
  EXPECT_EQ(stream->next(Deadline::in(20ms)).error().code(), Errc::TimedOut);
  std::thread consumer([&] {
    std::this_thread::sleep_for(20ms);
    EXPECT_TRUE(access->end());
  });
  const auto again = stream->next(Deadline::in(10s));
  consumer.join();
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->frame().index(), index);
}

TEST_F(V4l2Streaming, AVanishedCameraIsReported) {
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream);
  auto held = stream->next(Deadline::in(1s));
  ASSERT_TRUE(held);
  driver.gone = true;
  const auto next = stream->next(Deadline::in(60s));
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code(), Errc::DeviceLost);
  EXPECT_EQ(held->release().error().code(), Errc::DeviceLost);
  EXPECT_EQ(stream->next(Deadline::in(60s)).error().code(), Errc::DeviceLost);
  EXPECT_TRUE(stream->stop());
  EXPECT_EQ(stream->next(Deadline::in(60s)).error().code(), Errc::WrongState);
}

TEST_F(V4l2Streaming, CorruptFramesAndFatalErrors) {
  driver.corrupt_frames = 1;
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream);
  {
    const auto first = stream->next(Deadline::in(1s));
    ASSERT_TRUE(first);
    EXPECT_TRUE(first->corrupt());
  }
  driver.fatal = true;
  const auto failed = stream->next(Deadline::in(60s));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Errc::Io);
  ASSERT_TRUE(stream->stop());
  stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream) << stream.error().message();
  EXPECT_TRUE(stream->next(Deadline::in(1s)));
}

TEST_F(V4l2Streaming, OnlyOneStreamAtATime) {
  auto first = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(first);
  const auto second = v4l2::Stream::start(*camera, *pool);
  EXPECT_FALSE(second);
  EXPECT_TRUE(first->next(Deadline::in(1s))) << "the first one is left alone";
}

TEST_F(V4l2Streaming, APoolOfOthersIsRefused) {
  auto others = runtime->negotiate(kYuyv).allocate(1);
  ASSERT_TRUE(others) << others.error().message();
  const auto stream = v4l2::Stream::start(*camera, *others);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code(), Errc::InvalidArgument);
  EXPECT_THAT(stream.error().message(), HasSubstr("not negotiated with the camera"));
}

TEST_F(V4l2Stream, ListsWhatTheCameraOffers) {
  auto runtime = make_runtime();
  ASSERT_TRUE(runtime);
  const auto camera = v4l2::open(*runtime);
  ASSERT_TRUE(camera) << camera.error().message();
  const auto offers = v4l2::formats(*camera);
  ASSERT_TRUE(offers) << offers.error().message();
  ASSERT_EQ(offers->size(), 4U);
  EXPECT_EQ((*offers)[0].format, formats::kYUYV);
  ASSERT_EQ((*offers)[0].sizes.size(), 2U);
  EXPECT_TRUE((*offers)[0].sizes[0].single());
  ASSERT_EQ((*offers)[0].sizes[0].intervals.size(), 1U);
  EXPECT_DOUBLE_EQ((*offers)[0].sizes[0].intervals[0].shortest.frames_per_second(), 30);
  EXPECT_TRUE((*offers)[3].compressed);
  const auto answer = v4l2::set_format(*camera, {.format = formats::kNV12, .width = 1280, .height = 720});
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(v4l2::current_format(*camera)->size[0], 1280U * 720 * 3 / 2);
  EXPECT_EQ(v4l2::set_interval(*camera, {1, 60})->denominator, 30U);
}

TEST_F(V4l2Stream, ChromaThatFollowsLumaSuitsTheNegotiation) {
  driver.stride_align = 256;
  auto runtime = make_runtime();
  ASSERT_TRUE(runtime);
  const auto camera = v4l2::open(*runtime);
  ASSERT_TRUE(camera);
  const auto pool = runtime->negotiate({.format = formats::kNV12, .width = 640, .height = 480})
                        .with(*camera, Usage::Capture)
                        .allocate(2);
  ASSERT_TRUE(pool) << pool.error().message();
  const auto& planes = pool->plan().layout.planes;
  ASSERT_EQ(planes.size(), 2U);
  EXPECT_EQ(planes[0].stride, 768U);
  EXPECT_EQ(planes[1].stride, 768U);
  EXPECT_EQ(planes[1].offset, 768U * 480);
}

TEST_F(V4l2Stream, SharedMemoryAloneIsRefusedWithTheReason) {
  auto runtime = make_runtime();
  ASSERT_TRUE(runtime);
  const auto camera = v4l2::open(*runtime);
  ASSERT_TRUE(camera);
  const auto pool = runtime->negotiate(kYuyv).with(*camera, Usage::Capture).exporter("memfd").allocate(2);
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.error().code(), Errc::Unsupported);
  EXPECT_THAT(pool.error().message(), HasSubstr("dma-bufs only"));
}

TEST_F(V4l2Stream, MemoryThatTheCameraCannotReachLeadsToTheNextRung) {
  auto runtime = make_runtime();
  ASSERT_TRUE(runtime);
  const auto camera = v4l2::open(*runtime);
  ASSERT_TRUE(camera);
  driver.fail_once[VIDIOC_PREPARE_BUF] = EFAULT;
  const auto pool = runtime->negotiate(kYuyv).with(*camera, Usage::Capture).allocate(2);
  ASSERT_TRUE(pool) << pool.error().message();
  ASSERT_EQ(pool->report().refused.size(), 1U);
  EXPECT_EQ(pool->report().refused[0].exporter, "udmabuf");
  EXPECT_THAT(pool->report().refused[0].reason, HasSubstr("contiguous"));
}

TEST_F(V4l2Stream, EachCallMayFailAndNoMemoryOfItsOwnStaysOut) {
  driver.make_memory = [this](std::uint64_t bytes) {
    return kernel.make_dma_buf({.size = bytes, .exporter = "videobuf2"});
  };
  auto runtime = make_runtime();
  ASSERT_TRUE(runtime);
  for (const int reason : {EMFILE, ENOMEM, EINTR, EAGAIN}) {
    for_each_failing_call(reason, [&](const std::string& failing) {
      const auto camera = v4l2::open(*runtime, "/dev/video0");
      if (!camera) {
        EXPECT_FALSE(camera.error().detail().empty());
        EXPECT_NE(reason, EINTR) << failing;
        return;
      }
      {
        const auto frame = runtime->allocate_on(*camera, kYuyv, Usage::Capture);
        if (!frame) {
          EXPECT_FALSE(frame.error().detail().empty()) << failing;
          EXPECT_NE(reason, EINTR) << failing;
          EXPECT_FALSE(failing.empty()) << frame.error().message();
        }
        EXPECT_EQ(runtime->ledger().size(), frame ? 1U : 0U);
      }
      if (failing.find("ioctl") == std::string::npos) {
        EXPECT_EQ(driver.granted(), 0U) << failing;
      } else {
        // It refused to take its buffers back; a real driver does that when its node is closed.
        v4l2_requestbuffers none{.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
        EXPECT_EQ(driver.ioctl(-1, VIDIOC_REQBUFS, &none), 0);
      }
      EXPECT_TRUE(runtime->ledger().empty());
    });
    EXPECT_EQ(kernel.live_dma_bufs(), 0U);
  }
}

TEST_F(V4l2Stream, EachCallMayFailAndNothingLeaks) {
  for (const int reason : {EMFILE, ENODEV, EINTR, EAGAIN}) {
    for_each_failing_call(reason, [&](const std::string& failing) {
      auto runtime = make_runtime();
      if (!runtime) {
        return;
      }
      const auto camera = v4l2::open(*runtime, "/dev/video0");
      if (!camera) {
        EXPECT_FALSE(camera.error().detail().empty());
        return;
      }
      const auto pool = runtime->negotiate(kYuyv).with(*camera, Usage::Capture).allocate(2);
      if (!pool) {
        EXPECT_FALSE(pool.error().detail().empty()) << failing;
        return;
      }
      auto stream = v4l2::Stream::start(*camera, *pool);
      if (!stream) {
        EXPECT_FALSE(stream.error().detail().empty()) << failing;
        return;
      }
      for (int i = 0; i < 3; ++i) {
        const auto captured = stream->next(Deadline::in(200ms));
        if (!captured) {
          EXPECT_FALSE(captured.error().detail().empty()) << failing;
        }
      }
    });
  }
}

}  // namespace
}  // namespace causeway::test
