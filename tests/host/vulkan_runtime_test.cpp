// SPDX-License-Identifier: Apache-2.0
// The typed header, over the whole library.
#include <gmock/gmock.h>

#include <causeway/runtime.hpp>
#include <causeway/vulkan.hpp>

#include "host/vulkan_caller.hpp"

namespace causeway::test {
namespace {

using ::testing::IsEmpty;

TEST(VulkanRuntime, FramesAreAttachedProvedAndSeenAsBuffers) {
  auto runtime = watched_runtime();
  auto device = vulkan::open(runtime, "llvmpipe");
  ASSERT_TRUE(device) << device.error().message();
  EXPECT_TRUE(device->has(Capability::AccessesViaCpu));
  auto pool = runtime.negotiate({.format = formats::kYUYV, .width = 640, .height = 480})
                  .with(*device, Usage::StorageRead | Usage::StorageWrite | Usage::AsBuffer)
                  .allocate(3);
  ASSERT_TRUE(pool) << pool.error().message();
  auto buffer = runtime.allocate(65536);
  ASSERT_TRUE(buffer) << buffer.error().message();
  auto attachment = buffer->attach(*device, Usage::ReadWrite);
  ASSERT_TRUE(attachment) << attachment.error().message();
  auto mapping = attachment->map(Direction::Bidirectional);
  ASSERT_TRUE(mapping) << mapping.error().message();
  EXPECT_EQ(mapping->verdict(), AliasVerdict::Aliased);
  auto view = vulkan::view(*mapping);
  ASSERT_TRUE(view) << view.error().message();
  EXPECT_NE((*view)->buffers[0], VkBuffer{VK_NULL_HANDLE});
  EXPECT_GE((*view)->sizes[0], 65536U);
}

TEST(VulkanRuntime, HandlesOfAnOwnDeviceWork) {
  auto runtime = watched_runtime();
  auto device = vulkan::open(runtime, "llvmpipe");
  ASSERT_TRUE(device) << device.error().message();
  auto handles = vulkan::handles(*device);
  ASSERT_TRUE(handles) << handles.error().message();
  const auto idle = reinterpret_cast<PFN_vkDeviceWaitIdle>(
      handles->get_instance_proc_addr(handles->instance, "vkDeviceWaitIdle"));
  ASSERT_NE(idle, nullptr);
  EXPECT_EQ(idle(handles->device), VK_SUCCESS);
}

TEST(VulkanRuntime, AdoptsWithTheExtensionsThatItWants) {
  const CallerDevice bare({});
  ASSERT_TRUE(bare.made()) << bare.why();
  const auto& raw = bare.words();
  auto wanted = vulkan::wanted_extensions(raw.get_instance_proc_addr, raw.instance, raw.physical_device);
  ASSERT_TRUE(wanted) << wanted.error().message();
  const CallerDevice caller(*wanted);
  ASSERT_TRUE(caller.made()) << caller.why();
  {
    auto runtime = watched_runtime();
    const auto& own = caller.words();
    vulkan::AdoptInfo info;
    info.get_instance_proc_addr = own.get_instance_proc_addr;
    info.api_version = own.api_version;
    info.instance = own.instance;
    info.physical_device = own.physical_device;
    info.device = own.device;
    info.queue = own.queue;
    info.queue_family = own.queue_family;
    info.enabled_extensions = *wanted;
    auto device = vulkan::adopt(runtime, info);
    ASSERT_TRUE(device) << device.error().message();
    EXPECT_EQ(device->id(), "adopted");
    auto handles = vulkan::handles(*device);
    ASSERT_TRUE(handles) << handles.error().message();
    EXPECT_EQ(handles->device, own.device);
    EXPECT_EQ(handles->enabled_extensions.size(), wanted->size());
    auto pool = runtime.negotiate({.format = formats::kNV12, .width = 640, .height = 480})
                    .with(*device, Usage::StorageRead | Usage::AsBuffer)
                    .allocate(2);
    EXPECT_TRUE(pool) << pool.error().message();
  }
  EXPECT_TRUE(caller.works());
  EXPECT_THAT(caller.complaints(), IsEmpty());
}

TEST(VulkanRuntime, OtherMappingsAndNullHandlesAreRefused) {
  const Mapping none;
  const auto view = vulkan::view(none);
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().code(), Errc::InvalidArgument);
  const auto wanted = vulkan::wanted_extensions(nullptr, nullptr, nullptr);
  ASSERT_FALSE(wanted);
  EXPECT_EQ(wanted.error().code(), Errc::InvalidArgument);
}

}  // namespace
}  // namespace causeway::test
