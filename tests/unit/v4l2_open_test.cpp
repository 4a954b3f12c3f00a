// SPDX-License-Identifier: Apache-2.0
// Finding and opening cameras, and what is said when that fails.

#include <gmock/gmock.h>

#include "unit/v4l2_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(V4l2Open, AnotherMajorVersionIsRefused) {
  EXPECT_EQ(causeway_v4l2_backend((CW_ABI_MAJOR + 1) << 16U), nullptr);
  EXPECT_NE(causeway_v4l2_backend(CW_ABI_VERSION + 1), nullptr);
}

TEST(V4l2Open, ListsWhatCapturesInTheOrderOfNumbers) {
  FakeV4l2Host host;
  FakeCamera second;
  FakeCamera tenth(true);
  FakeCamera output;
  output.capabilities = V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_STREAMING;
  FakeCamera secret;
  host.nodes = {
      {"/dev/video10", &tenth}, {"/dev/video2", &second}, {"/dev/video1", &output}, {"/dev/video3", &secret}};
  host.open_errno["/dev/video3"] = EACCES;

  std::array<cw_device_info, 4> found{};
  std::uint32_t count = found.size();
  const auto listed = attempt(
      [&](cw_error* error) { return v4l2_table().enumerate(host.host(), found.data(), &count, error); });
  ASSERT_TRUE(listed) << listed.text;
  ASSERT_EQ(count, 2U);
  EXPECT_STREQ(found[0].id, "/dev/video2");
  EXPECT_STREQ(found[1].id, "/dev/video10");
  EXPECT_STREQ(found[0].name, "Fake camera");
  EXPECT_STREQ(found[0].driver, "fake");
  EXPECT_STREQ(found[0].driver_version, "6.12.5");
  EXPECT_EQ(found[0].capabilities, CW_CAP_PRODUCES_ONLY | CW_CAP_IMPORTS_DMA_BUF);
  ASSERT_EQ(host.log.size(), 1U) << "the camera that this user may not open is mentioned";
  EXPECT_THAT(host.log[0], AllOf(HasSubstr("/dev/video3"), HasSubstr("group")));
}

TEST(V4l2Open, NoCameraIsNoError) {
  FakeV4l2Host host;
  std::uint32_t count = 0;
  EXPECT_TRUE(
      attempt([&](cw_error* error) { return v4l2_table().enumerate(host.host(), nullptr, &count, error); }));
  EXPECT_EQ(count, 0U);
}

TEST(V4l2Open, EmptyIdTakesTheFirst) {
  OpenCamera camera;
  ASSERT_TRUE(camera.open(""));
  auto info = plugin::sized<cw_device_info>();
  ASSERT_TRUE(
      attempt([&](cw_error* error) { return v4l2_table().device_info(camera.device(), &info, error); }));
  EXPECT_STREQ(info.id, "/dev/video0");
}

TEST(V4l2Open, EmptyIdWithoutCameras) {
  OpenCamera camera;
  camera.host.nodes.clear();
  const auto outcome = camera.open("");
  EXPECT_EQ(outcome.status, CW_NOT_FOUND);
  EXPECT_THAT(outcome.text, HasSubstr("there is no camera"));
}

TEST(V4l2Open, MissingNodeNamesThoseThatAreThere) {
  OpenCamera camera;
  const auto outcome = camera.open("/dev/video7");
  EXPECT_EQ(outcome.status, CW_NOT_FOUND);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("no /dev/video7"), HasSubstr("/dev/video0")));
}

TEST(V4l2Open, MissingNodeOnAMachineWithoutAny) {
  OpenCamera camera;
  camera.host.nodes.clear();
  EXPECT_THAT(camera.open("/dev/video0").text, HasSubstr("no /dev/video* node at all"));
}

TEST(V4l2Open, PermissionNamesTheGroup) {
  OpenCamera camera;
  camera.host.open_errno["/dev/video0"] = EACCES;
  const auto outcome = camera.open();
  EXPECT_EQ(outcome.status, CW_PERMISSION);
  EXPECT_EQ(outcome.system_errno, EACCES);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("/dev/video0"), HasSubstr("group")));
}

TEST(V4l2Open, FullDescriptorTable) {
  OpenCamera camera;
  camera.host.open_errno["/dev/video0"] = EMFILE;
  const auto outcome = camera.open();
  EXPECT_EQ(outcome.status, CW_OUT_OF_FDS);
  EXPECT_THAT(outcome.text, HasSubstr("no file descriptor left"));
}

TEST(V4l2Open, Busy) {
  OpenCamera camera;
  camera.driver.fail_once[VIDIOC_REQBUFS] = EBUSY;
  auto outcome = camera.open();
  EXPECT_EQ(outcome.status, CW_BUSY);
  EXPECT_THAT(outcome.text, HasSubstr("another program"));
  camera.host.open_errno["/dev/video0"] = EBUSY;
  outcome = camera.open();
  EXPECT_EQ(outcome.status, CW_BUSY);
}

TEST(V4l2Open, WhatIsNoCamera) {
  OpenCamera camera;
  camera.driver.fail_once[VIDIOC_QUERYCAP] = ENOTTY;
  auto outcome = camera.open();
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("no V4L2 device"));

  camera.driver.capabilities = V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_STREAMING;
  outcome = camera.open();
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("does not capture video"));

  camera.driver.capabilities = V4L2_CAP_VIDEO_CAPTURE;
  outcome = camera.open();
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("does not stream"));

  camera.driver.capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
  camera.driver.takes_dma_bufs = false;
  outcome = camera.open();
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("does not take dma-bufs"));
}

TEST(V4l2Open, ListsFormatsSizesAndIntervals) {
  OpenCamera camera(true);
  ASSERT_TRUE(camera.open());
  std::array<cw_v4l2_offer, 8> offers{};
  std::uint32_t count = offers.size();
  ASSERT_TRUE(attempt([&](cw_error* error) {
    return camera.stream().list_formats(camera.device(), offers.data(), &count, error);
  }));
  ASSERT_EQ(count, 5U);
  EXPECT_EQ(offers[1].drm_format, formats::kNV12.fourcc);
  EXPECT_EQ(offers[1].memory_planes, 1U);
  EXPECT_EQ(offers[3].drm_format, 0U) << "MJPEG has no name in DRM";
  EXPECT_EQ(offers[3].flags, CW_V4L2_OFFER_COMPRESSED);
  EXPECT_EQ(offers[4].drm_format, formats::kNV12.fourcc);
  EXPECT_EQ(offers[4].memory_planes, 2U);

  std::array<cw_v4l2_size_range, 1> sizes{};
  count = sizes.size();
  ASSERT_TRUE(attempt([&](cw_error* error) {
    return camera.stream().list_sizes(camera.device(), offers[0].fourcc, sizes.data(), &count, error);
  }));
  EXPECT_EQ(count, 2U) << "says how many there are, and writes no more than there is room for";
  EXPECT_EQ(sizes[0].max_width, 640U);

  std::array<cw_v4l2_interval_range, 2> intervals{};
  count = intervals.size();
  ASSERT_TRUE(attempt([&](cw_error* error) {
    return camera.stream().list_intervals(camera.device(), offers[0].fourcc, 640, 480, intervals.data(),
                                          &count, error);
  }));
  ASSERT_EQ(count, 1U);
  EXPECT_EQ(intervals[0].max_denominator, 30U);
}

TEST(V4l2Open, UnknownInterfacesAreNull) {
  OpenCamera camera;
  ASSERT_TRUE(camera.open());
  EXPECT_EQ(v4l2_table().get_interface(camera.device(), "causeway.v4l2.stream.v2"), nullptr);
}

}  // namespace
}  // namespace causeway::test
