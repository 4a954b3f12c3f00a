// SPDX-License-Identifier: Apache-2.0
// By which step memory comes in, pinned to one or not.
#include <gmock/gmock.h>

#include <causeway/runtime.hpp>
#include <causeway/vulkan.hpp>

#include "host/vulkan_caller.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class VulkanLadder : public ::testing::Test {
protected:
  void SetUp() override { ASSERT_TRUE(device_.opened()) << device_.opened(); }
  void TearDown() override { EXPECT_THAT(host_.complaints(), IsEmpty()); }

  void pin(std::uint32_t step) {
    const auto* table = static_cast<const cw_vulkan_device_v1*>(
        vulkan_table().get_interface(device_.raw(), CW_VULKAN_DEVICE_V1));
    table->pin_import(device_.raw(), step);
  }
  /// Attached and shared by the step that is named.
  void expect_step(const char* path) {
    const Attached attached(device_, AttachWords(memory_.object()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    EXPECT_STREQ(attached.mapping().import_path, path);
    expect_shared(attached, memory_.bytes());
  }

  VulkanHost host_;
  OpenedDevice device_{host_, "llvmpipe"};
  TestMemory memory_ = TestMemory::memfd(16384);
};

TEST_F(VulkanLadder, EachStepCanBePinnedAndIsNamed) {
  expect_step("dma-buf");
  pin(CW_VULKAN_IMPORT_HOST_POINTER);
  expect_step("host-pointer");
  pin(CW_VULKAN_IMPORT_DMA_BUF);
  expect_step("dma-buf");
  pin(CW_VULKAN_IMPORT_ANY);
  expect_step("dma-buf");
}

TEST_F(VulkanLadder, APinnedStepThatDoesNotGoIsNotReplaced) {
  auto object = memory_.object();
  object.size = 5000;  // no whole pages: by host pointer it does not go, as a dma-buf it does
  pin(CW_VULKAN_IMPORT_HOST_POINTER);
  const auto refused = device_.attach_once(AttachWords(object));
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, AllOf(HasSubstr("as a dma-buf: left out, since the device's imports are pinned"),
                                  HasSubstr("by host pointer: its size of 5000 bytes")));
  pin(CW_VULKAN_IMPORT_ANY);
  const auto taken = device_.attach_once(AttachWords(object));
  EXPECT_TRUE(taken) << taken;
}

TEST_F(VulkanLadder, TheReportShowsTheStepOfEachImport) {
  auto runtime = watched_runtime();
  auto device = vulkan::open(runtime, "llvmpipe").value();
  for (const auto& [step, path] : {std::pair{vulkan::ImportStep::HostPointer, "host-pointer"},
                                   std::pair{vulkan::ImportStep::DmaBuf, "dma-buf"}}) {
    ASSERT_TRUE(vulkan::pin_import(device, step));
    auto pool = runtime.negotiate({.format = formats::kYUYV, .width = 64, .height = 64})
                    .with(device, Usage::StorageRead | Usage::AsBuffer)
                    .allocate(1);
    ASSERT_TRUE(pool) << pool.error().message();
    ASSERT_EQ(pool->report().imports.size(), 1U);
    EXPECT_EQ(pool->report().imports[0].import_path, path);
    EXPECT_EQ(pool->report().imports[0].verdict, AliasVerdict::Aliased);
  }
  auto null = runtime.open_device("null", {}).value();
  const auto refused = vulkan::pin_import(null, vulkan::ImportStep::DmaBuf);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::InvalidArgument);
}

}  // namespace
}  // namespace causeway::test
