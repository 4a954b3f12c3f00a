// SPDX-License-Identifier: Apache-2.0
// Memory as a VkBuffer: by dma-buf, and by host pointer.
#include <gmock/gmock.h>

#include <algorithm>
#include <string_view>

#include "host/vulkan_caller.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::size_t kSize = 3 * 4096 + 8192;

TEST(VulkanBuffer, MemfdIsImportedByDescriptorAndShared) {
  const VulkanHost host;
  {
    const OpenedDevice device(host, "llvmpipe");
    ASSERT_TRUE(device.opened()) << device.opened();
    if ((device.capabilities() & CW_CAP_IMPORTS_MEMFD) == 0) {
      GTEST_SKIP() << "this lavapipe imports no memfd as dma-buf";
    }
    EXPECT_NE(device.capabilities() & CW_CAP_ACCESSES_VIA_CPU, 0U);
    const auto memory = TestMemory::memfd(kSize);
    const Attached attached(device, AttachWords(memory.object()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    EXPECT_STREQ(attached.mapping().import_path, "dma-buf");
    EXPECT_STREQ(attached.mapping().native_interface, CW_VULKAN_VIEW_V1);
    EXPECT_EQ(attached.view().kind, static_cast<std::uint32_t>(CW_VULKAN_BUFFER));
    EXPECT_EQ(attached.view().sizes[0], kSize);
    EXPECT_NE(attached.view().buffers[0], VkBuffer{VK_NULL_HANDLE});
    EXPECT_EQ(attached.view().image, VkImage{VK_NULL_HANDLE});
    expect_shared(attached, memory.bytes());
  }
  EXPECT_THAT(host.complaints(), IsEmpty());
}

TEST(VulkanBuffer, WithoutDmaBufTheHostPointerIsTaken) {
  const VulkanHost host;
  const CallerDevice caller({VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME});
  ASSERT_TRUE(caller.made()) << caller.why();
  {
    const OpenedDevice device(host, caller.words());
    ASSERT_TRUE(device.opened()) << device.opened();
    EXPECT_EQ(device.capabilities() & (CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD), 0U);
    const auto memory = TestMemory::memfd(kSize);
    const Attached attached(device, AttachWords(memory.object()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    EXPECT_STREQ(attached.mapping().import_path, "host-pointer");
    expect_shared(attached, memory.bytes());
  }
  EXPECT_THAT(caller.complaints(), IsEmpty());
}

TEST(VulkanBuffer, TwoObjectsAreTwoBuffers) {
  const VulkanHost host;
  const OpenedDevice device(host, "llvmpipe");
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto luma = TestMemory::memfd(8192);
  const auto chroma = TestMemory::memfd(4096);
  AttachWords words(luma.object(), formats::kNV12, 64, 64, 64, CW_USAGE_READ | CW_USAGE_AS_BUFFER);
  words.objects.push_back(chroma.object());
  words.planes.push_back({1, 64, 0});
  words.info.object_count = 2;
  words.info.plane_count = 2;
  words.info.objects = words.objects.data();
  words.info.planes = words.planes.data();
  const Attached attached(device, words);
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(attached.view().object_count, 2U);
  EXPECT_NE(attached.view().buffers[1], VkBuffer{VK_NULL_HANDLE});
  EXPECT_EQ(attached.view().sizes[1], 4096U);
  EXPECT_EQ(attached.view().plane_objects[1], 1U);
  EXPECT_EQ(attached.view().plane_strides[1], 64U);
}

TEST(VulkanBuffer, HostPointerWantsWholePages) {
  const VulkanHost host;
  const CallerDevice caller({VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME});
  ASSERT_TRUE(caller.made()) << caller.why();
  const OpenedDevice device(host, caller.words());
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto memory = TestMemory::memfd(8192);
  auto object = memory.object();
  object.size = 5000;
  auto outcome = device.attach_once(AttachWords(object));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("5000 bytes is no multiple of minImportedHostPointerAlignment, 4096"));
  EXPECT_THAT(outcome.text, HasSubstr("VK_EXT_external_memory_dma_buf"));

  object.size = 4096;
  object.ref = reinterpret_cast<cw_object_ref*>(memory.bytes().data() + 64);
  outcome = device.attach_once(AttachWords(object));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("CPU address"));
}

TEST(VulkanBuffer, ProbeOutOfTimeSaysSoAndTheNextOneWorks) {
  const VulkanHost host;
  const OpenedDevice device(host, "llvmpipe");
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto memory = TestMemory::memfd(4096);
  cw_attachment* attachment = nullptr;
  ASSERT_TRUE(device.attach(AttachWords(memory.object()), &attachment));
  auto bytes = pattern(16, 3);
  auto probe = plugin::sized<cw_probe>();
  probe.size = bytes.size();
  probe.data = bytes.data();
  probe.deadline_ns = 1;  // long past
  const auto late = attempt(
      [&](cw_error* error) { return vulkan_table().probe_write(device.raw(), attachment, &probe, error); });
  EXPECT_TRUE(late || late.status == CW_TIMED_OUT) << late;
  probe.deadline_ns = INT64_MAX;
  const auto next = attempt(
      [&](cw_error* error) { return vulkan_table().probe_write(device.raw(), attachment, &probe, error); });
  EXPECT_TRUE(next) << next;
  vulkan_table().detach(device.raw(), attachment);
}

// The validation layers object to a buffer that is destroyed before its commands were seen to be done.
TEST(VulkanBuffer, ProbeOutOfTimeEndsBeforeItsMemoryGoes) {
  const VulkanHost host;
  const OpenedDevice device(host, "llvmpipe");
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto memory = TestMemory::memfd(4096);
  cw_attachment* attachment = nullptr;
  ASSERT_TRUE(device.attach(AttachWords(memory.object()), &attachment));
  auto mapping = plugin::sized<cw_mapping>();
  ASSERT_TRUE(attempt([&](cw_error* error) {
    return vulkan_table().map(device.raw(), attachment, CW_DIRECTION_BIDIRECTIONAL, &mapping, error);
  }));
  auto bytes = pattern(16, 3);
  auto probe = plugin::sized<cw_probe>();
  probe.size = bytes.size();
  probe.data = bytes.data();
  probe.deadline_ns = 1;  // long past
  const auto late = attempt(
      [&](cw_error* error) { return vulkan_table().probe_write(device.raw(), attachment, &probe, error); });
  EXPECT_TRUE(late || late.status == CW_TIMED_OUT) << late;
  vulkan_table().unmap(device.raw(), attachment);
  vulkan_table().detach(device.raw(), attachment);
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), memory.bytes().begin())) << "it has run";
}

}  // namespace
}  // namespace causeway::test
