// SPDX-License-Identifier: Apache-2.0
// Frames sampled through a YCbCr conversion, pixel by pixel against the CPU.
#include <cmath>

#include "host/vulkan_caller.hpp"
#include "host/vulkan_image_harness.hpp"
#include "host/vulkan_ycbcr_reference.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kUsage = CW_USAGE_READ | CW_USAGE_SAMPLED | CW_USAGE_AS_IMAGE;
constexpr std::uint32_t kWidth = 50;  // rows of 50 bytes, 64 apart
constexpr std::uint32_t kHeight = 20;
constexpr std::uint64_t kBehindLuma = std::uint64_t{64} * kHeight;

/// llvmpipe filters 8-bit textures with 8-bit weights, and the blue row of the matrix doubles what that
/// costs.
constexpr double kOneOrTwo = 2.5 / 255;
/// No picture that somebody would take for the right one.
constexpr double kWrong = 20.0 / 255;

void say(AttachWords& words, const Color& color) {
  words.info.color_encoding = static_cast<std::uint32_t>(color.encoding);
  words.info.color_range = static_cast<std::uint32_t>(color.range);
  words.info.chroma_siting_x = static_cast<std::uint32_t>(color.siting_x);
  words.info.chroma_siting_y = static_cast<std::uint32_t>(color.siting_y);
}

ChromaSiting siting_of(VkChromaLocation location) {
  return location == VK_CHROMA_LOCATION_COSITED_EVEN ? ChromaSiting::Cosited : ChromaSiting::Midpoint;
}

/// The largest difference of any channel of any pixel.
double distance(const std::vector<Texel>& seen, const Picture& picture, const Rules& rules) {
  if (seen.size() != std::size_t{picture.width} * picture.height) {
    ADD_FAILURE() << seen.size() << " texels were seen";
    return 1e9;
  }
  double most = 0;
  for (std::uint32_t y = 0; y < picture.height; ++y) {
    for (std::uint32_t x = 0; x < picture.width; ++x) {
      const auto expected = rgb_at(picture, rules, x, y);
      for (std::size_t c = 0; c < 3; ++c) {
        most =
            std::max(most, std::abs(expected.at(c) - double(seen[std::size_t{y} * picture.width + x].at(c))));
      }
    }
  }
  return most;
}

class VulkanYcbcr : public VulkanImages {
protected:
  /// Samples the frame by its own colour, and by the rules that its conversion says.
  void expect_reference(const AttachWords& words, const Picture& picture, const Color& color,
                        double tolerance = kOneOrTwo) {
    const Attached attached(device_, words);
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    ASSERT_EQ(attached.view().kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE)) << attached.view().why_not;
    cw_vulkan_conversion_v1 conversion{};
    const auto made = convert(attached, conversion);
    ASSERT_TRUE(made) << made;
    const auto seen =
        sample(device_.handles(), whole(attached.view(), &conversion), attached.view().acquire_from);
    Rules rules{.encoding = color.encoding,
                .range = color.range,
                .siting_x = siting_of(conversion.info.xChromaOffset),
                .siting_y = siting_of(conversion.info.yChromaOffset),
                .linear = conversion.info.chromaFilter == VK_FILTER_LINEAR};
    EXPECT_LT(distance(seen, picture, rules), tolerance);
    // Each of the things that the frame says makes a picture that is visibly another.
    rules.range = color.range == ColorRange::Full ? ColorRange::Limited : ColorRange::Full;
    EXPECT_GT(distance(seen, picture, rules), kWrong) << "by the wrong range";
    rules.range = color.range;
    rules.encoding = color.encoding == ColorEncoding::Bt601 ? ColorEncoding::Bt709 : ColorEncoding::Bt601;
    EXPECT_GT(distance(seen, picture, rules), kWrong) << "by the wrong encoding";
    rules.encoding = color.encoding;
    if (rules.linear) {
      rules.siting_x =
          rules.siting_x == ChromaSiting::Cosited ? ChromaSiting::Midpoint : ChromaSiting::Cosited;
      EXPECT_GT(distance(seen, picture, rules), kWrong) << "by the wrong siting";
    }
  }
};

constexpr std::array kColors{
    Color{.encoding = ColorEncoding::Bt601, .range = ColorRange::Limited},
    Color{.encoding = ColorEncoding::Bt601, .range = ColorRange::Full},
    Color{.encoding = ColorEncoding::Bt709, .range = ColorRange::Limited},
    Color{.encoding = ColorEncoding::Bt709, .range = ColorRange::Full},
    Color{.encoding = ColorEncoding::Bt2020, .range = ColorRange::Limited},
};

TEST_F(VulkanYcbcr, Nv12InOneObject) {
  // lavapipe wants room for the whole image behind the start of each plane.
  const auto memory = shared_memory(16384);
  const auto picture = Picture::make(kWidth, kHeight, 2, 2);
  const std::vector<PlaneAt> planes{{&memory, 0, 64}, {&memory, kBehindLuma, 64}};
  put_luma<std::uint8_t>(picture, planes[0].bytes(), 64);
  put_chroma<std::uint8_t>(picture, planes[1].bytes(), 64);
  for (const Color& color : kColors) {
    const auto words = words_of(formats::kNV12, kWidth, kHeight, planes, kUsage);
    say(*words, color);
    expect_reference(*words, picture, color);
  }
}

TEST_F(VulkanYcbcr, Nv12InTwoObjects) {
  const auto luma = shared_memory(4096);
  const auto chroma = shared_memory(8192);
  const auto picture = Picture::make(kWidth, kHeight, 2, 2);
  const std::vector<PlaneAt> planes{{&luma, 0, 64}, {&chroma, 4096, 64}};
  put_luma<std::uint8_t>(picture, planes[0].bytes(), 64);
  put_chroma<std::uint8_t>(picture, planes[1].bytes(), 64);
  const auto words = words_of(formats::kNV12, kWidth, kHeight, planes, kUsage);
  say(*words, kColors[2]);
  expect_reference(*words, picture, kColors[2]);
}

TEST_F(VulkanYcbcr, P010) {
  const auto memory = shared_memory(16384);
  const auto picture = Picture::make(kWidth, kHeight, 2, 2, 10);
  const std::vector<PlaneAt> planes{{&memory, 0, 128}, {&memory, 2 * kBehindLuma, 128}};
  put_luma<std::uint16_t>(picture, planes[0].bytes(), 128);
  put_chroma<std::uint16_t>(picture, planes[1].bytes(), 128);
  for (const Color& color : kColors) {
    const auto words = words_of(formats::kP010, kWidth, kHeight, planes, kUsage);
    say(*words, color);
    expect_reference(*words, picture, color);
  }
}

TEST_F(VulkanYcbcr, Yuyv) {
  const auto memory = shared_memory(8192);
  const auto picture = Picture::make(kWidth, kHeight, 2, 1);
  const std::vector<PlaneAt> planes{{&memory, 0, 128}};  // rows of 100 bytes
  put_yuyv(picture, planes[0].bytes(), 128);
  for (const Color& color : kColors) {
    const auto words = words_of(formats::kYUYV, kWidth, kHeight, planes, kUsage);
    say(*words, color);
    expect_reference(*words, picture, color);
  }
}

TEST_F(VulkanYcbcr, WhatIsUnsaidIsAssumedAndNamed) {
  const auto memory = shared_memory(16384);
  const std::vector<PlaneAt> planes{{&memory, 0, 64}, {&memory, kBehindLuma, 64}};
  const Attached attached(device_, *words_of(formats::kNV12, kWidth, kHeight, planes, kUsage));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  cw_vulkan_conversion_v1 conversion{};
  ASSERT_TRUE(convert(attached, conversion));
  EXPECT_EQ(conversion.assumed, CW_VULKAN_ASSUMED_ENCODING | CW_VULKAN_ASSUMED_RANGE |
                                    CW_VULKAN_ASSUMED_SITING_X | CW_VULKAN_ASSUMED_SITING_Y);
  EXPECT_EQ(conversion.info.ycbcrModel, VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_601);
  EXPECT_EQ(conversion.info.ycbcrRange, VK_SAMPLER_YCBCR_RANGE_ITU_NARROW);
  EXPECT_GE(conversion.descriptor_count, 1U);
}

TEST_F(VulkanYcbcr, ASitingThatTheDriverHasNotIsRefused) {
  // lavapipe: NV12 cosited alone, YUYV at midpoints alone.
  const auto memory = shared_memory(16384);
  const std::vector<PlaneAt> planes{{&memory, 0, 64}, {&memory, kBehindLuma, 64}};
  const auto words = words_of(formats::kNV12, kWidth, kHeight, planes, kUsage);
  say(*words, {.siting_x = ChromaSiting::Cosited, .siting_y = ChromaSiting::Midpoint});
  const Attached nv12(device_, *words);
  ASSERT_TRUE(nv12.outcome()) << nv12.outcome();
  cw_vulkan_conversion_v1 conversion{};
  const auto refused = convert(nv12, conversion);
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, AllOf(HasSubstr("at midpoints down"), HasSubstr("cosited alone"),
                                  HasSubstr("Usage::AsPlanes")));
  const auto packed = words_of(formats::kYUYV, kWidth, kHeight, {{&memory, 0, 128}}, kUsage);
  say(*packed, {.siting_x = ChromaSiting::Midpoint, .siting_y = ChromaSiting::Cosited});
  const Attached yuyv(device_, *packed);
  ASSERT_TRUE(yuyv.outcome()) << yuyv.outcome();
  EXPECT_TRUE(convert(yuyv, conversion)) << "rows of 4:2:2 share no chroma, so what is said of them is void";
}

TEST_F(VulkanYcbcr, ValuesThatAreNoneAreRefused) {
  const auto memory = shared_memory(16384);
  const auto refuse = [&](const auto& bend) {
    const auto words = words_of(formats::kYUYV, kWidth, kHeight, {{&memory, 0, 128}}, kUsage);
    bend(words->info);
    const Attached attached(device_, *words);
    EXPECT_TRUE(attached.outcome()) << attached.outcome();
    cw_vulkan_conversion_v1 conversion{};
    return convert(attached, conversion);
  };
  EXPECT_EQ(refuse([](auto& info) { info.color_encoding = 9; }).status, CW_INVALID_ARGUMENT);
  EXPECT_EQ(refuse([](auto& info) { info.color_range = 9; }).status, CW_INVALID_ARGUMENT);
  EXPECT_EQ(refuse([](auto& info) { info.chroma_siting_x = 9; }).status, CW_INVALID_ARGUMENT);
  // A host from before the colours says nothing of them, whatever lies behind its struct.
  EXPECT_TRUE(refuse([](auto& info) {
    info.color_encoding = 9;
    info.struct_size = offsetof(cw_attach_info, color_encoding);
  }));
}

TEST_F(VulkanYcbcr, FramesOfOneColourShareTheirConversion) {
  const auto memory = shared_memory(16384);
  const auto with = [&](const Color& color) {
    const auto words = words_of(formats::kYUYV, kWidth, kHeight, {{&memory, 0, 128}}, kUsage);
    say(*words, color);
    const Attached attached(device_, *words);
    EXPECT_TRUE(attached.outcome()) << attached.outcome();
    cw_vulkan_conversion_v1 conversion{};
    EXPECT_TRUE(convert(attached, conversion));
    return conversion.conversion;
  };
  EXPECT_EQ(with(kColors[0]), with(kColors[0]));
  EXPECT_EQ(with(kColors[0]), with({})) << "the same, said or assumed";
  EXPECT_NE(with(kColors[0]), with(kColors[1]));
}

TEST_F(VulkanYcbcr, FramesWithoutOneImageOrChromaHaveNoConversion) {
  const auto memory = shared_memory(16384);
  cw_vulkan_conversion_v1 conversion{};
  const Attached rgb(device_, *words_of(formats::kXRGB8888, 16, 16, {{&memory, 0, 64}}, kUsage));
  ASSERT_TRUE(rgb.outcome()) << rgb.outcome();
  EXPECT_EQ(convert(rgb, conversion).status, CW_INVALID_ARGUMENT);
  const std::vector<PlaneAt> planes{{&memory, 0, 64}, {&memory, kBehindLuma, 64}};
  const Attached apart(device_, *words_of(formats::kNV12, kWidth, kHeight, planes,
                                          CW_USAGE_READ | CW_USAGE_SAMPLED | CW_USAGE_AS_PLANES));
  ASSERT_TRUE(apart.outcome()) << apart.outcome();
  const auto refused = convert(apart, conversion);
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, AllOf(HasSubstr("an image a plane"), HasSubstr("Usage::AsImage")));
}

/// What an adopted device can do is what its owner enabled.
class VulkanYcbcrAdopted : public ::testing::Test {
protected:
  static cw_vulkan_adopt_v1 words(const CallerDevice& caller, bool feature) {
    auto words = caller.words();
    words.flags |= feature ? CW_VULKAN_ADOPT_SAMPLER_YCBCR_CONVERSION : 0U;
    return words;
  }
  static std::unique_ptr<AttachWords> nv12(const TestMemory& memory, std::uint32_t usage) {
    return words_of(formats::kNV12, kWidth, kHeight, {{&memory, 0, 64}, {&memory, kBehindLuma, 64}}, usage);
  }

  VulkanHost host_;
  const TestMemory memory_ = TestMemory::memfd(16384);
};

TEST_F(VulkanYcbcrAdopted, WithoutTheFeatureFramesComeAsPlanes) {
  const CallerDevice caller(
      {VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME});
  ASSERT_TRUE(caller.made()) << caller.why();
  {
    const OpenedDevice device(host_, words(caller, false));
    ASSERT_TRUE(device.opened()) << device.opened();
    const Attached planes(device, *nv12(memory_, CW_USAGE_READ | CW_USAGE_SAMPLED));
    ASSERT_TRUE(planes.outcome()) << planes.outcome();
    EXPECT_EQ(planes.view().kind, static_cast<std::uint32_t>(CW_VULKAN_PLANES)) << planes.view().why_not;
    EXPECT_THAT(planes.view().why_not, HasSubstr("samplerYcbcrConversion"));
    const Attached image(device, *nv12(memory_, kUsage));
    ASSERT_TRUE(image.outcome()) << image.outcome();
    EXPECT_EQ(image.view().kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE)) << "it was asked for";
    cw_vulkan_conversion_v1 conversion{};
    const auto refused = convert(image, conversion);
    EXPECT_EQ(refused.status, CW_UNSUPPORTED);
    EXPECT_THAT(refused.text, AllOf(HasSubstr("samplerYcbcrConversion is not enabled"),
                                    HasSubstr("AdoptInfo::sampler_ycbcr_conversion")));
  }
  EXPECT_THAT(caller.complaints(), IsEmpty());
}

TEST_F(VulkanYcbcrAdopted, WithTheFeatureTheyAreSampled) {
  const CallerDevice caller(
      {VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME}, false, true);
  ASSERT_TRUE(caller.made()) << caller.why();
  {
    const OpenedDevice device(host_, words(caller, true));
    ASSERT_TRUE(device.opened()) << device.opened();
    const Attached image(device, *nv12(memory_, CW_USAGE_READ | CW_USAGE_SAMPLED));
    ASSERT_TRUE(image.outcome()) << image.outcome();
    EXPECT_EQ(image.view().kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE)) << image.view().why_not;
    cw_vulkan_conversion_v1 conversion{};
    const auto made = convert(image, conversion);
    ASSERT_TRUE(made) << made;
    EXPECT_NE(conversion.conversion, VkSamplerYcbcrConversion{});
    EXPECT_FALSE(
        sample(device.handles(), whole(image.view(), &conversion), image.view().acquire_from).empty());
  }
}

}  // namespace
}  // namespace causeway::test
