// SPDX-License-Identifier: Apache-2.0
// A caller's own device.
#include <gmock/gmock.h>

#include "host/vulkan_caller.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<const char*> kDmaBuf{VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
                                       VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME};

TEST(VulkanAdopt, IsUsedAndNotDestroyed) {
  const VulkanHost host;
  auto extensions = kDmaBuf;
  extensions.push_back(VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME);
  const CallerDevice caller(extensions);
  ASSERT_TRUE(caller.made()) << caller.why();
  {
    const OpenedDevice device(host, caller.words());
    ASSERT_TRUE(device.opened()) << device.opened();
    EXPECT_EQ(device.handles().device, caller.words().device);
    EXPECT_EQ(device.handles().queue, caller.words().queue);
    const auto memory = TestMemory::memfd(16384);
    const Attached attached(device, AttachWords(memory.object()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    EXPECT_STREQ(attached.mapping().import_path, "dma-buf");
    EXPECT_EQ(attached.view().acquire_from, VK_QUEUE_FAMILY_FOREIGN_EXT);
    expect_shared(attached, memory.bytes());
  }
  EXPECT_TRUE(caller.works());
  EXPECT_THAT(caller.complaints(), IsEmpty());
}

TEST(VulkanAdopt, WithoutForeignTheExternalFamilyIsUsed) {
  const VulkanHost host;
  const CallerDevice caller(kDmaBuf);
  ASSERT_TRUE(caller.made()) << caller.why();
  {
    const OpenedDevice device(host, caller.words());
    ASSERT_TRUE(device.opened()) << device.opened();
    const auto memory = TestMemory::memfd(4096);
    const Attached attached(device, AttachWords(memory.object()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    EXPECT_EQ(attached.view().acquire_from, VK_QUEUE_FAMILY_EXTERNAL);
    expect_shared(attached, memory.bytes());
  }
  EXPECT_THAT(caller.complaints(), IsEmpty());
}

TEST(VulkanAdopt, WithoutExtensionsTheMissingOnesAreNamed) {
  const VulkanHost host;
  const CallerDevice caller({});
  ASSERT_TRUE(caller.made()) << caller.why();
  const OpenedDevice device(host, caller.words());
  EXPECT_EQ(device.opened().status, CW_UNSUPPORTED);
  EXPECT_THAT(device.opened().text,
              AllOf(HasSubstr("not in the list of enabled extensions: VK_KHR_external_memory_fd, "
                              "VK_EXT_external_memory_dma_buf, VK_EXT_external_memory_host"),
                    HasSubstr("not offered: none")));
}

// lavapipe answers vkGetDeviceProcAddr for extensions that were not enabled; only the list counts.
TEST(VulkanAdopt, AnExtensionThatIsNotListedIsNotUsed) {
  const VulkanHost host;
  auto extensions = kDmaBuf;
  extensions.push_back(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
  const CallerDevice caller(extensions);
  ASSERT_TRUE(caller.made()) << caller.why();
  auto words = caller.words();
  words.extension_count = 1;  // VK_KHR_external_memory_fd alone
  EXPECT_EQ(OpenedDevice(host, words).opened().status, CW_UNSUPPORTED);
  words.extension_count = 2;
  const OpenedDevice device(host, words);
  ASSERT_TRUE(device.opened()) << device.opened();
  EXPECT_EQ(device.capabilities() & CW_CAP_IMPORTS_HOST_POINTER, 0U);
}

TEST(VulkanAdopt, HolesAreNamed) {
  const VulkanHost host;
  const CallerDevice caller(kDmaBuf);
  ASSERT_TRUE(caller.made()) << caller.why();
  auto words = caller.words();
  words.queue = VK_NULL_HANDLE;
  EXPECT_THAT(OpenedDevice(host, words).opened().text, HasSubstr("queue is null"));
  words = caller.words();
  words.queue_family = 7;
  EXPECT_THAT(OpenedDevice(host, words).opened().text, HasSubstr("queue_family is 7"));
  words = caller.words();
  words.api_version = VK_API_VERSION_1_0;
  EXPECT_THAT(OpenedDevice(host, words).opened().text,
              AllOf(HasSubstr("with Vulkan 1.0.0"), HasSubstr("1.1 is needed")));
  words = caller.words();
  words.lock_queue = [](void*) {};
  EXPECT_THAT(OpenedDevice(host, words).opened().text, HasSubstr("go together"));
}

TEST(VulkanAdopt, AnOlderStructIsTakenAsFarAsItGoes) {
  const VulkanHost host;
  const CallerDevice caller(kDmaBuf);
  ASSERT_TRUE(caller.made()) << caller.why();
  auto words = caller.words();
  words.struct_size = offsetof(cw_vulkan_adopt_v1, lock_context);
  words.lock_queue = [](void*) { FAIL() << "beyond the size that the caller gave"; };
  const OpenedDevice device(host, words);
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto memory = TestMemory::memfd(4096);
  const Attached attached(device, AttachWords(memory.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  expect_shared(attached, memory.bytes());
}

TEST(VulkanAdopt, TheQueueIsLockedAroundEachSubmission) {
  struct Count {
    int locked = 0;
    int unlocked = 0;
  };
  const VulkanHost host;
  const CallerDevice caller(kDmaBuf);
  ASSERT_TRUE(caller.made()) << caller.why();
  Count count;
  auto words = caller.words();
  words.lock_context = &count;
  words.lock_queue = [](void* context) { ++static_cast<Count*>(context)->locked; };
  words.unlock_queue = [](void* context) { ++static_cast<Count*>(context)->unlocked; };
  const OpenedDevice device(host, words);
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto memory = TestMemory::memfd(4096);
  const Attached attached(device, AttachWords(memory.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(count.locked, 0);
  ASSERT_TRUE(attached.write(0, pattern(16, 1)));
  EXPECT_EQ(count.locked, 1);
  EXPECT_EQ(count.unlocked, 1);
}

TEST(VulkanAdopt, AnotherInterfaceIsRefused) {
  const VulkanHost host;
  auto info = plugin::sized<cw_open_info>();
  const int something = 0;
  info.adopt = &something;
  info.adopt_interface = "causeway.opencl.adopt.v1";
  cw_device* device = nullptr;
  const auto outcome =
      attempt([&](cw_error* error) { return vulkan_table().open(host.raw(), &info, &device, error); });
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, HasSubstr(CW_VULKAN_ADOPT_V1));
}

}  // namespace
}  // namespace causeway::test
