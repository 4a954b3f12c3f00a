// SPDX-License-Identifier: Apache-2.0
//
// negotiate(): what suits all, as a pure function.
#include <array>
#include <limits>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::ElementsAre;

Participant party(std::string name, Constraints needs = {}) {
  return {.name = std::move(name), .constraints = std::move(needs)};
}
Result<AllocationPlan> agree(const FrameDesc& desc, const std::vector<Participant>& parties) {
  return negotiate(desc, parties);
}
FrameDesc image(Format format, std::uint32_t width, std::uint32_t height) {
  return {.format = format, .width = width, .height = height};
}

const FrameDesc kVga = image(formats::kXRGB8888, 640, 480);

TEST(Negotiate, WithoutNeedsThePlanesLieTight) {
  const auto plan = must(agree(kVga, {}));
  EXPECT_EQ(plan.layout.format, formats::kXRGB8888);
  EXPECT_EQ(plan.layout.modifier, Modifier::kLinear);
  EXPECT_EQ(plan.layout.width, 640U);
  EXPECT_EQ(plan.layout.height, 480U);
  EXPECT_THAT(plan.layout.planes, ElementsAre(PlaneLayout{.object = 0, .stride = 2560, .offset = 0}));
  EXPECT_THAT(plan.object_sizes, ElementsAre(2560U * 480U));
  EXPECT_EQ(plan.max_frames, 0U);
  EXPECT_FALSE(plan.needs_pinnable);
}

TEST(Negotiate, ColorGoesFromTheDescriptionIntoTheLayout) {
  auto desc = image(formats::kNV12, 64, 64);
  EXPECT_EQ(must(agree(desc, {})).layout.color, Color{});
  desc.color = {
      .encoding = ColorEncoding::Bt709, .range = ColorRange::Full, .siting_y = ChromaSiting::Midpoint};
  EXPECT_EQ(must(agree(desc, {})).layout.color, desc.color);
}

TEST(Negotiate, WhatTheDescriptionLeavesOpenTheCameraSays) {
  const Color said{.encoding = ColorEncoding::Bt709, .range = ColorRange::Limited};
  auto desc = image(formats::kNV12, 64, 64);
  const auto with_camera = [&] {
    return must(agree(desc, {party("gpu", {}), party("camera", {.color = said})}));
  };
  EXPECT_EQ(with_camera().layout.color, said);
  desc.color.range = ColorRange::Full;
  desc.color.siting_x = ChromaSiting::Cosited;
  EXPECT_EQ(
      with_camera().layout.color,
      (Color{.encoding = ColorEncoding::Bt709, .range = ColorRange::Full, .siting_x = ChromaSiting::Cosited}))
      << "the caller's word goes before the camera's";
  desc = image(formats::kXRGB8888, 64, 64);
  EXPECT_EQ(with_camera().layout.color, Color{}) << "no format with YCbCr";
}

TEST(Negotiate, CamerasThatDisagreeAboutColoursLeaveThemOpen) {
  const Color one{.encoding = ColorEncoding::Bt601, .range = ColorRange::Limited};
  const Color other{.encoding = ColorEncoding::Bt709, .range = ColorRange::Limited};
  const auto desc = image(formats::kYUYV, 64, 64);
  for (const auto& parties :
       {std::vector{party("left", {.color = one}), party("right", {.color = other})},
        std::vector{party("right", {.color = other}), party("left", {.color = one}), party("gpu", {})}}) {
    EXPECT_EQ(must(negotiate(desc, parties)).layout.color, (Color{.range = ColorRange::Limited}));
  }
}

TEST(Negotiate, ObjectsAreWholePages) {
  EXPECT_THAT(must(agree(image(formats::kR8, 1, 1), {})).object_sizes, ElementsAre(kPage));
  EXPECT_THAT(must(agree(image(formats::kR8, 4096, 1), {})).object_sizes, ElementsAre(kPage));
  EXPECT_THAT(must(agree(image(formats::kR8, 4097, 1), {})).object_sizes, ElementsAre(2 * kPage));
}

TEST(Negotiate, StrideSuitsEveryAlignment) {
  // 2560 is a multiple of 256, but not of 96: the least common multiple of both is 768.
  const auto plan =
      must(agree(kVga, {party("gpu", {.stride_align = 256}), party("dsp", {.stride_align = 96})}));
  EXPECT_EQ(plan.layout.planes[0].stride, 3072U);
  EXPECT_GE(plan.object_sizes[0], 3072U * 480U);
}

TEST(Negotiate, OrderOfThePartiesDoesNotMatter) {
  std::vector<Participant> parties{
      party("camera", {.stride_align = 64, .offset_align = 64}),
      party("gpu", {.stride_align = 256, .object_size_align = 65536, .max_frames = 7}),
      party("fpga", {.min_object_size = {1 << 20}, .max_frames = 5, .needs_pinnable = true})};
  const auto first = must(agree(image(formats::kNV12, 642, 480), parties));
  for (int i = 0; i < 2; ++i) {
    std::rotate(parties.begin(), parties.begin() + 1, parties.end());
    const auto again = must(agree(image(formats::kNV12, 642, 480), parties));
    EXPECT_EQ(again.layout, first.layout);
    EXPECT_EQ(again.object_sizes, first.object_sizes);
    EXPECT_EQ(again.max_frames, 5U);
    EXPECT_TRUE(again.needs_pinnable);
  }
}

TEST(Negotiate, CamerasExactStrideIsTaken) {
  const auto plan =
      must(agree(kVga, {party("camera", {.exact_stride = {2688}}), party("gpu", {.stride_align = 128})}));
  EXPECT_EQ(plan.layout.planes[0].stride, 2688U);
  EXPECT_GE(plan.object_sizes[0], 2688U * 480U);
}

TEST(Negotiate, ExactStrideAgainstAlignmentNamesBothAndTheField) {
  EXPECT_TRUE(fails_with(
      agree(kVga, {party("camera", {.exact_stride = {2600}}), party("gpu", {.stride_align = 256})}),
      Errc::Unsupported, {"camera", "gpu", "stride", "2600", "256"}));
}

TEST(Negotiate, TwoExactStridesConflict) {
  EXPECT_TRUE(fails_with(
      agree(kVga, {party("left", {.exact_stride = {2560}}), party("right", {.exact_stride = {2688}})}),
      Errc::Unsupported, {"left", "right", "stride", "2560", "2688"}));
}

TEST(Negotiate, ExactStrideShorterThanARowIsRefused) {
  EXPECT_TRUE(fails_with(agree(kVga, {party("camera", {.exact_stride = {2559}})}), Errc::Unsupported,
                         {"camera", "stride", "2559", "2560"}));
}

TEST(Negotiate, ChromaFollowsLumaAtAnAlignedOffset) {
  const auto plan = must(agree(image(formats::kNV12, 100, 6), {party("gpu", {.offset_align = 256})}));
  EXPECT_THAT(plan.layout.planes, ElementsAre(PlaneLayout{.object = 0, .stride = 100, .offset = 0},
                                              PlaneLayout{.object = 0, .stride = 100, .offset = 768}));
  EXPECT_THAT(plan.object_sizes, ElementsAre(kPage));
}

TEST(Negotiate, OffsetConflictNamesBothAndTheField) {
  // The camera writes chroma right behind 6 rows of 100 bytes, at 600, which is no multiple of 256.
  const std::vector parties{party("camera", {.exact_stride = {100, 100}}),
                            party("gpu", {.offset_align = 256})};
  EXPECT_TRUE(fails_with(agree(image(formats::kNV12, 100, 6), parties), Errc::Unsupported,
                         {"camera", "gpu", "offset", "600", "256"}));
}

TEST(Negotiate, EachPlaneInAnObjectOfItsOwnWhereSomebodyInsists) {
  const auto plan = must(agree(image(formats::kNV12, 100, 6), {party("camera", {.objects = 2})}));
  EXPECT_THAT(plan.layout.planes, ElementsAre(PlaneLayout{.object = 0, .stride = 100, .offset = 0},
                                              PlaneLayout{.object = 1, .stride = 100, .offset = 0}));
  EXPECT_THAT(plan.object_sizes, ElementsAre(kPage, kPage));
}

TEST(Negotiate, NumbersOfObjectsConflict) {
  EXPECT_TRUE(fails_with(agree(image(formats::kNV12, 100, 6),
                               {party("camera", {.objects = 2}), party("display", {.objects = 1})}),
                         Errc::Unsupported, {"camera", "display", "object", "2", "1"}));
  EXPECT_TRUE(fails_with(agree(image(formats::kNV12, 100, 6), {party("camera", {.objects = 3})}),
                         Errc::Unsupported, {"camera", "3", "2"}));
}

TEST(Negotiate, SizesSuitEveryAlignmentAndMinimum) {
  const auto plan = must(agree(image(formats::kR8, 64, 64), {party("a", {.object_size_align = 12288}),
                                                             party("b", {.min_object_size = {5000}})}));
  EXPECT_THAT(plan.object_sizes, ElementsAre(12288U));
}

TEST(Negotiate, TooSmallALimitIsNamed) {
  EXPECT_TRUE(fails_with(agree(kVga, {party("dma", {.max_object_size = 1 << 20})}), Errc::Unsupported,
                         {"dma", "object", "1228800", "1048576"}));
  EXPECT_TRUE(agree(kVga, {party("dma", {.max_object_size = 1228800})}));
}

TEST(Negotiate, MinimumAgainstMaximumNamesBoth) {
  EXPECT_TRUE(fails_with(agree(image(formats::kR8, 64, 64), {party("camera", {.min_object_size = {1 << 20}}),
                                                             party("gpu", {.max_object_size = 1 << 16})}),
                         Errc::Unsupported, {"camera", "gpu", "object", "1048576", "65536"}));
}

// "Not said" is not LINEAR (drm_fourcc.h): whoever offers one cannot be given the other.
TEST(Negotiate, InvalidIsNotLinear) {
  auto desc = kVga;
  desc.modifiers = {Modifier::kInvalid};
  EXPECT_TRUE(fails_with(agree(desc, {party("gpu")}), Errc::Unsupported, {"gpu", "modifier", "INVALID"}));
  EXPECT_TRUE(fails_with(agree(kVga, {party("gpu", {.modifiers = {Modifier::kInvalid}})}), Errc::Unsupported,
                         {"gpu", "modifier", "LINEAR"}));
  EXPECT_EQ(must(agree(desc, {party("gpu", {.modifiers = {Modifier::kInvalid}})})).layout.modifier,
            Modifier::kInvalid);
}

TEST(Negotiate, FirstModifierThatAllOfferIsTaken) {
  const Modifier tiled{0x0100'0000'0000'0002ULL};
  auto desc = kVga;
  desc.modifiers = {tiled, Modifier::kLinear};
  const auto both = party("gpu", {.modifiers = {Modifier::kLinear, tiled}});
  EXPECT_EQ(must(agree(desc, {both, party("display")})).layout.modifier, Modifier::kLinear);
  desc.modifiers = {tiled};
  EXPECT_TRUE(fails_with(agree(desc, {both, party("display")}), Errc::Unsupported, {"display", "modifier"}));
}

TEST(Negotiate, SidesGoTo65536) {
  EXPECT_TRUE(agree(image(formats::kXRGB8888, 65536, 65536), {}));
  EXPECT_EQ(must(agree(image(formats::kXRGB8888, 65536, 65536), {})).object_sizes[0], 1ULL << 34U);
  EXPECT_TRUE(fails_with(agree(image(formats::kXRGB8888, 65537, 1), {}), Errc::InvalidArgument,
                         {"65537x1", "65536"}));
  EXPECT_TRUE(fails_with(agree(image(formats::kXRGB8888, 1, 0xffff'ffff), {}), Errc::InvalidArgument));
}

TEST(Negotiate, ImagesWithoutContentAreRefused) {
  EXPECT_TRUE(fails_with(agree(image(formats::kXRGB8888, 0, 4), {}), Errc::InvalidArgument, {"0x4"}));
  EXPECT_TRUE(fails_with(agree(image(formats::kXRGB8888, 4, 0), {}), Errc::InvalidArgument, {"4x0"}));
}

TEST(Negotiate, HalvesOfABlockAreRefused) {
  EXPECT_TRUE(fails_with(agree(image(formats::kNV12, 641, 480), {}), Errc::InvalidArgument,
                         {"NV12", "641x480", "640x480"}));
  EXPECT_TRUE(fails_with(agree(image(formats::kNV12, 640, 481), {}), Errc::InvalidArgument, {"640x480"}));
  EXPECT_TRUE(fails_with(agree(image(formats::kYUYV, 641, 480), {}), Errc::InvalidArgument, {"640x480"}));
  EXPECT_TRUE(agree(image(formats::kYUYV, 640, 481), {})) << "YUYV shares chroma across only";
}

TEST(Negotiate, UnknownFormatsAreNamed) {
  EXPECT_TRUE(fails_with(agree(image(Format::from_chars('Q', 'Q', '9', '9'), 4, 4), {}), Errc::Unsupported,
                         {"QQ99", "NV12"}));
}

TEST(Negotiate, BytesAreOneRowOfAnySize) {
  const auto plan = must(agree(FrameDesc::bytes(0xffff'f001), {party("gpu", {.stride_align = 256})}));
  EXPECT_THAT(plan.object_sizes, ElementsAre(0x1'0000'0000ULL));
  auto two_rows = FrameDesc::bytes(16);
  two_rows.height = 2;
  EXPECT_TRUE(fails_with(agree(two_rows, {}), Errc::InvalidArgument, {"1", "2"}));
}

// ---- Numbers whose products and sums do not fit into 64 bits: refused, never wrapped around

TEST(Negotiate, AlignmentsWithoutACommonMultipleAreRefused) {
  // Primes just below 2^32: the product of three has 96 bits.
  std::vector<Participant> parties;
  for (const std::uint32_t prime : {4294967291U, 4294967279U, 4294967231U}) {
    parties.push_back(party("p" + std::to_string(prime), {.stride_align = prime}));
  }
  EXPECT_TRUE(fails_with(agree(kVga, parties), Errc::Unsupported, {"stride"}));
  for (auto& one : parties) {
    one.constraints.offset_align = std::exchange(one.constraints.stride_align, 1);
  }
  EXPECT_TRUE(fails_with(agree(image(formats::kNV12, 64, 64), parties), Errc::Unsupported, {"offset"}));
  for (auto& one : parties) {
    one.constraints.object_size_align = std::exchange(one.constraints.offset_align, 1);
  }
  EXPECT_TRUE(fails_with(agree(kVga, parties), Errc::Unsupported, {"object"}));
}

TEST(Negotiate, StrideBeyond32BitsIsRefused) {
  EXPECT_TRUE(fails_with(
      agree(kVga, {party("odd", {.stride_align = 4294967291U}), party("even", {.stride_align = 2})}),
      Errc::Unsupported, {"stride"}));
}

TEST(Negotiate, SizesNear2To64DoNotWrapAround) {
  for (const auto size :
       {std::numeric_limits<std::uint64_t>::max(), std::numeric_limits<std::uint64_t>::max() - kPage + 2}) {
    const auto plan = agree(kVga, {party("liar", {.min_object_size = {size}})});
    EXPECT_TRUE(fails_with(plan, Errc::Unsupported, {"liar", "object"}));
    if (plan) {
      ADD_FAILURE() << "The plan has an object of " << plan->object_sizes[0] << " bytes.";
    }
  }
}

TEST(Negotiate, OffsetsFarBehindDoNotWrapAround) {
  const auto plan = agree(image(formats::kNV12, 64, 64), {party("a", {.offset_align = 4294967291U}),
                                                          party("b", {.offset_align = 4294967279U})});
  if (plan) {
    EXPECT_EQ(plan->layout.planes[1].offset, 4294967291ULL * 4294967279ULL);
    EXPECT_GE(plan->object_sizes[0], plan->layout.planes[1].offset);
  } else {
    EXPECT_TRUE(fails_with(plan, Errc::Unsupported, {"offset"}));
  }
}

TEST(Negotiate, AlignmentOf0CountsAsNone) {
  const auto plan =
      must(agree(kVga, {party("c", {.stride_align = 0, .offset_align = 0, .object_size_align = 0})}));
  EXPECT_EQ(plan.layout.planes[0].stride, 2560U);
}

}  // namespace
}  // namespace causeway::test
