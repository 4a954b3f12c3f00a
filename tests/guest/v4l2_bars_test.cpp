// SPDX-License-Identifier: Apache-2.0
// A camera's picture must arrive in memory that udmabuf and the system heap made, in every kind of layout.

#include "guest/v4l2_vivid.hpp"

namespace causeway::test {
namespace {

struct Case {
  const char* path;
  Format format;
  std::uint32_t fourcc;  ///< 0: what the backend prefers
  const char* exporter;
  std::size_t objects;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.path << " " << c.format.to_string() << " in " << c.objects << " from " << c.exporter;
}

class V4l2Bars : public V4l2Guest, public ::testing::WithParamInterface<Case> {};

TEST_P(V4l2Bars, ArriveWithoutACopy) {
  const Case& c = GetParam();
  if (const auto reason = why_no(c.exporter)) {
    GTEST_SKIP() << *reason;
  }
  const auto camera = v4l2::open(*runtime, c.path);
  ASSERT_TRUE(camera) << camera.error().message();
  EXPECT_EQ(camera->driver(), "vivid");
  if (c.fourcc != 0) {
    ASSERT_TRUE(v4l2::set_format(*camera, {.fourcc = c.fourcc, .width = kWidth, .height = kHeight}));
  }
  const auto pool = allocate(*camera, c.format, 4, c.exporter);
  ASSERT_TRUE(pool) << pool.error().message();
  EXPECT_EQ(pool->report().exporter, c.exporter);
  EXPECT_EQ(pool->report().imports.at(0).verdict, AliasVerdict::Aliased);
  EXPECT_EQ(pool->frame(0).frame().objects().size(), c.objects);
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream) << stream.error().message();
  std::uint32_t last = 0;
  for (int i = 0; i < 6; ++i) {
    const auto captured = stream->next(Deadline::in(5s));
    ASSERT_TRUE(captured) << captured.error().message();
    EXPECT_TRUE(i == 0 || captured->sequence() > last);
    last = captured->sequence();
    EXPECT_TRUE(captured->timestamp_is_monotonic());
    // vivid stamps the ideal moment of the frame, which may lie a little ahead.
    EXPECT_LT(std::chrono::abs(Deadline::Clock::now() - captured->timestamp()), 2s);
    EXPECT_GT(captured->bytes_used(0), 0U);
    expect_bars(*captured);
  }
  EXPECT_EQ(runtime->counters().copied_bytes, 0U);
}

// From Linux 6.11 to 6.15 the kernel's mapping of a udmabuf, which vivid writes through, is wrong on huge
// pages, and frames this large would lie on them: the proof sees that, and ordinary pages are taken.
TEST_F(V4l2Guest, LargeFramesArriveWithoutACopyToo) {
  const auto camera = v4l2::open(*runtime, kSinglePlanar);
  ASSERT_TRUE(camera) << camera.error().message();
  for (const char* exporter : {kUdmabuf, kHeap}) {
    SCOPED_TRACE(exporter);
    const auto pool = runtime->negotiate({.format = formats::kYUYV, .width = 1920, .height = 1080})
                          .with(*camera, Usage::Capture)
                          .exporter(exporter)
                          .allocate(3);
    ASSERT_TRUE(pool) << pool.error().message();
    EXPECT_EQ(pool->report().imports.at(0).verdict, AliasVerdict::Aliased);
    auto stream = v4l2::Stream::start(*camera, *pool);
    ASSERT_TRUE(stream) << stream.error().message();
    const auto captured = stream->next(Deadline::in(20s));
    ASSERT_TRUE(captured) << captured.error().message();
    expect_bars(*captured);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Vivid, V4l2Bars,
    ::testing::Values(Case{kSinglePlanar, formats::kYUYV, 0, kUdmabuf, 1},
                      Case{kSinglePlanar, formats::kYUYV, 0, kHeap, 1},
                      Case{kSinglePlanar, formats::kXRGB8888, 0, kUdmabuf, 1},
                      Case{kSinglePlanar, formats::kXRGB8888, V4L2_PIX_FMT_BGR32, kHeap, 1},
                      Case{kSinglePlanar, formats::kNV12, 0, kHeap, 1},
                      Case{kMultiPlanar, formats::kYUYV, 0, kHeap, 1},
                      Case{kMultiPlanar, formats::kNV12, 0, kUdmabuf, 1},
                      Case{kMultiPlanar, formats::kNV12, V4L2_PIX_FMT_NV12M, kUdmabuf, 2},
                      Case{kMultiPlanar, formats::kNV12, V4L2_PIX_FMT_NV12M, kHeap, 2}));

}  // namespace
}  // namespace causeway::test
