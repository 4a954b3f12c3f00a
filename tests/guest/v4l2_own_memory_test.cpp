// SPDX-License-Identifier: Apache-2.0
// Memory of a real driver's own (vivid, videobuf2): exported to be written, the same object under every
// descriptor, and out of the camera's way once it is let go.

#include <algorithm>
#include <cstring>
#include <vector>

#include "guest/v4l2_vivid.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

FrameDesc image(Format format) {
  return {.format = format, .width = kWidth, .height = kHeight};
}

class V4l2OwnMemory : public V4l2Guest {
protected:
  /// The camera fills memory of others, as if there had never been any of its own.
  void expect_stream(const Device& camera) {
    if (const auto reason = why_no(kHeap)) {
      return;
    }
    const auto pool = allocate(camera, formats::kYUYV);
    ASSERT_TRUE(pool) << pool.error().message();
    auto stream = v4l2::Stream::start(camera, *pool);
    ASSERT_TRUE(stream) << stream.error().message();
    const auto captured = stream->next(Deadline::in(5s));
    ASSERT_TRUE(captured) << captured.error().message();
    expect_bars(*captured);
  }
  void expect_bytes_stay(const Frame& frame) {
    {
      auto access = frame.begin_cpu_access(Usage::Write, Deadline::in(5s));
      ASSERT_TRUE(access) << access.error().message();
      for (std::uint32_t p = 0; p < frame.layout().planes.size(); ++p) {
        std::ranges::fill(access->plane(p), std::byte{0x5a});
      }
      EXPECT_TRUE(access->end());
    }
    auto access = frame.begin_cpu_access(Usage::Read, Deadline::in(5s));
    ASSERT_TRUE(access) << access.error().message();
    for (std::uint32_t p = 0; p < frame.layout().planes.size(); ++p) {
      EXPECT_TRUE(std::ranges::all_of(access->plane(p), [](std::byte b) { return b == std::byte{0x5a}; }));
    }
    EXPECT_TRUE(access->end());
  }
};

TEST_F(V4l2OwnMemory, IsWrittenReadAndTheSameUnderEveryDescriptor) {
  for (const char* path : {kSinglePlanar, kMultiPlanar}) {
    SCOPED_TRACE(path);
    const auto camera = v4l2::open(*runtime, path);
    ASSERT_TRUE(camera) << camera.error().message();
    {
      const auto frame = runtime->allocate_on(*camera, image(formats::kYUYV), Usage::Capture, "own");
      ASSERT_TRUE(frame) << frame.error().message();
      ASSERT_EQ(frame->objects().size(), 1U);
      const DmaBuf& object = frame->objects()[0];
      EXPECT_TRUE(object.is_dma_buf());
      EXPECT_FALSE(object.read_only()) << "V4L2 exports for reading only unless it is asked otherwise";
      EXPECT_GE(object.size(), kWidth * kHeight * 2);
      EXPECT_EQ(frame->layout().planes.at(0).stride, kWidth * 2);
      expect_bytes_stay(*frame);

      const auto copy = object.dup_fd();
      ASSERT_TRUE(copy) << copy.error().message();
      const auto again = DmaBuf::from_fd(*runtime, copy->borrow());
      ASSERT_TRUE(again) << again.error().message();
      EXPECT_EQ(*again, object);

      const auto null = runtime->open_device("null");
      ASSERT_TRUE(null) << null.error().message();
      auto attached = frame->attach(*null, Usage::ReadWrite);
      ASSERT_TRUE(attached) << attached.error().message();
      auto mapped = attached->map(Direction::Bidirectional);
      ASSERT_TRUE(mapped) << mapped.error().message();
      EXPECT_EQ(mapped->verdict(), AliasVerdict::Aliased);
    }
    expect_stream(*camera);
  }
}

TEST_F(V4l2OwnMemory, TwoMemoryPlanesAreTwoObjects) {
  const auto camera = v4l2::open(*runtime, kMultiPlanar);
  ASSERT_TRUE(camera) << camera.error().message();
  ASSERT_TRUE(v4l2::set_format(*camera, {.fourcc = V4L2_PIX_FMT_NV12M, .width = kWidth, .height = kHeight}));
  const auto frame = runtime->allocate_on(*camera, image(formats::kNV12), Usage::Capture, "own");
  ASSERT_TRUE(frame) << frame.error().message();
  ASSERT_EQ(frame->objects().size(), 2U);
  EXPECT_NE(frame->objects()[0], frame->objects()[1]);
  expect_bytes_stay(*frame);
}

TEST_F(V4l2OwnMemory, IsNeverMixedWithMemoryOfOthers) {
  if (const auto reason = why_no(kHeap)) {
    GTEST_SKIP() << *reason;
  }
  const auto camera = v4l2::open(*runtime, kSinglePlanar);
  ASSERT_TRUE(camera) << camera.error().message();
  {
    const auto pool = allocate(*camera, formats::kYUYV);
    ASSERT_TRUE(pool) << pool.error().message();
    const auto refused = runtime->allocate_on(*camera, image(formats::kYUYV), Usage::Capture);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::Busy);
    EXPECT_THAT(refused.error().message(), AllOf(HasSubstr("4 frames are attached"), HasSubstr("detach")));
  }
  std::vector<Frame> own;
  for (int i = 0; i < 3; ++i) {
    auto frame = runtime->allocate_on(*camera, image(formats::kYUYV), Usage::Capture);
    ASSERT_TRUE(frame) << frame.error().message();
    own.push_back(std::move(*frame));
  }
  EXPECT_NE(own[0].objects()[0], own[1].objects()[0]);
  const auto attached = own[0].attach(*camera, Usage::Capture);
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().code(), Errc::Busy);
  EXPECT_THAT(attached.error().message(), HasSubstr("3 frames of YUYV at 640x480"));
  own.clear();
  expect_stream(*camera);
}

TEST_F(V4l2OwnMemory, AnOrphanLivesByItsDescriptor) {
  UniqueFd orphan;
  const auto camera = v4l2::open(*runtime, kSinglePlanar);
  ASSERT_TRUE(camera) << camera.error().message();
  {
    const auto frame = runtime->allocate_on(*camera, image(formats::kYUYV), Usage::Capture, "own");
    ASSERT_TRUE(frame) << frame.error().message();
    expect_bytes_stay(*frame);
    auto copy = frame->objects()[0].dup_fd();
    ASSERT_TRUE(copy) << copy.error().message();
    orphan = std::move(*copy);
  }
  expect_stream(*camera);
  const auto found = DmaBuf::from_fd(*runtime, orphan.borrow());
  ASSERT_TRUE(found) << found.error().message();
  auto view = found->map_cpu();
  ASSERT_TRUE(view) << view.error().message();
  auto access = view->begin(Usage::Read, Deadline::in(5s));
  ASSERT_TRUE(access) << access.error().message();
  EXPECT_EQ(access->bytes()[0], std::byte{0x5a});
  EXPECT_TRUE(access->end());
}

}  // namespace
}  // namespace causeway::test
