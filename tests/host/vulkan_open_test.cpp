// SPDX-License-Identifier: Apache-2.0
// Finding and opening devices.
#include <gmock/gmock.h>

#include "host/vulkan_caller.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(VulkanOpen, TableOfTheRightMajorVersionAlone) {
  EXPECT_NE(causeway_vulkan_backend(CW_ABI_VERSION), nullptr);
  EXPECT_EQ(causeway_vulkan_backend(CW_ABI_VERSION + (1U << 16U)), nullptr);
  EXPECT_STREQ(vulkan_table().name, "vulkan");
}

TEST(VulkanOpen, LavapipeIsEnumeratedAsWorkingThroughTheCpu) {
  const VulkanHost host;
  std::uint32_t count = 0;
  ASSERT_EQ(vulkan_table().enumerate(host.raw(), nullptr, &count, nullptr), CW_OK);
  std::vector<cw_device_info> found(count, plugin::sized<cw_device_info>());
  ASSERT_EQ(vulkan_table().enumerate(host.raw(), found.data(), &count, nullptr), CW_OK);
  bool seen = false;
  for (const auto& info : found) {
    if (std::string_view(info.driver) == "llvmpipe") {
      seen = true;
      EXPECT_NE(info.capabilities & CW_CAP_ACCESSES_VIA_CPU, 0U);
      EXPECT_EQ(info.capabilities & (CW_CAP_IMPLICIT_FENCES | CW_CAP_COHERENT), 0U);
      EXPECT_THAT(info.driver_version, HasSubstr("Mesa"));
      EXPECT_THAT(info.name, HasSubstr("llvmpipe"));
    }
  }
  EXPECT_TRUE(seen) << "mesa-vulkan-drivers is not installed";
}

TEST(VulkanOpen, ByIndexByNameAndByNothing) {
  const VulkanHost host;
  for (const char* id : {"0", "LLVMpipe", ""}) {
    const OpenedDevice device(host, id);
    EXPECT_TRUE(device.opened()) << "'" << id << "': " << device.opened();
  }
  EXPECT_THAT(host.complaints(), IsEmpty());
}

TEST(VulkanOpen, AnUnknownNameIsRefusedWithWhatThereIs) {
  const VulkanHost host;
  const OpenedDevice device(host, "Voodoo 2");
  EXPECT_EQ(device.opened().status, CW_NOT_FOUND);
  EXPECT_THAT(device.opened().text, HasSubstr("'Voodoo 2'"));
  EXPECT_THAT(device.opened().text, HasSubstr("llvmpipe"));
}

TEST(VulkanOpen, HandlesAreThoseOfAWorkingDevice) {
  const VulkanHost host;
  const OpenedDevice device(host, "llvmpipe");
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto handles = device.handles();
  EXPECT_NE(handles.queue, VkQueue{VK_NULL_HANDLE});
  EXPECT_GE(handles.api_version, VK_API_VERSION_1_1);
  const std::vector<std::string> names(handles.extensions, handles.extensions + handles.extension_count);
  EXPECT_THAT(names, ::testing::Contains(VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME));
  EXPECT_NE(handles.get_instance_proc_addr(handles.instance, "vkGetDeviceQueue"), nullptr);
  EXPECT_EQ(vulkan_table().get_interface(device.raw(), "causeway.opencl.device.v1"), nullptr);
}

TEST(VulkanOpen, OpeningAndClosingLeavesNoDescriptor) {
  const VulkanHost host;
  { const OpenedDevice first(host, "llvmpipe"); }  // what loader and layers keep for good
  const auto before = open_descriptors();
  for (int i = 0; i < 5; ++i) {
    const OpenedDevice device(host, "llvmpipe");
    ASSERT_TRUE(device.opened()) << device.opened();
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(VulkanConstraints, BuffersNeedWordsAndImagesMore) {
  const VulkanHost host;
  const OpenedDevice device(host, "llvmpipe");
  ASSERT_TRUE(device.opened()) << device.opened();
  auto image = plugin::sized<cw_image_desc>();
  image.format = formats::kXRGB8888.fourcc;
  image.width = 1920;
  image.height = 1080;
  auto out = plugin::sized<cw_constraints>();
  out.stride_align = out.offset_align = out.object_size_align = 1;
  ASSERT_EQ(vulkan_table().query_constraints(
                device.raw(), &image, CW_USAGE_READ | CW_USAGE_STORAGE | CW_USAGE_AS_BUFFER, &out, nullptr),
            CW_OK);
  EXPECT_EQ(out.stride_align, 4U);
  EXPECT_GE(out.offset_align, 4U);
  EXPECT_EQ(out.object_size_align, 4096U);
  EXPECT_GT(out.max_object_size, 0U);
  EXPECT_EQ(out.modifier_count, 1U);
  EXPECT_EQ(out.modifiers[0], 0U);
}

}  // namespace
}  // namespace causeway::test
