// SPDX-License-Identifier: Apache-2.0
// Frames as images, through the whole library: negotiated, proved, written by the CPU, sampled in a turn.
#include <causeway/runtime.hpp>
#include <causeway/vulkan.hpp>
#include <chrono>

#include "host/vulkan_image_harness.hpp"
#include "host/vulkan_validation.hpp"
#include "host/vulkan_ycbcr_reference.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t kWidth = 64;
constexpr std::uint32_t kHeight = 32;
constexpr Color kColor{.encoding = ColorEncoding::Bt709, .range = ColorRange::Full};

Deadline soon() {
  return Deadline::in(std::chrono::seconds(20));
}

/// The handles as the sampling program takes them.
cw_vulkan_handles_v1 raw_handles(const Device& device) {
  const auto handles = vulkan::handles(device);
  EXPECT_TRUE(handles);
  auto raw = plugin::sized<cw_vulkan_handles_v1>();
  raw.get_instance_proc_addr = handles->get_instance_proc_addr;
  raw.instance = handles->instance;
  raw.device = handles->device;
  raw.queue = handles->queue;
  raw.queue_family = handles->queue_family;
  return raw;
}

class VulkanRuntimeImage : public ::testing::Test {
protected:
  void SetUp() override { ASSERT_TRUE(gpu_) << gpu_.error().message(); }

  /// The CPU writes the picture, in a turn of its own.
  static void paint(const Frame& frame, const Picture& picture) {
    auto access = frame.begin_cpu_access(Usage::Write, soon());
    ASSERT_TRUE(access) << access.error().message();
    put_luma<std::uint8_t>(picture, access->plane(0), frame.layout().planes[0].stride);
    put_chroma<std::uint8_t>(picture, access->plane(1), frame.layout().planes[1].stride);
    ASSERT_TRUE(access->end());
  }
  /// The GPU samples it, in its turn, whose acquire and release are the library's.
  [[nodiscard]] std::vector<Texel> look(const Mapping& mapping, const Sampled& what) const {
    auto access = mapping.begin_access(Usage::Read, soon());
    EXPECT_TRUE(access) << access.error().message();
    auto seen = sample(raw_handles(*gpu_), what, VK_QUEUE_FAMILY_IGNORED);
    EXPECT_TRUE(access->end());
    return seen;
  }
  [[nodiscard]] static FrameDesc nv12() {
    return {.format = formats::kNV12, .width = kWidth, .height = kHeight, .color = kColor};
  }
  void expect_sampled(const Frame& frame, const Mapping& mapping) const {
    const auto view = vulkan::view(mapping);
    ASSERT_TRUE(view) << view.error().message();
    ASSERT_EQ((*view)->kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE)) << (*view)->why_not;
    const auto conversion = vulkan::conversion(mapping);
    ASSERT_TRUE(conversion) << conversion.error().message();
    EXPECT_EQ(conversion->info.ycbcrModel, VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_709);
    EXPECT_EQ(conversion->info.ycbcrRange, VK_SAMPLER_YCBCR_RANGE_ITU_FULL);
    EXPECT_EQ(conversion->assumed, CW_VULKAN_ASSUMED_SITING_X | CW_VULKAN_ASSUMED_SITING_Y);
    const auto picture = Picture::make(kWidth, kHeight, 2, 2);
    paint(frame, picture);
    const auto seen = look(mapping, whole(**view, &*conversion));
    ASSERT_EQ(seen.size(), picture.y.size());
    const Rules rules{.encoding = ColorEncoding::Bt709, .range = ColorRange::Full};
    for (std::uint32_t y = 0; y < kHeight; ++y) {
      for (std::uint32_t x = 0; x < kWidth; ++x) {
        const auto expected = rgb_at(picture, rules, x, y);
        for (std::size_t c = 0; c < 3; ++c) {
          ASSERT_NEAR(double(seen[std::size_t{y} * kWidth + x].at(c)), expected.at(c), 2.5 / 255)
              << "channel " << c << " at " << x << ", " << y;
        }
      }
    }
  }

  Runtime runtime_ = watched_runtime();
  Result<Device> gpu_ = vulkan::open(runtime_, "llvmpipe");
};

TEST_F(VulkanRuntimeImage, OneImageIsNegotiatedProvedAndSampled) {
  auto pool = runtime_.negotiate(nv12()).with(*gpu_, Usage::Sampled | Usage::AsImage).allocate(2);
  ASSERT_TRUE(pool) << pool.error().message();
  auto lease = pool->acquire(soon());
  ASSERT_TRUE(lease) << lease.error().message();
  EXPECT_EQ((*lease)->frame().layout().color, kColor);
  EXPECT_EQ(pool->report().imports[0].verdict, AliasVerdict::Aliased);
  EXPECT_EQ(pool->report().imports[0].imported_as, ImportedAs::Images);
  expect_sampled((*lease)->frame(), (*lease)->on(*gpu_));
}

TEST_F(VulkanRuntimeImage, AnImageAPlaneIsNegotiatedProvedAndSampled) {
  auto pool = runtime_.negotiate(nv12()).with(*gpu_, Usage::Sampled | Usage::AsPlanes).allocate(1);
  ASSERT_TRUE(pool) << pool.error().message();
  auto lease = pool->acquire(soon());
  ASSERT_TRUE(lease) << lease.error().message();
  EXPECT_EQ(pool->report().imports[0].verdict, AliasVerdict::Aliased);
  EXPECT_EQ(pool->report().imports[0].imported_as, ImportedAs::Images);
  const Mapping& mapping = (*lease)->on(*gpu_);
  const auto view = vulkan::view(mapping);
  ASSERT_TRUE(view) << view.error().message();
  ASSERT_EQ((*view)->kind, static_cast<std::uint32_t>(CW_VULKAN_PLANES)) << (*view)->why_not;
  const auto picture = Picture::make(kWidth, kHeight, 2, 2);
  paint((*lease)->frame(), picture);
  const auto seen = look(mapping, plane(**view, 1));
  ASSERT_EQ(seen.size(), picture.cb.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    ASSERT_NEAR(double(seen[i][0]) * 255, picture.cb[i], 0.5) << "sample " << i;
    ASSERT_NEAR(double(seen[i][1]) * 255, picture.cr[i], 0.5) << "sample " << i;
  }
}

TEST_F(VulkanRuntimeImage, FramesThatFillTheirPagesAreImagesAsWell) {
  // 30 rows of 4096 bytes; lavapipe wants room for 32.
  const FrameDesc desc{.format = formats::kXRGB8888, .width = 1024, .height = 30};
  auto pool = runtime_.negotiate(desc).with(*gpu_, Usage::Sampled | Usage::AsImage).allocate(1);
  ASSERT_TRUE(pool) << pool.error().message();
  EXPECT_GE((*pool->acquire(soon()))->frame().objects()[0].size(), 32U * 4096U);
}

TEST_F(VulkanRuntimeImage, AFrameOfTwoObjectsIsOneImage) {
  // What a camera with a descriptor for each plane would bring.
  auto luma = runtime_.allocate(4096);
  auto chroma = runtime_.allocate(4096);
  ASSERT_TRUE(luma && chroma);
  auto frame = Frame::create({.format = formats::kNV12,
                              .width = kWidth,
                              .height = kHeight,
                              .planes = {{.object = 0, .stride = 64}, {.object = 1, .stride = 64}},
                              .color = kColor},
                             {*luma, *chroma});
  ASSERT_TRUE(frame) << frame.error().message();
  auto attachment = frame->attach(*gpu_, Usage::Sampled | Usage::AsImage);
  ASSERT_TRUE(attachment) << attachment.error().message();
  auto mapping = attachment->map(Direction::ToDevice);
  ASSERT_TRUE(mapping) << mapping.error().message();
  EXPECT_EQ(mapping->verdict(), AliasVerdict::Aliased);
  expect_sampled(*frame, *mapping);
}

TEST_F(VulkanRuntimeImage, AFormThatTheDeviceHasNotFailsTheNegotiation) {
  // lavapipe stores to no image with shared chroma.
  auto pool = runtime_.negotiate(nv12()).with(*gpu_, Usage::StorageWrite | Usage::AsImage).allocate(1);
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.error().code(), Errc::Unsupported);
  EXPECT_THAT(pool.error().message(), HasSubstr("VK_IMAGE_TILING_LINEAR"));
}

TEST_F(VulkanRuntimeImage, AFrameOfTheGpusOwnComesBackAsOneImage) {
  auto frame = runtime_.allocate_on(*gpu_, nv12(), Usage::Sampled | Usage::AsImage);
  if (!TestMemory::udmabuf(4096).valid()) {
    EXPECT_FALSE(frame) << "without /dev/udmabuf lavapipe exports nothing";
    return;
  }
  ASSERT_TRUE(frame) << frame.error().message();
  EXPECT_EQ(frame->layout().color, kColor);
  auto attachment = frame->attach(*gpu_, Usage::Sampled | Usage::AsImage);
  ASSERT_TRUE(attachment) << attachment.error().message();
  auto mapping = attachment->map(Direction::ToDevice);
  ASSERT_TRUE(mapping) << mapping.error().message();
  expect_sampled(*frame, *mapping);
}

TEST_F(VulkanRuntimeImage, TheReportSaysWhereThereAreOnlyBytes) {
  auto pool = runtime_.negotiate(nv12()).with(*gpu_, Usage::StorageRead | Usage::AsBuffer).allocate(1);
  ASSERT_TRUE(pool) << pool.error().message();
  EXPECT_EQ(pool->report().imports[0].imported_as, ImportedAs::Bytes);
  EXPECT_EQ(pool->frame(0).on(*gpu_).imported_as(), ImportedAs::Bytes);
  EXPECT_EQ(Mapping().imported_as(), ImportedAs::Bytes);
}

}  // namespace
}  // namespace causeway::test
