// SPDX-License-Identifier: Apache-2.0
// Images by modifier as drivers of hardware have them: several memory planes, in one object or in several. No
// such driver is here, so these meet one of ours that checks every call.
#include <fcntl.h>
#include <unistd.h>

#include "host/vulkan_fake_driver.hpp"
#include "host/vulkan_fake_modifiers.hpp"
#include "host/vulkan_image_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kTiled = 0x0100000000000002;       // Intel's Y tiling
constexpr std::uint64_t kCompressed = 0x0100000000000006;  // and with a plane of compression beside
constexpr std::uint32_t kUsage = CW_USAGE_READ | CW_USAGE_SAMPLED;

class VulkanModifiers : public ::testing::Test {
protected:
  void SetUp() override {
    FakeModifiers::reset();
    fake_.offers = {{0, 2}, {kTiled, 2}};
    device_ = std::make_unique<OpenedDevice>(host_, FakeModifiers::words());
    ASSERT_TRUE(device_->opened()) << device_->opened();
    imports_before_ = FakeDriver::instance().imports;
  }
  void TearDown() override {
    device_.reset();
    EXPECT_THAT(fake_.faults, IsEmpty());
    EXPECT_EQ(fake_.images, 0);
    EXPECT_EQ(FakeDriver::instance().memories, 0);
    EXPECT_EQ(FakeDriver::instance().buffers, 0);
  }
  [[nodiscard]] std::unique_ptr<AttachWords> nv12(const std::vector<PlaneAt>& planes, std::uint64_t modifier,
                                                  std::uint32_t usage = kUsage) const {
    auto words = words_of(formats::kNV12, 64, 16, planes, usage);
    words->info.image.modifier = modifier;
    return words;
  }
  [[nodiscard]] int imports() const { return FakeDriver::instance().imports - imports_before_; }

  FakeModifiers& fake_ = FakeModifiers::instance();
  VulkanHost host_;
  std::unique_ptr<OpenedDevice> device_;
  const TestMemory one_ = TestMemory::memfd(8192);
  const TestMemory two_ = TestMemory::memfd(8192);
  int imports_before_ = 0;
};

TEST_F(VulkanModifiers, PlanesInOneObjectAreOneImageInItsMemory) {
  for (const std::uint64_t modifier : {std::uint64_t{0}, kTiled}) {
    const Attached attached(*device_, *nv12({{&one_, 0, 128}, {&one_, 2048, 192}}, modifier));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    EXPECT_EQ(attached.view().kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE));
    EXPECT_STREQ(attached.view().why_not, "");
    EXPECT_EQ(fake_.created.flags, 0U);
    ASSERT_EQ(fake_.planes.size(), 2U);
    EXPECT_EQ(fake_.planes[1].offset, 2048U);
    EXPECT_EQ(fake_.planes[1].rowPitch, 192U);
    ASSERT_EQ(fake_.bound.size(), 1U);
    EXPECT_EQ(fake_.bound[0].memory, attached.view().memories[0]);
    EXPECT_EQ(attached.view().images_in_buffers, 1U);
  }
  EXPECT_EQ(imports(), 2) << "one for each attachment";
}

TEST_F(VulkanModifiers, PlanesInSeveralObjectsAreBoundOneByOne) {
  const Attached attached(*device_, *nv12({{&one_, 0, 128}, {&two_, 1024, 128}}, kTiled));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(attached.view().kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE));
  EXPECT_EQ(attached.view().image_flags, static_cast<std::uint32_t>(VK_IMAGE_CREATE_DISJOINT_BIT));
  ASSERT_EQ(fake_.bound.size(), 2U);
  EXPECT_EQ(fake_.bound[0].plane, static_cast<VkImageAspectFlags>(VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT));
  EXPECT_EQ(fake_.bound[1].plane, static_cast<VkImageAspectFlags>(VK_IMAGE_ASPECT_MEMORY_PLANE_1_BIT_EXT));
  EXPECT_EQ(fake_.bound[0].memory, attached.view().memories[0]);
  EXPECT_EQ(fake_.bound[1].memory, attached.view().memories[1]);
  EXPECT_EQ(fake_.planes[1].offset, 1024U);
  EXPECT_EQ(imports(), 2);
}

TEST_F(VulkanModifiers, TwoDescriptorsOfOneDmaBufAreNotTakenForTwoObjects) {
  const auto words = nv12({{&one_, 0, 128}, {&two_, 2048, 128}}, kTiled);
  for (auto& object : words->objects) {
    object.device_number = 7;
    object.inode = 42;
  }
  const Attached attached(*device_, *words);
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(fake_.created.flags, 0U);
  EXPECT_EQ(fake_.bound.size(), 1U);
}

TEST_F(VulkanModifiers, AnImageThatWantsMemoryOfItsOwnGetsIt) {
  fake_.dedicated_only = true;
  const Attached attached(*device_, *nv12({{&one_, 0, 128}, {&one_, 2048, 128}}, kTiled));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_THAT(fake_.dedicated, ElementsAre(4096U));
  ASSERT_EQ(fake_.bound.size(), 1U);
  EXPECT_NE(fake_.bound[0].memory, attached.view().memories[0]);
  EXPECT_EQ(fake_.bound[0].memory, attached.view().image_memory);
  EXPECT_EQ(attached.view().images_in_buffers, 0U) << "the proof's buffer is another import";
  EXPECT_EQ(attached.mapping().imported_as, CW_IMPORTED_AS_IMAGES_APART);
}

TEST_F(VulkanModifiers, ItsMemoryMustReachAsFarAsThePlanesDo) {
  // Some drivers answer a size that knows nothing of the offset: what is behind it would not be mapped.
  fake_.dedicated_only = true;
  const auto outcome =
      device_->attach_once(*nv12({{&one_, 2048, 128}, {&one_, 6144, 128}}, 0, kUsage | CW_USAGE_AS_IMAGE));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("reaches to byte 7104"), HasSubstr("4096 bytes alone")));
}

TEST_F(VulkanModifiers, MemoryOfItsOwnBeginsWithTheObject) {
  // In LINEAR tiling an offset is where the image is bound, and that is 0 in memory for it alone.
  fake_.offers.clear();
  fake_.linear = true;
  fake_.stride = 64;
  fake_.dedicated_only = true;
  const auto image = [&](std::uint64_t offset) {
    return device_->attach_once(
        *words_of(formats::kR8, 64, 16, {{&one_, offset, 64}}, kUsage | CW_USAGE_AS_IMAGE));
  };
  EXPECT_TRUE(image(0));
  const auto outcome = image(1024);
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("begins at byte 1024"), HasSubstr("from byte 0 on")));
  fake_.dedicated_only = false;
  EXPECT_TRUE(image(1024));
}

TEST_F(VulkanModifiers, ThatAndSeveralObjectsDoNotGoTogether) {
  fake_.dedicated_only = true;
  const auto outcome = device_->attach_once(*nv12({{&one_, 0, 128}, {&two_, 0, 128}}, kTiled));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("memory of their own alone"));
}

TEST_F(VulkanModifiers, WhatTheDriverOffersInsteadIsNamed) {
  fake_.offers = {{kTiled, 2, false}, {kCompressed, 4}};
  const auto unknown = device_->attach_once(*nv12({{&one_, 0, 128}, {&one_, 2048, 128}}, 0x0300000000000001));
  EXPECT_EQ(unknown.status, CW_UNSUPPORTED);
  EXPECT_THAT(unknown.text, AllOf(HasSubstr("0x0100000000000002 with 2 memory planes"),
                                  HasSubstr("0x0100000000000006 with 4 memory planes")));
  const auto planes = device_->attach_once(*nv12({{&one_, 0, 128}, {&one_, 2048, 128}}, kCompressed));
  EXPECT_THAT(planes.text, HasSubstr("and 2 memory planes"));
  const auto apart = device_->attach_once(*nv12({{&one_, 0, 128}, {&two_, 0, 128}}, kTiled));
  EXPECT_THAT(apart.text,
              AllOf(HasSubstr("over several objects"), HasSubstr("it imports: 0x0100000000000006")));
}

TEST_F(VulkanModifiers, EachFailureOfTheDriverLeavesNothing) {
  const auto before = open_descriptors();
  const auto fails = [&](const std::vector<PlaneAt>& planes, const char* step) {
    const auto outcome = device_->attach_once(*nv12(planes, kTiled));
    EXPECT_EQ(outcome.status, CW_OUT_OF_MEMORY) << step;
    EXPECT_EQ(outcome.operation, step);
    EXPECT_EQ(fake_.images, 0) << step;
    EXPECT_EQ(FakeDriver::instance().memories, 0) << step;
    EXPECT_EQ(FakeDriver::instance().buffers, 0) << step;
    EXPECT_EQ(open_descriptors(), before) << step;
  };
  for (const bool apart : {false, true}) {
    const std::vector<PlaneAt> planes{{&one_, 0, 128}, {apart ? &two_ : &one_, 2048, 128}};
    fake_.create_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
    fails(planes, "vkCreateImage");
    fake_.bind_fails = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    fails(planes, "vkBindImageMemory2");
  }
}

TEST_F(VulkanModifiers, ConstraintsListThemForTheForm) {
  auto image = plugin::sized<cw_image_desc>();
  image.format = formats::kNV12.fourcc;
  image.width = 64;
  image.height = 16;
  const auto ask = [&](std::uint32_t usage) {
    auto out = plugin::sized<cw_constraints>();
    out.stride_align = out.offset_align = out.object_size_align = 1;
    EXPECT_EQ(vulkan_table().query_constraints(device_->raw(), &image, usage, &out, nullptr), CW_OK);
    return std::vector<std::uint64_t>(&out.modifiers[0], &out.modifiers[0] + out.modifier_count);
  };
  EXPECT_THAT(ask(kUsage), ElementsAre(0U, kTiled));
  EXPECT_THAT(ask(kUsage | CW_USAGE_AS_IMAGE), ElementsAre(0U, kTiled));
  EXPECT_THAT(ask(kUsage | CW_USAGE_AS_BUFFER), ElementsAre(0U));
  fake_.offers = {{kTiled, 2}};
  EXPECT_THAT(ask(kUsage | CW_USAGE_AS_IMAGE), ElementsAre(kTiled)) << "LINEAR would be no image";
  EXPECT_THAT(ask(kUsage), ElementsAre(0U, kTiled)) << "but it would be a buffer";
}

TEST_F(VulkanModifiers, AnExportTellsTheChosenOneAndWhereItsPlanesLie) {
  fake_.exports = true;
  fake_.stride = 256;
  fake_.needs = 8192;
  FakeDriver::instance().exports = true;
  FakeDriver::instance().export_memory = [&](VkDeviceSize) { return ::fcntl(one_.fd(), F_DUPFD_CLOEXEC, 0); };
  const std::array<std::uint64_t, 3> wanted{kCompressed, kTiled, 0};
  auto info = plugin::sized<cw_allocate_info>();
  info.usage = kUsage;
  info.image = plugin::sized<cw_image_desc>();
  info.image.format = formats::kNV12.fourcc;
  info.image.width = 64;
  info.image.height = 16;
  info.modifier_count = static_cast<std::uint32_t>(wanted.size());
  info.modifiers = wanted.data();
  auto made = plugin::sized<cw_allocation>();
  const auto outcome =
      attempt([&](cw_error* error) { return vulkan_table().allocate(device_->raw(), &info, &made, error); });
  ASSERT_TRUE(outcome) << outcome;
  EXPECT_THAT(fake_.list, ElementsAre(kTiled, 0U)) << "those of the caller's that it offers, in that order";
  EXPECT_EQ(made.modifier, 0U) << "the driver's choice, not the caller's first";
  EXPECT_EQ(made.object_count, 1U);
  ASSERT_EQ(made.plane_count, 2U);
  EXPECT_EQ(made.planes[0].stride, 256U);
  EXPECT_EQ(made.planes[1].offset, 4096U);
  EXPECT_THAT(fake_.dedicated, ElementsAre(8192U));
  ::close(made.fds[0]);
  vulkan_table().release(device_->raw(), made.token);
}

}  // namespace
}  // namespace causeway::test
