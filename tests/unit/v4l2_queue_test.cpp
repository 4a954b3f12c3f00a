// SPDX-License-Identifier: Apache-2.0
// Streaming: whose turn each buffer is, and what is said when the camera fails.

#include <gmock/gmock.h>

#include <thread>

#include "unit/v4l2_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class V4l2Queue : public ::testing::TestWithParam<bool> {
protected:
  void SetUp() override {
    ASSERT_TRUE(camera.open());
    for (int i = 0; i < 3; ++i) {
      frames.push_back(yuyv_frame());
      const auto outcome = camera.attach(frames.back());
      ASSERT_TRUE(outcome) << outcome.text;
    }
  }
  OpenCamera camera{GetParam()};
  std::vector<TestFrame> frames;
};
INSTANTIATE_TEST_SUITE_P(BothApis, V4l2Queue, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "MultiPlanar" : "SinglePlanar"; });

TEST_P(V4l2Queue, FramesComeAndGo) {
  ASSERT_TRUE(camera.start());
  EXPECT_THAT(camera.driver.queued, ElementsAre(0, 1, 2));
  for (std::uint32_t i = 0; i < 7; ++i) {
    ASSERT_TRUE(camera.dequeue());
    EXPECT_EQ(camera.captured.index, i % 3);
    EXPECT_EQ(camera.captured.sequence, i);
    EXPECT_EQ(camera.captured.bytes_used[0], 614400U);
    EXPECT_EQ(camera.captured.timestamp_ns, 12'345'678'000);
    EXPECT_EQ(camera.captured.flags, CW_V4L2_CAPTURED_MONOTONIC);
    EXPECT_EQ(camera.stream().is_held(camera.device(), camera.captured.index, camera.captured.ticket), 1);
    ASSERT_TRUE(camera.give_back());
  }
  ASSERT_TRUE(camera.stop());
  EXPECT_FALSE(camera.driver.streaming());
  EXPECT_TRUE(camera.stop()) << "twice is no error";
}

TEST_P(V4l2Queue, IndexAndMemoryStayPaired) {
  std::map<std::uint32_t, int> memory_of;
  camera.driver.paint = [&](const std::vector<int>& planes, std::uint32_t sequence) {
    const auto [entry, fresh] = memory_of.emplace(sequence % 3, planes[0]);
    EXPECT_TRUE(fresh || entry->second == planes[0]);
  };
  ASSERT_TRUE(camera.start());
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(camera.dequeue());
    ASSERT_TRUE(camera.give_back());
  }
  EXPECT_EQ(memory_of.size(), 3U);
}

TEST_P(V4l2Queue, AHeldFrameIsNotQueuedAgain) {
  ASSERT_TRUE(camera.start());
  ASSERT_TRUE(camera.dequeue());
  const auto held = camera.captured;
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(camera.dequeue());
    EXPECT_NE(camera.captured.index, held.index);
    ASSERT_TRUE(camera.give_back());
  }
  ASSERT_TRUE(camera.give_back(held.index, held.ticket));
  EXPECT_THAT(camera.driver.queued, ::testing::Contains(held.index));
}

TEST_P(V4l2Queue, AllFramesHeldEndsWithTheDeadline) {
  ASSERT_TRUE(camera.start());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(camera.dequeue());
  }
  const auto outcome = camera.dequeue(20);
  EXPECT_EQ(outcome.status, CW_TIMED_OUT);
  EXPECT_THAT(outcome.text, HasSubstr("all 3 frames are held by consumers"));
}

TEST_P(V4l2Queue, AFrameLetGoOnAnotherThreadWakesTheWait) {
  ASSERT_TRUE(camera.start());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(camera.dequeue());
  }
  const auto last = camera.captured;
  std::thread consumer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(camera.give_back(last.index, last.ticket));
  });
  auto again = plugin::sized<cw_v4l2_captured>();
  const auto outcome = attempt([&](cw_error* error) {
    return camera.stream().dequeue(camera.device(), in_milliseconds(10'000), &again, error);
  });
  consumer.join();
  ASSERT_TRUE(outcome) << outcome.text;
  EXPECT_EQ(again.index, last.index);
}

TEST_P(V4l2Queue, ALeaseOfAnEarlierStreamKeepsItsFrame) {
  ASSERT_TRUE(camera.start());
  ASSERT_TRUE(camera.dequeue());
  const auto held = camera.captured;
  ASSERT_TRUE(camera.stop());
  EXPECT_EQ(camera.stream().is_held(camera.device(), held.index, held.ticket), 1);
  ASSERT_TRUE(camera.start());
  EXPECT_THAT(camera.driver.queued, ElementsAre(1, 2)) << "frame 0 is still being read";
  ASSERT_TRUE(camera.give_back(held.index, held.ticket));
  EXPECT_THAT(camera.driver.queued, ElementsAre(1, 2, 0));
}

TEST_P(V4l2Queue, GivingBackTwiceAndGivingBackTheDetached) {
  ASSERT_TRUE(camera.start());
  ASSERT_TRUE(camera.dequeue());
  const auto held = camera.captured;
  ASSERT_TRUE(camera.give_back());
  EXPECT_EQ(camera.give_back().status, CW_WRONG_STATE);
  EXPECT_TRUE(camera.give_back(held.index, held.ticket + 100)) << "of an attachment that is gone: ignored";
  EXPECT_TRUE(camera.give_back(99, 1));
}

TEST_P(V4l2Queue, DetachingAQueuedFrameStopsTheCamera) {
  ASSERT_TRUE(camera.start());
  camera.detach(1);
  EXPECT_FALSE(camera.driver.streaming())
      << "the driver must not write into memory that it does not have any more";
  EXPECT_EQ(camera.dequeue(10).status, CW_WRONG_STATE);
  EXPECT_FALSE(camera.host.log.empty());
  auto another = yuyv_frame();
  ASSERT_TRUE(camera.attach(another)) << "the index is free again";
  EXPECT_EQ(camera.view(2).index, 1U);
  EXPECT_TRUE(camera.start());
}

TEST_P(V4l2Queue, CorruptFramesAreMarked) {
  camera.driver.corrupt_frames = 1;
  ASSERT_TRUE(camera.start());
  ASSERT_TRUE(camera.dequeue());
  EXPECT_NE(camera.captured.flags & CW_V4L2_CAPTURED_CORRUPT, 0U);
  ASSERT_TRUE(camera.dequeue());
  EXPECT_EQ(camera.captured.flags & CW_V4L2_CAPTURED_CORRUPT, 0U);
}

TEST_P(V4l2Queue, SilenceEndsWithTheDeadlineAndTellsOfTheSignal) {
  ASSERT_TRUE(camera.start());
  camera.driver.silent = true;
  auto outcome = camera.dequeue();
  EXPECT_EQ(outcome.status, CW_TIMED_OUT);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("no frame within"), HasSubstr("3 buffers queued")));
  EXPECT_THAT(outcome.text, ::testing::Not(HasSubstr("signal")));
  camera.driver.input_status = V4L2_IN_ST_NO_SIGNAL;
  EXPECT_THAT(camera.dequeue().text, HasSubstr("its input reports no signal"));
  camera.driver.silent = false;
  EXPECT_TRUE(camera.dequeue()) << "a signal that returns is taken up again";
}

TEST_P(V4l2Queue, AVanishedCameraIsReportedAndNotWaitedFor) {
  ASSERT_TRUE(camera.start());
  ASSERT_TRUE(camera.dequeue());
  camera.driver.gone = true;
  auto outcome = camera.dequeue(60'000);
  EXPECT_EQ(outcome.status, CW_DEVICE_LOST);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("/dev/video0"), HasSubstr("gone")));
  EXPECT_EQ(camera.give_back().status, CW_DEVICE_LOST);
  EXPECT_TRUE(camera.stop());
}

TEST_P(V4l2Queue, AFatalErrorIsReportedAndARestartCuresIt) {
  ASSERT_TRUE(camera.start());
  camera.driver.fatal = true;
  const auto outcome = camera.dequeue(60'000);
  EXPECT_EQ(outcome.status, CW_IO);
  EXPECT_THAT(outcome.text, HasSubstr("stop the stream and start it again"));
  ASSERT_TRUE(camera.stop());
  ASSERT_TRUE(camera.start());
  EXPECT_TRUE(camera.dequeue());
}

TEST_P(V4l2Queue, FailuresOfStarting) {
  camera.driver.fail_once[VIDIOC_STREAMON] = ENOSPC;
  auto outcome = camera.start();
  EXPECT_EQ(outcome.status, CW_BUSY);
  EXPECT_THAT(outcome.text, HasSubstr("bandwidth"));
  EXPECT_TRUE(camera.driver.queued.empty()) << "nothing stays queued";
  camera.driver.fail_once[VIDIOC_QBUF] = ENOMEM;
  EXPECT_EQ(camera.start().status, CW_OUT_OF_MEMORY);
  EXPECT_TRUE(camera.start());
  EXPECT_EQ(camera.start().status, CW_WRONG_STATE);
}

TEST_P(V4l2Queue, AnIndexThatTheDriverDidNotHaveIsNotBelieved) {
  camera.driver.lies_about_index = true;
  ASSERT_TRUE(camera.start());
  EXPECT_EQ(camera.dequeue().status, CW_IO);
}

TEST_P(V4l2Queue, NotStreaming) {
  EXPECT_EQ(camera.dequeue(0).status, CW_WRONG_STATE);
}

TEST_P(V4l2Queue, NoMoreFramesThanTheDriverGrants) {
  for (auto i = frames.size(); i < VIDEO_MAX_FRAME; ++i) {
    frames.push_back(yuyv_frame());
    ASSERT_TRUE(camera.attach(frames.back()));
  }
  auto one_more = yuyv_frame();
  const auto outcome = camera.attach(one_more);
  EXPECT_EQ(outcome.status, CW_BUSY);
  EXPECT_THAT(outcome.text, HasSubstr("32 buffers"));
}

// ---- The alias proof

TEST_P(V4l2Queue, AProbeFillsThatFrame) {
  camera.driver.buffers_needed = 2;
  std::vector<int> painted;
  camera.driver.paint = [&](const std::vector<int>& planes, std::uint32_t) { painted.push_back(planes[0]); };
  ASSERT_TRUE(camera.probe(1));
  EXPECT_EQ(painted.size(), 1U) << "the one to be proved is filled first";
  EXPECT_FALSE(camera.driver.streaming());
  ASSERT_TRUE(camera.start()) << "all is as before";
  EXPECT_EQ(camera.driver.queued.size(), 3U);
}

TEST_P(V4l2Queue, AProbeTakesNoCorruptFrameForAnAnswer) {
  camera.driver.corrupt_frames = 2;
  ASSERT_TRUE(camera.probe(0));
  EXPECT_EQ(camera.driver.corrupt_frames, 0U);
}

TEST_P(V4l2Queue, AProbeOfASilentCameraEnds) {
  camera.driver.silent = true;
  EXPECT_EQ(camera.probe(0).status, CW_TIMED_OUT);
  EXPECT_FALSE(camera.driver.streaming());
  camera.driver.silent = false;
  EXPECT_TRUE(camera.start());
}

TEST_P(V4l2Queue, AProbeLeavesAConsumersFrameAlone) {
  ASSERT_TRUE(camera.start());
  ASSERT_TRUE(camera.dequeue());
  const auto held = camera.captured;
  ASSERT_TRUE(camera.stop());
  EXPECT_EQ(camera.probe(held.index).status, CW_BUSY);
  std::vector<int> painted;
  camera.driver.paint = [&](const std::vector<int>& planes, std::uint32_t) { painted.push_back(planes[0]); };
  ASSERT_TRUE(camera.probe(2));
  EXPECT_EQ(painted.size(), 1U);
  EXPECT_EQ(camera.probe(2, 1000, 0).status, CW_UNSUPPORTED)
      << "a camera writes no bytes that are handed to it";
}

}  // namespace
}  // namespace causeway::test
