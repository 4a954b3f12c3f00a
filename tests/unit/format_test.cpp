// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <libdrm/drm_fourcc.h>

#include <causeway/format.hpp>
#include <limits>

namespace causeway {
namespace {

// Values are the kernel's, from the kernel's own header.
static_assert(formats::kXRGB8888.fourcc == DRM_FORMAT_XRGB8888);
static_assert(formats::kARGB8888.fourcc == DRM_FORMAT_ARGB8888);
static_assert(formats::kXBGR8888.fourcc == DRM_FORMAT_XBGR8888);
static_assert(formats::kABGR8888.fourcc == DRM_FORMAT_ABGR8888);
static_assert(formats::kBGRX8888.fourcc == DRM_FORMAT_BGRX8888);
static_assert(formats::kBGRA8888.fourcc == DRM_FORMAT_BGRA8888);
static_assert(formats::kR8.fourcc == DRM_FORMAT_R8);
static_assert(formats::kYUYV.fourcc == DRM_FORMAT_YUYV);
static_assert(formats::kUYVY.fourcc == DRM_FORMAT_UYVY);
static_assert(formats::kNV12.fourcc == DRM_FORMAT_NV12);
static_assert(formats::kP010.fourcc == DRM_FORMAT_P010);
static_assert(formats::kYUV420.fourcc == DRM_FORMAT_YUV420);
static_assert(Modifier::kLinear.value == DRM_FORMAT_MOD_LINEAR);
static_assert(Modifier::kInvalid.value == DRM_FORMAT_MOD_INVALID);
static_assert(Modifier::kInvalid != Modifier::kLinear);

constexpr Modifier kTiled{DRM_FORMAT_MOD_BROADCOM_VC4_T_TILED};

TEST(Format, HasANameToShow) {
  EXPECT_EQ(formats::kNV12.to_string(), "NV12");
  EXPECT_EQ(formats::kR8.to_string(), "R8  ");
  EXPECT_EQ(formats::kBytes.to_string(), "bytes");
  EXPECT_EQ(Format{0x01020304}.to_string(), "0x01020304");
}

TEST(Format, IsFoundByItsName) {
  EXPECT_EQ(*Format::parse("NV12"), formats::kNV12);
  EXPECT_EQ(*Format::parse("XR24"), formats::kXRGB8888);
  EXPECT_EQ(*Format::parse("R8"), formats::kR8);
  EXPECT_EQ(Format::parse("ZZ99")->to_string(), "ZZ99");  // known or not
}

TEST(Format, NameThatCannotBeOneIsRefusedWithAnExample) {
  for (const char* name : {"", "NV12M", "a pixel format"}) {
    const auto refused = Format::parse(name);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code(), Errc::InvalidArgument);
    EXPECT_NE(refused.error().detail().find(name), std::string::npos);
    EXPECT_NE(refused.error().detail().find("NV12"), std::string::npos);
  }
}

TEST(Modifier, HasANameToShow) {
  EXPECT_EQ(Modifier::kLinear.to_string(), "LINEAR");
  EXPECT_EQ(Modifier::kInvalid.to_string(), "INVALID");
  EXPECT_EQ(kTiled.to_string(), "0x0700000000000001");
}

TEST(FormatInfo, KnowsPlanesAndStrides) {
  const auto nv12 = info_of(formats::kNV12);
  ASSERT_TRUE(nv12);
  EXPECT_EQ(nv12->plane_count, 2);
  EXPECT_EQ(nv12->min_stride(0, 640), 640U);
  EXPECT_EQ(nv12->min_stride(1, 640), 640U);
  EXPECT_EQ(nv12->rows(0, 480), 480U);
  EXPECT_EQ(nv12->rows(1, 480), 240U);
  const auto p010 = info_of(formats::kP010);
  EXPECT_EQ(p010->min_stride(0, 640), 1280U);
  EXPECT_EQ(p010->min_stride(1, 640), 1280U);
  const auto yuv420 = info_of(formats::kYUV420);
  EXPECT_EQ(yuv420->plane_count, 3);
  EXPECT_EQ(yuv420->min_stride(1, 640), 320U);
  EXPECT_EQ(yuv420->rows(2, 480), 240U);
  EXPECT_EQ(info_of(formats::kXRGB8888)->min_stride(0, 640), 2560U);
  EXPECT_EQ(info_of(formats::kYUYV)->min_stride(0, 640), 1280U);
}

TEST(FormatInfo, RoundsHalfBlocksUp) {
  EXPECT_EQ(info_of(formats::kNV12)->min_stride(1, 641), 642U);
  EXPECT_EQ(info_of(formats::kNV12)->rows(1, 481), 241U);
  EXPECT_EQ(info_of(formats::kYUYV)->min_stride(0, 3), 8U);
}

TEST(FormatInfo, WidestImageDoesNotOverflow) {
  constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();
  EXPECT_EQ(info_of(formats::kXRGB8888)->min_stride(0, kMost), std::uint64_t{kMost} * 4);
  EXPECT_EQ(info_of(formats::kNV12)->rows(1, kMost), 1ULL << 31U);
}

TEST(FormatInfo, TakesWholeBlocksOnly) {
  EXPECT_TRUE(info_of(formats::kNV12)->takes_size(640, 480));
  EXPECT_FALSE(info_of(formats::kNV12)->takes_size(641, 480));
  EXPECT_FALSE(info_of(formats::kNV12)->takes_size(640, 481));
  EXPECT_TRUE(info_of(formats::kYUYV)->takes_size(640, 481));
  EXPECT_FALSE(info_of(formats::kYUYV)->takes_size(641, 480));
  EXPECT_TRUE(info_of(formats::kXRGB8888)->takes_size(641, 481));
  EXPECT_FALSE(info_of(formats::kXRGB8888)->takes_size(0, 480));
  EXPECT_FALSE(info_of(formats::kXRGB8888)->takes_size(640, 0));
}

TEST(FormatInfo, UnknownFormatHasNone) {
  EXPECT_FALSE(info_of(Format::from_chars('Z', 'Z', '9', '9')));
}

TEST(FormatSet, HoldsEachPairOnce) {
  FormatSet set{{formats::kNV12, Modifier::kLinear}, {formats::kNV12, Modifier::kLinear}};
  EXPECT_EQ(set.entries().size(), 1U);
  set.add(formats::kNV12, kTiled);
  EXPECT_TRUE(set.contains(formats::kNV12, kTiled));
  EXPECT_FALSE(set.contains(formats::kYUYV, kTiled));
  EXPECT_TRUE(FormatSet().empty());
}

TEST(FormatSet, OrderOfAddingDoesNotMatter) {
  const FormatSet one{{formats::kNV12, kTiled}, {formats::kYUYV, Modifier::kLinear}};
  const FormatSet other{{formats::kYUYV, Modifier::kLinear}, {formats::kNV12, kTiled}};
  EXPECT_EQ(one, other);
}

TEST(FormatSet, IntersectsAndUnites) {
  const FormatSet camera{{formats::kNV12, Modifier::kLinear}, {formats::kYUYV, Modifier::kLinear}};
  const FormatSet gpu{{formats::kNV12, Modifier::kLinear}, {formats::kNV12, kTiled}};
  EXPECT_EQ(camera.intersect(gpu), (FormatSet{{formats::kNV12, Modifier::kLinear}}));
  EXPECT_EQ(camera.unite(gpu).entries().size(), 3U);
  EXPECT_TRUE(camera.intersect({}).empty());
  EXPECT_EQ(camera.unite({}), camera);
}

TEST(FormatSet, InvalidMeetsOnlyInvalid) {
  const FormatSet unsaid{{formats::kNV12, Modifier::kInvalid}};
  const FormatSet linear{{formats::kNV12, Modifier::kLinear}};
  EXPECT_TRUE(unsaid.intersect(linear).empty());
  EXPECT_EQ(unsaid.intersect(unsaid), unsaid);
}

}  // namespace
}  // namespace causeway
