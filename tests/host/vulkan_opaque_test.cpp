// SPDX-License-Identifier: Apache-2.0
// Memory that one device exported, imported by another of the same driver as OPAQUE_FD. lavapipe cannot
// export one memory in both ways, so the fake driver does, and checks what it is given.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/vulkan_fake_driver.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kBytes = 8192;

/// Bytes that a device allocated and exported.
class ExportedBytes {
public:
  explicit ExportedBytes(const OpenedDevice& device) : device_(device) {
    auto info = plugin::sized<cw_allocate_info>();
    info.usage = CW_USAGE_READ | CW_USAGE_WRITE | CW_USAGE_AS_BUFFER;
    info.image = plugin::sized<cw_image_desc>();
    info.image.width = kBytes;
    info.image.height = 1;
    outcome_ =
        attempt([&](cw_error* error) { return vulkan_table().allocate(device.raw(), &info, &made_, error); });
    fd_.reset(outcome_ ? made_.fds[0] : -1);
  }
  ExportedBytes(const ExportedBytes&) = delete;
  ExportedBytes& operator=(const ExportedBytes&) = delete;
  ~ExportedBytes() { release(); }

  void release() {
    if (made_.token != nullptr) {
      vulkan_table().release(device_.raw(), std::exchange(made_.token, nullptr));
    }
  }
  [[nodiscard]] const Outcome& outcome() const { return outcome_; }
  /// As the host describes it to a device.
  [[nodiscard]] cw_object object() const {
    struct stat status {};
    EXPECT_EQ(::fstat(fd_.get(), &status), 0);
    auto object = plugin::sized<cw_object>();
    object.flags = CW_OBJECT_IS_DMA_BUF;
    object.fd = fd_.get();
    object.pinnable_fd = -1;
    object.size = kBytes;
    object.device_number = status.st_dev;
    object.inode = status.st_ino;
    return object;
  }

private:
  const OpenedDevice& device_;
  cw_allocation made_ = plugin::sized<cw_allocation>();
  Outcome outcome_;
  UniqueFd fd_;
};

void pin(const OpenedDevice& device, std::uint32_t step) {
  const auto* table = static_cast<const cw_vulkan_device_v1*>(
      vulkan_table().get_interface(device.raw(), CW_VULKAN_DEVICE_V1));
  table->pin_import(device.raw(), step);
}

class VulkanOpaque : public ::testing::Test {
protected:
  void SetUp() override {
    FakeDriver::reset();
    driver().exports = true;
    driver().opaque = true;
    driver().export_memory = [](VkDeviceSize size) {
      const int fd = ::memfd_create("exported", MFD_CLOEXEC);
      return ::ftruncate(fd, static_cast<off_t>(size)) == 0 ? fd : -1;
    };
  }
  void TearDown() override { EXPECT_THAT(driver().mistakes, IsEmpty()); }
  static FakeDriver& driver() { return FakeDriver::instance(); }

  VulkanHost host_;
};

TEST_F(VulkanOpaque, AnotherDeviceOfTheDriverImportsIt) {
  const OpenedDevice giver(host_, FakeDriver::words());
  const OpenedDevice taker(host_, FakeDriver::words());
  ASSERT_TRUE(giver.opened() && taker.opened());
  ExportedBytes bytes(giver);
  ASSERT_TRUE(bytes.outcome()) << bytes.outcome();
  {
    const Attached first(taker, AttachWords(bytes.object()));
    ASSERT_TRUE(first.outcome()) << first.outcome();
    EXPECT_STREQ(first.mapping().import_path, "dma-buf") << "the first step goes, so it is taken";
  }
  pin(taker, CW_VULKAN_IMPORT_OPAQUE_FD);
  const Attached attached(taker, AttachWords(bytes.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_STREQ(attached.mapping().import_path, "opaque-fd");
  EXPECT_EQ(driver().opaque_imports, 1);
}

TEST_F(VulkanOpaque, ItIsTheSecondStepOfTheLadder) {
  const OpenedDevice giver(host_, FakeDriver::words(true));
  const OpenedDevice taker(host_, FakeDriver::words(true));
  ExportedBytes bytes(giver);
  ASSERT_TRUE(bytes.outcome()) << bytes.outcome();
  driver().allocate_fails = VK_ERROR_INVALID_EXTERNAL_HANDLE;  // as a dma-buf
  const Attached attached(taker, AttachWords(bytes.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_STREQ(attached.mapping().import_path, "opaque-fd");
}

TEST_F(VulkanOpaque, WhatIsNotSharedIsRefusedWithTheReason) {
  const OpenedDevice giver(host_, FakeDriver::words());
  const OpenedDevice taker(host_, FakeDriver::words());
  pin(taker, CW_VULKAN_IMPORT_OPAQUE_FD);
  const auto foreign = TestMemory::memfd(kBytes);
  auto refused = taker.attach_once(AttachWords(foreign.object()));
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text,
              AllOf(HasSubstr("as OPAQUE_FD: it is no memory that a Vulkan device of this process"),
                    HasSubstr("as a dma-buf: left out")));
  ExportedBytes bytes(giver);
  ASSERT_TRUE(bytes.outcome()) << bytes.outcome();
  {
    driver().device_uuid = 2;
    const OpenedDevice stranger(host_, FakeDriver::words());
    pin(stranger, CW_VULKAN_IMPORT_OPAQUE_FD);
    refused = stranger.attach_once(AttachWords(bytes.object()));
    EXPECT_EQ(refused.status, CW_UNSUPPORTED);
    EXPECT_THAT(refused.text, HasSubstr("deviceUUID and driverUUID"));
  }
  bytes.release();  // Vulkan's part is gone, the dma-buf lives on
  refused = taker.attach_once(AttachWords(bytes.object()));
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("and still has"));
}

TEST_F(VulkanOpaque, ADriverThatExportsInOneWayAloneIsAskedForNoOther) {
  driver().opaque = false;
  const OpenedDevice giver(host_, FakeDriver::words());
  const OpenedDevice taker(host_, FakeDriver::words());
  pin(taker, CW_VULKAN_IMPORT_OPAQUE_FD);
  ExportedBytes bytes(giver);
  ASSERT_TRUE(bytes.outcome()) << bytes.outcome();
  const auto refused = taker.attach_once(AttachWords(bytes.object()));
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("compatibleHandleTypes"));
}

TEST_F(VulkanOpaque, AHundredThousandRoundsAndFailuresLeaveNothingBehind) {
  for (const bool closes : {false, true}) {
    SetUp();
    driver().closes = [closes](VkResult) { return closes; };
    driver().vendor = closes ? driver().vendor : 0x1002;  // one that keeps to the specification
    const OpenedDevice giver(host_, FakeDriver::words());
    const OpenedDevice taker(host_, FakeDriver::words());
    pin(taker, CW_VULKAN_IMPORT_OPAQUE_FD);
    ExportedBytes bytes(giver);
    ASSERT_TRUE(bytes.outcome()) << bytes.outcome();
    const AttachWords words(bytes.object());
    const auto descriptors = open_descriptors();
    const int memories = driver().memories;
    const int buffers = driver().buffers;
    for (int round = 0; round < 50'000 && !HasFailure(); ++round) {
      driver().allocate_fails = round % 2 == 0 ? VK_ERROR_OUT_OF_DEVICE_MEMORY : VK_ERROR_OUT_OF_HOST_MEMORY;
      ASSERT_EQ(taker.attach_once(words).status, CW_OUT_OF_MEMORY);
      ASSERT_TRUE(taker.attach_once(words));
    }
    EXPECT_EQ(driver().opaque_imports, 50'000);
    EXPECT_EQ(driver().memories, memories);
    EXPECT_EQ(driver().buffers, buffers);
    EXPECT_EQ(open_descriptors(), descriptors);
  }
}

// What it does with dma-bufs says nothing of other descriptors.
TEST_F(VulkanOpaque, AFailureOfADriverThatMayCloseIsLeftAloneAndSaid) {
  const OpenedDevice giver(host_, FakeDriver::words());
  const OpenedDevice taker(host_, FakeDriver::words());
  pin(taker, CW_VULKAN_IMPORT_OPAQUE_FD);
  ExportedBytes bytes(giver);
  ASSERT_TRUE(bytes.outcome()) << bytes.outcome();
  const auto before = open_descriptors().size();
  driver().allocate_fails = VK_ERROR_OUT_OF_DEVICE_MEMORY;
  EXPECT_EQ(taker.attach_once(AttachWords(bytes.object())).status, CW_OUT_OF_MEMORY);
  EXPECT_EQ(open_descriptors().size(), before + 1);
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("it is left alone")));
}

// The real one: it says by query that it cannot.
TEST(VulkanOpaqueLavapipe, IsRefusedByItsOwnWord) {
  const VulkanHost host;
  const OpenedDevice giver(host, "llvmpipe");
  const OpenedDevice taker(host, "llvmpipe");
  ASSERT_TRUE(giver.opened() && taker.opened());
  pin(taker, CW_VULKAN_IMPORT_OPAQUE_FD);
  const ExportedBytes bytes(giver);
  if (!bytes.outcome()) {
    EXPECT_THAT(bytes.outcome().text, HasSubstr("/dev/udmabuf"));
    GTEST_SKIP() << "lavapipe exports no dma-bufs on this machine (it wants /dev/udmabuf)";
  }
  const auto refused = taker.attach_once(AttachWords(bytes.object()));
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("compatibleHandleTypes"));
}

}  // namespace
}  // namespace causeway::test
