// SPDX-License-Identifier: Apache-2.0
// The table of formats: pure.

#include "../../backends/v4l2/src/formats.hpp"

#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include <causeway/v4l2.hpp>

#include <set>

namespace causeway::v4l2_backend {
namespace {

const FormatRow& row(std::uint32_t fourcc) {
  const FormatRow* found = row_of_fourcc(fourcc);
  EXPECT_NE(found, nullptr) << fourcc_text(fourcc);
  return found != nullptr ? *found : format_rows()[0];
}

TEST(V4l2Formats, EachFourccStandsForOneDrmFormat) {
  std::set<std::uint32_t> seen;
  for (const auto& entry : format_rows()) {
    EXPECT_TRUE(seen.insert(entry.fourcc).second) << fourcc_text(entry.fourcc) << " is there twice";
    EXPECT_EQ(row_of_fourcc(entry.fourcc), &entry);
    EXPECT_GE(entry.colour_planes, entry.memory_planes) << fourcc_text(entry.fourcc);
    EXPECT_TRUE(entry.memory_planes == 1 || entry.memory_planes == entry.colour_planes)
        << fourcc_text(entry.fourcc);
  }
}

TEST(V4l2Formats, PrefersOneDescriptorOverSeveral) {
  for (const auto& entry : format_rows()) {
    for (const auto& later : format_rows()) {
      if (&later > &entry && later.drm == entry.drm) {
        EXPECT_LE(entry.memory_planes, later.memory_planes)
            << fourcc_text(entry.fourcc) << " comes before " << fourcc_text(later.fourcc);
      }
    }
  }
}

// Byte orders out of pixfmt-rgb.rst against the bit orders of drm_fourcc.h.
TEST(V4l2Formats, RgbFollowsTheBytesInMemory) {
  EXPECT_EQ(row(V4L2_PIX_FMT_XBGR32).drm, formats::kXRGB8888);  // B G R X
  EXPECT_EQ(row(V4L2_PIX_FMT_BGR32).drm, formats::kXRGB8888);   // B G R X
  EXPECT_EQ(row(V4L2_PIX_FMT_ABGR32).drm, formats::kARGB8888);  // B G R A
  EXPECT_EQ(row(V4L2_PIX_FMT_RGBX32).drm, formats::kXBGR8888);  // R G B X
  EXPECT_EQ(row(V4L2_PIX_FMT_RGBA32).drm, formats::kABGR8888);  // R G B A
  EXPECT_EQ(row(V4L2_PIX_FMT_RGB32).drm, formats::kBGRX8888);   // X R G B
  EXPECT_EQ(row(V4L2_PIX_FMT_XRGB32).drm, formats::kBGRX8888);  // X R G B
  EXPECT_EQ(row(V4L2_PIX_FMT_ARGB32).drm, formats::kBGRA8888);  // A R G B
  EXPECT_EQ(row(V4L2_PIX_FMT_RGB24).drm, Format::from_chars('B', 'G', '2', '4'));
  EXPECT_EQ(row(V4L2_PIX_FMT_BGR24).drm, Format::from_chars('R', 'G', '2', '4'));
}

TEST(V4l2Formats, TheNewerCodesEqualDrms) {
  for (const std::uint32_t fourcc :
       {V4L2_PIX_FMT_XBGR32, V4L2_PIX_FMT_ABGR32, V4L2_PIX_FMT_RGBX32, V4L2_PIX_FMT_RGBA32,
        V4L2_PIX_FMT_XRGB32, V4L2_PIX_FMT_ARGB32, V4L2_PIX_FMT_BGRX32, V4L2_PIX_FMT_BGRA32, V4L2_PIX_FMT_YUYV,
        V4L2_PIX_FMT_NV12, V4L2_PIX_FMT_P010, V4L2_PIX_FMT_YUV420}) {
    EXPECT_EQ(row(fourcc).drm.fourcc, fourcc) << fourcc_text(fourcc);
  }
}

TEST(V4l2Formats, ChromaFollowsLumaInOneMemoryPlane) {
  const auto& nv12 = row(V4L2_PIX_FMT_NV12);
  EXPECT_EQ(nv12.stride_of(0, 768), 768U);
  EXPECT_EQ(nv12.stride_of(1, 768), 768U);
  EXPECT_EQ(nv12.offset_of(1, 768, 480), 768U * 480);
  EXPECT_EQ(nv12.offset_of(2, 768, 480), 768U * 480 * 3 / 2);  // the end: the whole size

  const auto& yuv420 = row(V4L2_PIX_FMT_YUV420);
  EXPECT_EQ(yuv420.stride_of(1, 768), 384U);
  EXPECT_EQ(yuv420.offset_of(1, 768, 480), 768U * 480);
  EXPECT_EQ(yuv420.offset_of(2, 768, 480), 768U * 480 + 384U * 240);
  EXPECT_EQ(yuv420.rows_of(1, 481), 241U);

  EXPECT_EQ(row(V4L2_PIX_FMT_NV24).stride_of(1, 640), 1280U);
  EXPECT_EQ(row(V4L2_PIX_FMT_NV16).rows_of(1, 480), 480U);
}

TEST(V4l2Formats, OffsetsDoNotOverflow) {
  const auto& nv12 = row(V4L2_PIX_FMT_NV12);
  EXPECT_EQ(nv12.offset_of(1, 0xffff'ffff, 0xffff'ffff), std::uint64_t{0xffff'ffff} * 0xffff'ffff);
}

TEST(V4l2Formats, NamesForPeople) {
  EXPECT_EQ(fourcc_text(V4L2_PIX_FMT_NV12M), "NM12");
  EXPECT_EQ(fourcc_text(V4L2_PIX_FMT_Y16), "Y16");
  EXPECT_EQ(fourcc_text(V4L2_PIX_FMT_Y16_BE), "Y16-BE");
  EXPECT_EQ(fourcc_text(0x01020304), "0x1020304");
}

TEST(V4l2Formats, UnknownOnesAreNotGuessed) {
  EXPECT_EQ(row_of_fourcc(V4L2_PIX_FMT_MJPEG), nullptr);
  EXPECT_EQ(row_of_fourcc(V4L2_PIX_FMT_Y16_BE), nullptr);
  EXPECT_EQ(row_of_fourcc(0), nullptr);
}

// What a driver leaves at "default", by the kernel's own rules.
TEST(V4l2Formats, ColoursAreWhatTheDriverSaysOrV4l2sDefaults) {
  for (std::uint32_t space = V4L2_COLORSPACE_SMPTE170M; space <= V4L2_COLORSPACE_DCI_P3; ++space) {
    const v4l2::CameraFormat by_default{.colorspace = space};
    const v4l2::CameraFormat said{
        .colorspace = space,
        .ycbcr_encoding = V4L2_MAP_YCBCR_ENC_DEFAULT(space),
        .quantization = V4L2_MAP_QUANTIZATION_DEFAULT(0, space, V4L2_MAP_YCBCR_ENC_DEFAULT(space))};
    EXPECT_EQ(v4l2::color_of(by_default), v4l2::color_of(said)) << "colorspace " << space;
  }
  const auto encoding = [](std::uint32_t value) {
    return v4l2::color_of({.colorspace = V4L2_COLORSPACE_SRGB, .ycbcr_encoding = value}).encoding;
  };
  EXPECT_EQ(encoding(V4L2_YCBCR_ENC_601), ColorEncoding::Bt601);
  EXPECT_EQ(encoding(V4L2_YCBCR_ENC_709), ColorEncoding::Bt709);
  EXPECT_EQ(encoding(V4L2_YCBCR_ENC_BT2020), ColorEncoding::Bt2020);
  EXPECT_EQ(encoding(V4L2_YCBCR_ENC_SMPTE240M), ColorEncoding::Unspecified);
  EXPECT_EQ(encoding(V4L2_YCBCR_ENC_BT2020_CONST_LUM), ColorEncoding::Unspecified);
  const auto range = [](std::uint32_t value) {
    return v4l2::color_of({.colorspace = V4L2_COLORSPACE_REC709, .quantization = value}).range;
  };
  EXPECT_EQ(range(V4L2_QUANTIZATION_FULL_RANGE), ColorRange::Full);
  EXPECT_EQ(range(V4L2_QUANTIZATION_LIM_RANGE), ColorRange::Limited);
  EXPECT_EQ(v4l2::color_of({.colorspace = V4L2_COLORSPACE_JPEG}).range, ColorRange::Full);
}

}  // namespace
}  // namespace causeway::v4l2_backend
