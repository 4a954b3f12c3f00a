// SPDX-License-Identifier: Apache-2.0
// Settling a format with the camera, and which memory is taken for it.

#include <gmock/gmock.h>

#include "unit/v4l2_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class V4l2Dialogue : public ::testing::Test {
protected:
  void SetUp() override { ASSERT_TRUE(camera.open()); }
  OpenCamera camera{true};
};

TEST_F(V4l2Dialogue, TakesTheDriversStrideAndSize) {
  camera.driver.stride_align = 256;
  ASSERT_TRUE(camera.constrain(image_of(formats::kNV12)));
  EXPECT_EQ(camera.constraints.exact_stride[0], 768U);
  EXPECT_EQ(camera.constraints.exact_stride[1], 768U) << "chroma's stride follows from luma's";
  EXPECT_EQ(camera.constraints.exact_stride[2], 0U);
  EXPECT_EQ(camera.constraints.min_object_size[0], 768U * 480 * 3 / 2);
  EXPECT_EQ(camera.constraints.objects, 1U) << "one descriptor is preferred to two";
  EXPECT_EQ(camera.constraints.modifier_count, 0U);
  EXPECT_EQ(camera.driver.fourcc(), V4L2_PIX_FMT_NV12);
}

TEST_F(V4l2Dialogue, TellsTheColoursOfThePictures) {
  camera.driver.colorspace = V4L2_COLORSPACE_REC709;
  camera.driver.quantization = V4L2_QUANTIZATION_FULL_RANGE;
  ASSERT_TRUE(camera.constrain(image_of(formats::kNV12)));
  EXPECT_EQ(camera.constraints.color_encoding, std::uint32_t{CW_COLOR_ENCODING_BT709});
  EXPECT_EQ(camera.constraints.color_range, std::uint32_t{CW_COLOR_RANGE_FULL});
  EXPECT_EQ(camera.constraints.chroma_siting_x, 0U) << "V4L2 does not say";
}

TEST_F(V4l2Dialogue, AHostBeforeColoursIsToldNone) {
  auto older = plugin::sized<cw_constraints>();
  older.struct_size = offsetof(cw_constraints, color_encoding);
  older.color_encoding = 77;  // not this host's: whatever lies behind its struct
  older.color_range = 77;
  ASSERT_TRUE(attempt([&](cw_error* error) {
    const auto image = image_of(formats::kNV12);
    return v4l2_table().query_constraints(camera.device(), &image, CW_USAGE_CAPTURE | CW_USAGE_WRITE, &older,
                                          error);
  }));
  EXPECT_EQ(older.color_encoding, 77U);
  EXPECT_EQ(older.color_range, 77U);
}

TEST_F(V4l2Dialogue, TwoDescriptorsWhereTheDriverOffersNoOther) {
  std::erase_if(camera.driver.formats, [](const auto& f) { return f.fourcc == V4L2_PIX_FMT_NV12; });
  ASSERT_TRUE(camera.constrain(image_of(formats::kNV12)));
  EXPECT_EQ(camera.constraints.objects, 2U);
  EXPECT_EQ(camera.constraints.min_object_size[0], 640U * 480);
  EXPECT_EQ(camera.constraints.min_object_size[1], 640U * 240);
}

TEST_F(V4l2Dialogue, KeepsToTheFourccThatTheCallerChose) {
  auto wanted = plugin::sized<cw_v4l2_format>();
  wanted.fourcc = V4L2_PIX_FMT_NV12M;
  wanted.width = 640;
  wanted.height = 480;
  auto answer = plugin::sized<cw_v4l2_format>();
  ASSERT_TRUE(attempt(
      [&](cw_error* error) { return camera.stream().set_format(camera.device(), &wanted, &answer, error); }));
  EXPECT_EQ(answer.memory_planes, 2U);
  EXPECT_EQ(answer.drm_format, formats::kNV12.fourcc);
  ASSERT_TRUE(camera.constrain(image_of(formats::kNV12)));
  EXPECT_EQ(camera.constraints.objects, 2U);
  ASSERT_TRUE(camera.constrain(image_of(formats::kYUYV)))
      << "another DRM format is not held up by that choice";
}

TEST_F(V4l2Dialogue, SetFormatTellsWhatTheDriverMadeOfIt) {
  auto wanted = plugin::sized<cw_v4l2_format>();
  wanted.drm_format = formats::kYUYV.fourcc;
  wanted.width = 333;
  wanted.height = 222;
  auto answer = plugin::sized<cw_v4l2_format>();
  ASSERT_TRUE(attempt(
      [&](cw_error* error) { return camera.stream().set_format(camera.device(), &wanted, &answer, error); }));
  EXPECT_EQ(answer.width, 640U);
  EXPECT_EQ(answer.height, 480U);
  EXPECT_EQ(answer.stride[0], 1280U);
}

TEST_F(V4l2Dialogue, AnotherSizeIsARefusalThatNamesTheSizes) {
  const auto outcome = camera.constrain(image_of(formats::kYUYV, 800, 600));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("800x600"), HasSubstr("640x480"), HasSubstr("1280x720")));
  EXPECT_EQ(camera.driver.calls[VIDIOC_S_FMT], 0U) << "the camera is left as it was";
}

TEST_F(V4l2Dialogue, EnormousSizesAreRefusedLikewise) {
  EXPECT_EQ(camera.constrain(image_of(formats::kNV12, 0xffff'fffe, 0xffff'fffe)).status, CW_UNSUPPORTED);
}

TEST_F(V4l2Dialogue, AFormatThatIsNotOfferedNamesThoseThatAre) {
  const auto outcome = camera.constrain(image_of(formats::kP010));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("P010"), HasSubstr("YUYV"), HasSubstr("NM12 (NV12)"),
                                  HasSubstr("1 that have no name in DRM")));
}

TEST_F(V4l2Dialogue, SenselessImages) {
  EXPECT_EQ(camera.constrain(image_of(formats::kBytes, 4096, 1)).status, CW_UNSUPPORTED);
  EXPECT_EQ(camera.constrain(image_of(formats::kYUYV, 0, 480)).status, CW_INVALID_ARGUMENT);
  auto tiled = image_of(formats::kYUYV);
  tiled.modifier = 0x0100'0000'0000'0001ULL;
  EXPECT_EQ(camera.constrain(tiled).status, CW_UNSUPPORTED);
  EXPECT_EQ(camera.constrain(image_of(formats::kYUYV), CW_USAGE_READ).status, CW_INVALID_ARGUMENT);
}

TEST_F(V4l2Dialogue, ADriverThatAnswersNonsenseIsNotBelieved) {
  camera.driver.formats[0].bytes_per_pixel = 1;  // YUYV takes 2
  auto outcome = camera.constrain(image_of(formats::kYUYV));
  EXPECT_EQ(outcome.status, CW_IO);
  EXPECT_THAT(outcome.text, HasSubstr("at least 1280"));
  camera.driver.formats[1].size_halves = 2;  // NV12 takes 3
  EXPECT_EQ(camera.constrain(image_of(formats::kNV12)).status, CW_IO);
}

TEST_F(V4l2Dialogue, ACameraInUseSaysSo) {
  camera.driver.fail_once[VIDIOC_S_FMT] = EBUSY;
  const auto outcome = camera.constrain(image_of(formats::kYUYV));
  EXPECT_EQ(outcome.status, CW_BUSY);
  EXPECT_THAT(outcome.text, HasSubstr("another program"));
}

TEST_F(V4l2Dialogue, AVanishedCameraSaysSo) {
  camera.driver.gone = true;
  const auto outcome = camera.constrain(image_of(formats::kYUYV));
  EXPECT_EQ(outcome.status, CW_DEVICE_LOST);
  EXPECT_THAT(outcome.text, HasSubstr("gone"));
}

TEST_F(V4l2Dialogue, NoOtherFormatWhileFramesAreAttached) {
  auto frame = yuyv_frame();
  ASSERT_TRUE(camera.attach(frame));
  EXPECT_TRUE(camera.constrain(image_of(formats::kYUYV)));
  const auto outcome = camera.constrain(image_of(formats::kNV12));
  EXPECT_EQ(outcome.status, CW_BUSY);
  EXPECT_THAT(outcome.text, HasSubstr("attached"));
  camera.detach(0);
  EXPECT_EQ(camera.driver.granted(), 0U) << "the last detach gives all buffers back";
  EXPECT_TRUE(camera.constrain(image_of(formats::kNV12)));
}

TEST_F(V4l2Dialogue, FrameIntervals) {
  auto interval = plugin::sized<cw_v4l2_interval_range>();
  interval.min_numerator = 1;
  interval.min_denominator = 60;
  ASSERT_TRUE(attempt(
      [&](cw_error* error) { return camera.stream().set_interval(camera.device(), &interval, error); }));
  EXPECT_EQ(interval.min_denominator, 30U) << "the camera's answer, not the wish";
  ASSERT_TRUE(attempt(
      [&](cw_error* error) { return camera.stream().get_interval(camera.device(), &interval, error); }));
  EXPECT_EQ(interval.max_denominator, 30U);
  camera.driver.fail_once[VIDIOC_G_PARM] = ENOTTY;
  EXPECT_EQ(attempt([&](cw_error* error) {
              return camera.stream().get_interval(camera.device(), &interval, error);
            }).status,
            CW_UNSUPPORTED);
}

TEST_F(V4l2Dialogue, NoNegotiationWhileStreaming) {
  auto frame = yuyv_frame();
  ASSERT_TRUE(camera.attach(frame));
  ASSERT_TRUE(camera.start());
  EXPECT_EQ(camera.constrain(image_of(formats::kYUYV)).status, CW_BUSY);
  auto second = yuyv_frame();
  EXPECT_EQ(camera.attach(second).status, CW_BUSY);
}

// ---- Which memory is taken

class V4l2Memory : public V4l2Dialogue {
protected:
  static TestFrame nv12(std::uint64_t chroma_offset = std::uint64_t{640} * 480) {
    return TestFrame(
        image_of(formats::kNV12),
        {{.object = 0, .stride = 640, .offset = 0}, {.object = 0, .stride = 640, .offset = chroma_offset}},
        {460800});
  }
  static TestFrame nm12() {
    return TestFrame(image_of(formats::kNV12),
                     {{.object = 0, .stride = 640, .offset = 0}, {.object = 1, .stride = 640, .offset = 0}},
                     {307200, 153600});
  }
  void offer_only_nm12() {
    std::erase_if(camera.driver.formats, [](const auto& f) { return f.fourcc == V4L2_PIX_FMT_NV12; });
  }
};

TEST_F(V4l2Memory, BothKindsOfNv12) {
  auto together = nv12();
  ASSERT_TRUE(camera.attach(together));
  EXPECT_EQ(camera.view(0).memory_planes, 1U);
  camera.detach(0);
  offer_only_nm12();
  auto apart = nm12();
  const auto outcome = camera.attach(apart);
  ASSERT_TRUE(outcome) << outcome.text;
  EXPECT_EQ(camera.view(0).memory_planes, 2U);
  EXPECT_EQ(camera.view(0).fourcc, V4L2_PIX_FMT_NV12M);
}

TEST_F(V4l2Memory, TwoPlanesInOneDmaBufForAFormatOfTwoAreRefused) {
  offer_only_nm12();
  auto together = nv12();
  auto outcome = camera.attach(together);
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("planes 0 and 1"), HasSubstr("one dma-buf"), HasSubstr("NM12")));
  EXPECT_EQ(camera.driver.calls[VIDIOC_PREPARE_BUF], 0U);

  auto twice = nm12();  // two descriptors, but of one object
  twice.objects[1] = twice.objects[0];
  outcome = camera.attach(twice);
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, HasSubstr("one dma-buf"));
}

TEST_F(V4l2Memory, TwoDmaBufsForAFormatOfOneAreRefused) {
  auto apart = nm12();
  const auto outcome = camera.attach(apart);
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, HasSubstr("2 dma-bufs"));
}

TEST_F(V4l2Memory, APlaneThatIsElsewhereIsRefused) {
  auto frame = nv12(640 * 480 + 4096);
  const auto outcome = camera.attach(frame);
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("311296"), HasSubstr("307200")));
}

TEST_F(V4l2Memory, AStrideThatDiffersIsRefused) {
  auto frame = yuyv_frame();
  frame.planes[0].stride = 1344;
  const auto outcome = camera.attach(frame);
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("1344"), HasSubstr("1280")));
}

TEST_F(V4l2Memory, AnObjectThatIsTooSmallIsRefused) {
  auto frame = yuyv_frame();
  frame.objects[0].size = 614399;
  const auto outcome = camera.attach(frame);
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("614399"), HasSubstr("614400")));
}

TEST_F(V4l2Memory, OnlyDmaBufsThatCanBeWrittenAreTaken) {
  auto shared = yuyv_frame();
  shared.objects[0].flags = 0;
  auto outcome = camera.attach(shared);
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("dma-bufs only"));
  auto read_only = yuyv_frame();
  read_only.objects[0].flags |= CW_OBJECT_READ_ONLY;
  EXPECT_EQ(camera.attach(read_only).status, CW_INVALID_ARGUMENT);
}

TEST_F(V4l2Memory, MemoryThatTheHardwareCannotReachIsRefusedAtAttach) {
  for (const bool prepare : {true, false}) {
    camera.driver.has_prepare = prepare;
    camera.driver.memory_errno = EFAULT;  // as vb2-dma-contig answers to scattered pages
    auto frame = yuyv_frame();
    const auto outcome = camera.attach(frame);
    EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
    EXPECT_THAT(outcome.text, HasSubstr("contiguous"));
    EXPECT_EQ(camera.driver.granted(), 0U) << "nothing is left behind";
    camera.driver.memory_errno = 0;
    EXPECT_TRUE(camera.attach(frame)) << "and the next memory is taken";
    camera.detach(0);
  }
}

TEST_F(V4l2Memory, FullDescriptorTable) {
  camera.host.duplicate_errno = EMFILE;
  auto frame = yuyv_frame();
  EXPECT_EQ(camera.attach(frame).status, CW_OUT_OF_FDS);
}

}  // namespace
}  // namespace causeway::test
