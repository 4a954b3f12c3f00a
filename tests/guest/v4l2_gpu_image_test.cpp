// SPDX-License-Identifier: Apache-2.0
// A camera's picture as the image that a shader samples: no copy, and the colours that the camera says.
#include <causeway/vulkan.hpp>
#include <cmath>

#include "guest/v4l2_vivid.hpp"
#include "host/vulkan_validation.hpp"
#include "support/vulkan_sampler.hpp"

namespace causeway::test {
namespace {

struct Source {
  const char* path;
  Format format;
  std::uint32_t fourcc;  ///< 0: what the backend prefers
  std::size_t objects;
};

void PrintTo(const Source& source, std::ostream* out) {
  *out << source.path << " " << source.format.to_string() << " in " << source.objects;
}

class V4l2GpuImage : public V4l2Guest, public ::testing::WithParamInterface<Source> {
protected:
  [[nodiscard]] RuntimeOptions options() const override { return watched_options(); }
  /// Red, green and blue in the middle of each bar, as the shader sees them; 0 to 255.
  static void expect_rgb_bars(const Device& gpu, const FrameRef& frame) {
    const auto view = vulkan::view(frame.on(gpu));
    ASSERT_TRUE(view) << view.error().message();
    ASSERT_EQ((*view)->kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE)) << (*view)->why_not;
    const auto conversion = vulkan::conversion(frame.on(gpu));
    ASSERT_TRUE(conversion) << conversion.error().message();
    EXPECT_EQ(conversion->assumed & (CW_VULKAN_ASSUMED_ENCODING | CW_VULKAN_ASSUMED_RANGE), 0U);
    const auto handles = vulkan::handles(gpu);
    cw_vulkan_handles_v1 raw{};
    raw.get_instance_proc_addr = handles->get_instance_proc_addr;
    raw.instance = handles->instance;
    raw.device = handles->device;
    raw.queue = handles->queue;
    raw.queue_family = handles->queue_family;
    auto access = frame.on(gpu).begin_access(Usage::Read, Deadline::in(20s));
    ASSERT_TRUE(access) << access.error().message();
    const auto seen = sample(raw, whole(**view, &*conversion), VK_QUEUE_FAMILY_IGNORED);
    EXPECT_TRUE(access->end());
    ASSERT_EQ(seen.size(), std::size_t{kWidth} * kHeight);
    for (std::size_t b = 0; b < kRgbBars.size(); ++b) {
      const Texel& texel = seen[std::size_t{kHeight} / 2 * kWidth + kWidth / 8 * b + kWidth / 16];
      for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(double(texel.at(c)) * 255, kRgbBars.at(b).at(c), 3) << "bar " << b << ", channel " << c;
      }
    }
  }
};

TEST_P(V4l2GpuImage, HasTheCamerasColours) {
  const Source& source = GetParam();
  const auto gpu = vulkan::open(*runtime, "llvmpipe");
  ASSERT_TRUE(gpu) << gpu.error().message();
  const auto camera = v4l2::open(*runtime, source.path);
  ASSERT_TRUE(camera) << camera.error().message();
  if (source.fourcc != 0) {
    ASSERT_TRUE(v4l2::set_format(*camera, {.fourcc = source.fourcc, .width = kWidth, .height = kHeight}));
  }
  const FrameDesc desc{.format = source.format, .width = kWidth, .height = kHeight};
  const auto pool = runtime->negotiate(desc)
                        .with(*camera, Usage::Capture)
                        .with(*gpu, Usage::Sampled | Usage::AsImage)
                        .exporter(kUdmabuf)
                        .allocate(3);
  ASSERT_TRUE(pool) << pool.error().message();
  EXPECT_EQ(pool->frame(0).frame().objects().size(), source.objects);
  // Nobody named the colours: the camera did.
  EXPECT_EQ(pool->plan().layout.color,
            (Color{.encoding = ColorEncoding::Bt601, .range = ColorRange::Limited}));
  for (const auto& import : pool->report().imports) {
    EXPECT_EQ(import.verdict, AliasVerdict::Aliased);
  }
  auto stream = v4l2::Stream::start(*camera, *pool);
  ASSERT_TRUE(stream) << stream.error().message();
  const auto captured = stream->next(Deadline::in(20s));
  ASSERT_TRUE(captured) << captured.error().message();
  expect_rgb_bars(*gpu, captured->frame());
  EXPECT_EQ(runtime->counters().copied_bytes, 0U);
}

INSTANTIATE_TEST_SUITE_P(Vivid, V4l2GpuImage,
                         ::testing::Values(Source{kSinglePlanar, formats::kNV12, 0, 1},
                                           Source{kMultiPlanar, formats::kNV12, V4L2_PIX_FMT_NV12M, 2},
                                           Source{kSinglePlanar, formats::kYUYV, 0, 1}));

}  // namespace
}  // namespace causeway::test
