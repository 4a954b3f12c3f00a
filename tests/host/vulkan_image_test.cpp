// SPDX-License-Identifier: Apache-2.0
// Memory as a VkImage: needs VK_EXT_image_drm_format_modifier, which lavapipe has where /dev/udmabuf is.
#include <gmock/gmock.h>

#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class VulkanImage : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_TRUE(device_.opened()) << device_.opened();
    const auto handles = device_.handles();
    const std::vector<std::string> names(handles.extensions, handles.extensions + handles.extension_count);
    if (std::find(names.begin(), names.end(), VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME) ==
        names.end()) {
      GTEST_SKIP()
          << "lavapipe has no VK_EXT_image_drm_format_modifier on this machine (it wants /dev/udmabuf)";
    }
    if (!memory_.valid()) {
      GTEST_SKIP() << "/dev/udmabuf cannot be opened";
    }
  }
  void TearDown() override { EXPECT_THAT(host_.complaints(), IsEmpty()); }

  VulkanHost host_;
  OpenedDevice device_{host_, "llvmpipe"};
  TestMemory memory_ = TestMemory::udmabuf(std::size_t{256} * 1024);
};

TEST_F(VulkanImage, LinearFrameIsAnImageAndABufferOnTheSameMemory) {
  const AttachWords words(memory_.object(), formats::kXRGB8888, 200, 100, 1024,
                          CW_USAGE_READ | CW_USAGE_WRITE | CW_USAGE_SAMPLED | CW_USAGE_TRANSFER);
  const auto before = open_descriptors();
  {
    const Attached attached(device_, words);
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    const auto& view = attached.view();
    EXPECT_EQ(view.kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE));
    EXPECT_NE(view.image, VkImage{VK_NULL_HANDLE});
    EXPECT_NE(view.buffers[0], VkBuffer{VK_NULL_HANDLE});
    EXPECT_EQ(view.memories[0], view.image_memory) << "what is proved of the buffer holds for the image";
    EXPECT_EQ(view.images_in_buffers, 1U);
    EXPECT_EQ(view.image_tiling, static_cast<std::uint32_t>(VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT));
    EXPECT_STREQ(view.why_not, "");
    EXPECT_EQ(view.format, VK_FORMAT_B8G8R8A8_UNORM);
    EXPECT_NE(view.image_usage & VK_IMAGE_USAGE_SAMPLED_BIT, 0U);
    EXPECT_STREQ(attached.mapping().import_path, "dma-buf");
    expect_shared(attached, memory_.bytes());
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(VulkanImage, AsBufferMeansBuffer) {
  const Attached attached(device_, AttachWords(memory_.object(), formats::kXRGB8888, 200, 100, 1024,
                                               CW_USAGE_READ | CW_USAGE_AS_BUFFER));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(attached.view().kind, static_cast<std::uint32_t>(CW_VULKAN_BUFFER));
}

TEST_F(VulkanImage, WhatTheFormatQueryRefusesByModifierComesInLinearTiling) {
  // NV12: in lavapipe's list of modifiers, but refused by its format query.
  AttachWords words(memory_.object(), formats::kNV12, 256, 128, 256, CW_USAGE_READ | CW_USAGE_SAMPLED);
  words.planes.push_back({0, 256, std::uint64_t{256} * 128});
  words.info.plane_count = 2;
  words.info.planes = words.planes.data();
  const Attached attached(device_, words);
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  const auto& view = attached.view();
  EXPECT_EQ(view.kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE));
  EXPECT_EQ(view.image_tiling, static_cast<std::uint32_t>(VK_IMAGE_TILING_LINEAR));
  EXPECT_EQ(view.image_flags, static_cast<std::uint32_t>(VK_IMAGE_CREATE_DISJOINT_BIT));
  EXPECT_THAT(view.why_not, AllOf(HasSubstr("as one image:"), HasSubstr("modifier LINEAR")));
  EXPECT_EQ(view.format, VK_FORMAT_G8_B8R8_2PLANE_420_UNORM);
  EXPECT_EQ(view.plane_offsets[1], 256U * 128U);
}

TEST_F(VulkanImage, AnUnknownModifierIsRefusedWithThoseThatWouldDo) {
  AttachWords words(memory_.object(), formats::kXRGB8888, 200, 100, 1024, CW_USAGE_READ | CW_USAGE_SAMPLED);
  words.info.image.modifier = 0x0100000000000001;
  const auto outcome = device_.attach_once(words);
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("for this size and usage it imports:"), HasSubstr("LINEAR")));
}

TEST_F(VulkanImage, AnObjectTooSmallForTheImageComesAsABuffer) {
  // 1024 x 1024 x 4 bytes do not fit into 256 KiB; the core refuses such a frame, and the driver never sees
  // it.
  const Attached attached(device_, AttachWords(memory_.object(), formats::kXRGB8888, 1024, 1024, 4096,
                                               CW_USAGE_READ | CW_USAGE_SAMPLED));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(attached.view().kind, static_cast<std::uint32_t>(CW_VULKAN_BUFFER));
  EXPECT_THAT(attached.view().why_not, HasSubstr("object 0 has 262144"));
}

TEST_F(VulkanImage, ConstraintsOfAnImageCandidate) {
  auto image = plugin::sized<cw_image_desc>();
  image.format = formats::kXRGB8888.fourcc;
  image.width = 1920;
  image.height = 1080;
  auto out = plugin::sized<cw_constraints>();
  out.stride_align = out.offset_align = out.object_size_align = 1;
  ASSERT_EQ(vulkan_table().query_constraints(device_.raw(), &image, CW_USAGE_READ | CW_USAGE_SAMPLED, &out,
                                             nullptr),
            CW_OK);
  EXPECT_EQ(out.stride_align, 64U);
  EXPECT_EQ(out.modifiers[0], 0U);
}

TEST_F(VulkanImage, DmaBufsAreImportedAThousandTimesWithoutALeak) {
  const AttachWords words(memory_.object(), formats::kXRGB8888, 200, 100, 1024,
                          CW_USAGE_READ | CW_USAGE_SAMPLED);
  ASSERT_TRUE(device_.attach_once(words));
  const auto before = open_descriptors();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(device_.attach_once(words));
  }
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace causeway::test
