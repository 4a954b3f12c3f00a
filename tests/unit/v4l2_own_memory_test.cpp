// SPDX-License-Identifier: Apache-2.0
// Memory of the camera's own: exported whole or not at all, never mixed with memory of others, given back.

#include <fcntl.h>
#include <gmock/gmock.h>

#include <dirent.h>

#include "unit/v4l2_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) {
    ++count;
  }
  ::closedir(folder);
  return count;
}

/// What allocate() gave, held as a host holds it.
struct Own {
  cw_allocation made = plugin::sized<cw_allocation>();
  std::vector<UniqueFd> fds;
};

class V4l2OwnMemory : public ::testing::TestWithParam<bool> {
protected:
  void SetUp() override { ASSERT_TRUE(camera.open()); }

  static cw_allocate_info asking(Format format = formats::kYUYV) {
    auto info = plugin::sized<cw_allocate_info>();
    info.usage = CW_USAGE_CAPTURE | CW_USAGE_WRITE;
    info.image = image_of(format);
    return info;
  }
  Outcome allocate(Own& own, const cw_allocate_info& info) {
    auto outcome = attempt(
        [&](cw_error* error) { return v4l2_table().allocate(camera.device(), &info, &own.made, error); });
    for (std::uint32_t i = 0; outcome && i < own.made.object_count; ++i) {
      own.fds.emplace_back(own.made.fds[i]);
    }
    return outcome;
  }
  Outcome allocate(Own& own) { return allocate(own, asking()); }
  void release(const Own& own) { v4l2_table().release(camera.device(), own.made.token); }

  OpenCamera camera{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(BothApis, V4l2OwnMemory, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "MultiPlanar" : "SinglePlanar"; });

TEST_P(V4l2OwnMemory, IsExportedToBeReadAndWritten) {
  Own own;
  const auto outcome = allocate(own);
  ASSERT_TRUE(outcome) << outcome.text;
  EXPECT_EQ(own.made.object_count, 1U);
  EXPECT_EQ(own.made.plane_count, 1U);
  EXPECT_EQ(own.made.modifier, 0U);
  EXPECT_EQ(own.made.sizes[0], 614400U);
  EXPECT_EQ(own.made.planes[0].stride, 1280U);
  EXPECT_THAT(camera.driver.exported_flags, ElementsAre(O_RDWR | O_CLOEXEC));
  EXPECT_EQ(camera.driver.granted(), 1U);
  release(own);
  EXPECT_EQ(camera.driver.granted(), 0U);
  EXPECT_GE(::lseek(own.fds[0].get(), 0, SEEK_END), 614400) << "an orphaned buffer lives by its descriptor";
}

TEST_P(V4l2OwnMemory, HasThePlanesOfItsFormat) {
  Own own;
  ASSERT_TRUE(allocate(own, asking(formats::kNV12)));
  EXPECT_EQ(own.made.object_count, 1U) << "one descriptor is preferred to two";
  ASSERT_EQ(own.made.plane_count, 2U);
  EXPECT_EQ(own.made.planes[1].object, 0U);
  EXPECT_EQ(own.made.planes[1].stride, 640U);
  EXPECT_EQ(own.made.planes[1].offset, 640U * 480U);
  EXPECT_EQ(own.made.sizes[0], 462848U) << "whole pages";
}

TEST_P(V4l2OwnMemory, WithTheLastReleaseTheCameraTakesOthersMemoryAgain) {
  Own first;
  Own second;
  ASSERT_TRUE(allocate(first));
  ASSERT_TRUE(allocate(second));
  EXPECT_THAT(camera.driver.exported, ElementsAre(0, 1));
  auto frame = yuyv_frame();
  auto refused = camera.attach(frame);
  EXPECT_EQ(refused.status, CW_BUSY);
  EXPECT_THAT(refused.text, AllOf(HasSubstr("2 frames of YUYV at 640x480"), HasSubstr("let go of those")));
  release(first);
  EXPECT_EQ(camera.driver.granted(), 2U);
  EXPECT_THAT(camera.attach(frame).text, HasSubstr("let go of that one"));
  release(second);
  const auto attached = camera.attach(frame);
  ASSERT_TRUE(attached) << attached.text;
  EXPECT_TRUE(camera.start());
  EXPECT_TRUE(camera.dequeue());
}

TEST_P(V4l2OwnMemory, IsRefusedWhileFramesAreAttached) {
  auto frame = yuyv_frame();
  ASSERT_TRUE(camera.attach(frame));
  Own own;
  const auto refused = allocate(own);
  EXPECT_EQ(refused.status, CW_BUSY);
  EXPECT_THAT(refused.text, AllOf(HasSubstr("1 frame is attached"), HasSubstr("detach that one")));
  EXPECT_TRUE(camera.start()) << "the refusal left the queue alone";
  EXPECT_TRUE(camera.dequeue());
}

TEST_P(V4l2OwnMemory, KeepsTheFormatWhileItLives) {
  Own own;
  ASSERT_TRUE(allocate(own));
  const auto refused = camera.constrain(image_of(formats::kNV12));
  EXPECT_EQ(refused.status, CW_BUSY);
  EXPECT_THAT(refused.text, HasSubstr("allocated in its own memory"));
  Own other;
  EXPECT_EQ(allocate(other, asking(formats::kNV12)).status, CW_BUSY);
  release(own);
  EXPECT_TRUE(camera.constrain(image_of(formats::kNV12)));
}

TEST_P(V4l2OwnMemory, AReleasedIndexIsExportedToNobodyElse) {
  Own kept;
  Own gone;
  Own next;
  ASSERT_TRUE(allocate(kept));
  ASSERT_TRUE(allocate(gone));
  release(gone);
  ASSERT_TRUE(allocate(next));
  EXPECT_THAT(camera.driver.exported, ElementsAre(0, 1, 2)) << "who still has buffer 1 shares it with nobody";
}

TEST_P(V4l2OwnMemory, ADescriptorTableThatIsFullLeavesNothing) {
  const auto before = open_descriptors();
  camera.driver.exports_left = 0;
  Own own;
  const auto refused = allocate(own);
  EXPECT_EQ(refused.status, CW_OUT_OF_FDS);
  EXPECT_EQ(refused.system_errno, EMFILE);
  EXPECT_THAT(refused.text, HasSubstr("no file descriptor left"));
  EXPECT_EQ(camera.driver.granted(), 0U);
  EXPECT_EQ(open_descriptors(), before);
  camera.driver.exports_left = 2;
  Own second;
  Own third;
  ASSERT_TRUE(allocate(own));
  ASSERT_TRUE(allocate(second));
  EXPECT_EQ(allocate(third).status, CW_OUT_OF_FDS);
  camera.driver.exports_left = 1;
  ASSERT_TRUE(allocate(third));
  EXPECT_EQ(camera.driver.granted(), 3U) << "the buffer of the failed try is taken, and no other made";
}

TEST_P(V4l2OwnMemory, NoMoreThanTheDriverMakes) {
  camera.driver.buffers_granted = 1;
  Own own;
  Own one_more;
  ASSERT_TRUE(allocate(own));
  const auto refused = allocate(one_more);
  EXPECT_EQ(refused.status, CW_BUSY);
  EXPECT_THAT(refused.text, HasSubstr("makes no more buffers"));
}

TEST_P(V4l2OwnMemory, ADriverThatCannotAddHandsOutWhatItMade) {
  camera.driver.has_create = false;
  camera.driver.least_own = 2;
  std::array<Own, 3> own;
  ASSERT_TRUE(allocate(own[0]));
  ASSERT_TRUE(allocate(own[1]));
  const auto refused = allocate(own[2]);
  EXPECT_EQ(refused.status, CW_BUSY);
  EXPECT_THAT(refused.text, HasSubstr("handed out every buffer"));
  EXPECT_THAT(camera.driver.exported, ElementsAre(0, 1));
  EXPECT_EQ(camera.driver.granted(), 2U) << "those handed out are untouched";
}

TEST_P(V4l2OwnMemory, AnExportThatIsTooShortIsNotHandedOn) {
  camera.driver.exports_short = true;
  const auto before = open_descriptors();
  Own own;
  const auto refused = allocate(own);
  EXPECT_EQ(refused.status, CW_IO);
  EXPECT_THAT(refused.text, AllOf(HasSubstr("4096 bytes"), HasSubstr("614400")));
  EXPECT_EQ(open_descriptors(), before);
}

TEST_P(V4l2OwnMemory, DriversThatExportNothing) {
  camera.driver.fail_once[VIDIOC_EXPBUF] = ENOTTY;
  Own own;
  auto refused = allocate(own);
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("does not export"));
  camera.driver.fail_once[VIDIOC_CREATE_BUFS] = EINVAL;
  refused = allocate(own);
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("no memory of its own"));
  camera.driver.fail_once[VIDIOC_CREATE_BUFS] = EBUSY;
  EXPECT_EQ(allocate(own).status, CW_BUSY);
  camera.driver.fail_once[VIDIOC_CREATE_BUFS] = ENOMEM;
  EXPECT_EQ(allocate(own).status, CW_OUT_OF_MEMORY);
  EXPECT_TRUE(allocate(own));
}

TEST_P(V4l2OwnMemory, IsLinearAndWritten) {
  const std::array<std::uint64_t, 2> modifiers{0x0100'0000'0000'0001, 0};
  auto info = asking();
  info.modifiers = modifiers.data();
  info.modifier_count = 1;
  Own own;
  EXPECT_THAT(allocate(own, info).text, HasSubstr("is LINEAR"));
  info.modifier_count = 2;
  EXPECT_TRUE(allocate(own, info));
  EXPECT_EQ(own.made.modifier, 0U);
  info.usage = CW_USAGE_READ;
  EXPECT_EQ(allocate(own, info).status, CW_INVALID_ARGUMENT);
}

TEST_P(V4l2OwnMemory, AVanishedCameraIsReleasedInPeace) {
  Own own;
  ASSERT_TRUE(allocate(own));
  camera.driver.gone = true;
  Own another;
  EXPECT_EQ(allocate(another).status, CW_DEVICE_LOST);
  release(own);
  EXPECT_TRUE(camera.host.log.empty());
  release(own);
  EXPECT_FALSE(camera.host.log.empty()) << "twice is a mistake of the host's";
}

TEST_P(V4l2OwnMemory, TwoMemoryPlanesAreTwoDescriptorsOrNone) {
  if (!GetParam()) {
    return;  // the single-planar API knows no such format
  }
  std::erase_if(camera.driver.formats, [](const auto& f) { return f.fourcc == V4L2_PIX_FMT_NV12; });
  const auto before = open_descriptors();
  camera.driver.exports_left = 1;
  Own own;
  EXPECT_EQ(allocate(own, asking(formats::kNV12)).status, CW_OUT_OF_FDS);
  EXPECT_EQ(open_descriptors(), before) << "the first plane's is closed, and the buffers are given back";
  camera.driver.exports_left = 2;
  const auto outcome = allocate(own, asking(formats::kNV12));
  ASSERT_TRUE(outcome) << outcome.text;
  EXPECT_EQ(own.made.object_count, 2U);
  EXPECT_EQ(own.made.planes[1].object, 1U);
  EXPECT_EQ(own.made.planes[1].offset, 0U);
  EXPECT_EQ(own.made.planes[1].stride, 640U);
  EXPECT_EQ(own.made.sizes[1], 155648U);
}

}  // namespace
}  // namespace causeway::test
