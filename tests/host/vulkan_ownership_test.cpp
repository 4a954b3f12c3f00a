// SPDX-License-Identifier: Apache-2.0
// Who closes the descriptor of a failed import, for drivers of every habit; and what is left after each
// failure.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "host/vulkan_fake_driver.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class VulkanOwnership : public ::testing::Test {
protected:
  void SetUp() override { FakeDriver::reset(); }

  FakeDriver& driver() { return FakeDriver::instance(); }

  /// Fails imports with each result that a driver may answer, and counts descriptors.
  void fail_often(const OpenedDevice& device) {
    const auto before = open_descriptors();
    for (const VkResult result :
         {VK_ERROR_INVALID_EXTERNAL_HANDLE, VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_ERROR_OUT_OF_HOST_MEMORY}) {
      for (int round = 0; round < 300; ++round) {
        driver().allocate_fails = result;
        EXPECT_FALSE(device.attach_once(AttachWords(memory_.object())));
      }
    }
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_TRUE(device.attach_once(AttachWords(memory_.object())));
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_EQ(driver().memories, 0);
    EXPECT_EQ(driver().buffers, 0);
  }

  VulkanHost host_;
  TestMemory memory_ = TestMemory::memfd(4096);
};

TEST_F(VulkanOwnership, ADriverThatKeepsToTheSpecification) {
  const OpenedDevice device(host_, FakeDriver::words());
  ASSERT_TRUE(device.opened()) << device.opened();
  fail_often(device);
}

// What is no dma-buf may not be imported as one, so only lavapipe's habits are learnt
// (VUID-VkImportMemoryFdInfoKHR-handleType-00670).
TEST_F(VulkanOwnership, AnotherDriverIsTriedWithNothingAndTakenByTheSpecification) {
  driver().vendor = 0x1002;
  const OpenedDevice device(host_, FakeDriver::words());
  ASSERT_TRUE(device.opened()) << device.opened();
  EXPECT_EQ(driver().tries, 0);
  EXPECT_EQ(device.capabilities() & CW_CAP_IMPORTS_MEMFD, 0U);
  auto object = memory_.object();
  object.flags |= CW_OBJECT_IS_DMA_BUF;
  const auto before = open_descriptors();
  for (const VkResult result : {VK_ERROR_INVALID_EXTERNAL_HANDLE, VK_ERROR_OUT_OF_HOST_MEMORY}) {
    driver().allocate_fails = result;
    EXPECT_FALSE(device.attach_once(AttachWords(object)));
  }
  EXPECT_TRUE(device.attach_once(AttachWords(object)));
  EXPECT_EQ(driver().tries, 3);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(VulkanOwnership, ADriverThatAlwaysCloses) {
  driver().closes = [](VkResult) { return true; };
  const OpenedDevice device(host_, FakeDriver::words());
  ASSERT_TRUE(device.opened()) << device.opened();
  fail_often(device);
}

TEST_F(VulkanOwnership, ADriverThatClosesOnOnePathAlone) {
  for (const VkResult path :
       {VK_ERROR_INVALID_EXTERNAL_HANDLE, VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_ERROR_OUT_OF_HOST_MEMORY}) {
    driver().closes = [path](VkResult result) { return result == path; };
    const OpenedDevice device(host_, FakeDriver::words());
    ASSERT_TRUE(device.opened()) << device.opened();
    fail_often(device);
  }
}

// The number that the driver closed is another thread's at once. Nobody may close it.
TEST_F(VulkanOwnership, ANumberUsedAgainAtOnceIsNotClosed) {
  driver().closes = [](VkResult) { return true; };
  const OpenedDevice device(host_, FakeDriver::words());
  ASSERT_TRUE(device.opened()) << device.opened();
  int strangers = -1;
  driver().after_close = [&](int fd) {
    strangers = ::fcntl(memory_.fd(), F_DUPFD_CLOEXEC, fd);  // even the very same memory
    EXPECT_EQ(strangers, fd);
  };
  driver().allocate_fails = VK_ERROR_INVALID_EXTERNAL_HANDLE;
  EXPECT_FALSE(device.attach_once(AttachWords(memory_.object())));
  ASSERT_GE(strangers, 0);
  EXPECT_NE(::fcntl(strangers, F_GETFD), -1) << "somebody else's descriptor was closed";
  ::close(strangers);
}

// While the habit is learnt, too.
TEST_F(VulkanOwnership, LearningClosesNobodysDescriptor) {
  driver().closes = [](VkResult) { return true; };
  std::vector<int> strangers;
  driver().after_close = [&](int fd) {
    const int mine = ::fcntl(memory_.fd(), F_DUPFD_CLOEXEC, fd);
    EXPECT_EQ(mine, fd);
    strangers.push_back(mine);
  };
  const OpenedDevice device(host_, FakeDriver::words());
  ASSERT_TRUE(device.opened()) << device.opened();
  EXPECT_GE(strangers.size(), 3U);
  for (const int fd : strangers) {
    EXPECT_NE(::fcntl(fd, F_GETFD), -1);
    ::close(fd);
  }
}

TEST_F(VulkanOwnership, AnUnknownFailureOfAClosingDriverIsLeftAloneAndSaid) {
  driver().closes = [](VkResult result) { return result != VK_ERROR_TOO_MANY_OBJECTS; };
  const OpenedDevice device(host_, FakeDriver::words());
  ASSERT_TRUE(device.opened()) << device.opened();
  driver().allocate_fails = VK_ERROR_TOO_MANY_OBJECTS;
  const auto before = open_descriptors().size();
  const auto outcome = device.attach_once(AttachWords(memory_.object()));
  EXPECT_EQ(outcome.status, CW_OUT_OF_MEMORY);
  EXPECT_EQ(open_descriptors().size(), before + 1);
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("it is left alone")));
}

TEST_F(VulkanOwnership, EachFailureLeavesNothingBehindAndHasItsCode) {
  const OpenedDevice device(host_, FakeDriver::words());
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto before = open_descriptors();
  driver().buffer_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
  EXPECT_EQ(device.attach_once(AttachWords(memory_.object())).status, CW_OUT_OF_MEMORY);
  driver().bind_fails = VK_ERROR_OUT_OF_DEVICE_MEMORY;
  EXPECT_EQ(device.attach_once(AttachWords(memory_.object())).status, CW_OUT_OF_MEMORY);
  driver().allocate_fails = VK_ERROR_INVALID_EXTERNAL_HANDLE;
  const auto outcome = device.attach_once(AttachWords(memory_.object()));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("VK_ERROR_INVALID_EXTERNAL_HANDLE"));
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(driver().memories, 0);
  EXPECT_EQ(driver().buffers, 0);
}

TEST_F(VulkanOwnership, TheSecondStepServesWhereTheFirstFails) {
  const OpenedDevice device(host_, FakeDriver::words(true));
  ASSERT_TRUE(device.opened()) << device.opened();
  driver().allocate_fails = VK_ERROR_INVALID_EXTERNAL_HANDLE;
  const Attached attached(device, AttachWords(memory_.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_STREQ(attached.mapping().import_path, "host-pointer");
}

TEST_F(VulkanOwnership, ALostDeviceIsLostForGood) {
  const OpenedDevice device(host_, FakeDriver::words(true));
  ASSERT_TRUE(device.opened()) << device.opened();
  {
    const Attached attached(device, AttachWords(memory_.object()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    driver().submit_fails = VK_ERROR_DEVICE_LOST;
    EXPECT_EQ(attached.write(0, pattern(16, 1)).status, CW_DEVICE_LOST);
    EXPECT_EQ(attached.write(0, pattern(16, 1)).status, CW_DEVICE_LOST);
  }
  EXPECT_EQ(device.attach_once(AttachWords(memory_.object())).status, CW_DEVICE_LOST);
  EXPECT_EQ(driver().buffers, 1);  // the staging buffer, until the device is closed
}

TEST_F(VulkanOwnership, LosingTheDeviceInAnImportIsNotTriedAgainByAnotherStep) {
  const OpenedDevice device(host_, FakeDriver::words(true));
  ASSERT_TRUE(device.opened()) << device.opened();
  driver().allocate_fails = VK_ERROR_DEVICE_LOST;
  const auto outcome = device.attach_once(AttachWords(memory_.object()));
  EXPECT_EQ(outcome.status, CW_DEVICE_LOST);
  EXPECT_THAT(outcome.text, Not(HasSubstr("by host pointer")));
}

}  // namespace
}  // namespace causeway::test
