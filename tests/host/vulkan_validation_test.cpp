// SPDX-License-Identifier: Apache-2.0
// The validation layer is on, and is heard: a wrong call fails its test.
#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>

#include <causeway/vulkan.hpp>

#include "host/vulkan_caller.hpp"
#include "host/vulkan_commands.hpp"
#include "host/vulkan_harness.hpp"
#include "host/vulkan_validation.hpp"

namespace causeway::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class VulkanValidation : public ::testing::Test {
protected:
  void SetUp() override {
    if (!validation_wanted()) {
      GTEST_SKIP() << "CAUSEWAY_VULKAN_VALIDATION is 0, or AddressSanitizer watches";
    }
  }
};

/// No buffer has size 0 (VUID-VkBufferCreateInfo-size-00912).
void make_empty_buffer(PFN_vkGetInstanceProcAddr entry, VkInstance instance, VkDevice device) {
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  VkBuffer buffer = VK_NULL_HANDLE;
  reinterpret_cast<PFN_vkCreateBuffer>(entry(instance, "vkCreateBuffer"))(device, &info, nullptr, &buffer);
  reinterpret_cast<PFN_vkDestroyBuffer>(entry(instance, "vkDestroyBuffer"))(device, buffer, nullptr);
}

TEST_F(VulkanValidation, AWrongCallOnADeviceOfOursFailsTheTest) {
  auto runtime = watched_runtime();
  const auto device = vulkan::open(runtime, "llvmpipe").value();
  const auto handles = vulkan::handles(device).value();
  make_empty_buffer(handles.get_instance_proc_addr, handles.instance, handles.device);
  EXPECT_NONFATAL_FAILURE(expect_no_complaints(), "VUID-VkBufferCreateInfo-size-00912");
}

TEST_F(VulkanValidation, AWrongCallOnACallersDeviceFailsTheTest) {
  const CallerDevice caller({});
  ASSERT_TRUE(caller.made()) << caller.why();
  const auto& words = caller.words();
  make_empty_buffer(words.get_instance_proc_addr, words.instance, words.device);
  EXPECT_NONFATAL_FAILURE(expect_no_complaints(), "VUID-VkBufferCreateInfo-size-00912");
}

// Two fills of the same bytes with nothing between them: only synchronization validation sees that.
TEST_F(VulkanValidation, AMissingBarrierFailsTheTest) {
  auto runtime = watched_runtime();
  const auto device = vulkan::open(runtime, "llvmpipe").value();
  auto buffer = runtime.allocate(65536).value();
  auto attachment = buffer.attach(device, Usage::ReadWrite).value();
  const auto mapping = attachment.map(Direction::Bidirectional).value();
  const auto& view = *vulkan::view(mapping).value();
  VulkanCommands commands(vulkan::handles(device).value());
  auto access = mapping.begin_access(Usage::Write, Deadline::in(std::chrono::seconds(60))).value();
  commands.submit([&](VkCommandBuffer recording) {
    commands.record_fill(recording, view, 1);
    commands.record_fill(recording, view, 2);
  });
  EXPECT_TRUE(access.end());
  EXPECT_NONFATAL_FAILURE(expect_no_complaints(), "SYNC-HAZARD-WRITE-AFTER-WRITE");
}

TEST_F(VulkanValidation, WhatIsListedPassesAndNothingElse) {
  note_validation("Validation Error: [ VUID-vkCmdClearColorImage-image-01993 ] of a modifier image");
  EXPECT_THAT(take_complaints(), IsEmpty());
  note_validation(
      "Validation Error: [ UNASSIGNED-CoreValidation-DrawState-InvalidImageLayout ] expects "
      "VK_IMAGE_LAYOUT_GENERAL, but it is VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL");
  EXPECT_THAT(take_complaints(), Contains(HasSubstr("TRANSFER_SRC"))) << "not the case that is listed";
  note_log_line("Vulkan validation: something new");
  note_log_line("something else of the log");
  const auto complaints = take_complaints();
  EXPECT_THAT(complaints, Contains(HasSubstr("something new")));
  EXPECT_THAT(complaints, Not(Contains(HasSubstr("of the log"))));
  for (const auto& one : false_positives()) {
    EXPECT_GT(one.reason.size(), 40U) << one.id << " has no reason";
  }
}

}  // namespace
}  // namespace causeway::test
