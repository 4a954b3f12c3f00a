// SPDX-License-Identifier: Apache-2.0
// Accesses of a real driver that overlap: the device keeps their order, and the CPU waits only where it
// looks.
#include <cstring>

#include "host/vulkan_fence_runtime.hpp"

namespace causeway::test {
namespace {

constexpr std::uint64_t kSize = std::uint64_t{4} << 20U;

class VulkanFenceLavapipe : public VulkanFenceRuntime {
protected:
  DmaBuf allocate() {
    auto buffer = runtime_->allocate(kSize);
    EXPECT_TRUE(buffer) << buffer.error().message();
    return *buffer;
  }
};

TEST_F(VulkanFenceLavapipe, AnAccessEndsWithAFenceOfTheDevice) {
  const auto gpu = open_gpu();
  const OnDevice target(allocate(), gpu);
  VulkanCommands commands(*vulkan::handles(gpu));
  auto access = target.mapping.begin_access(Usage::Write, Deadline::in(60s));
  ASSERT_TRUE(access) << access.error().message();
  commands.fill(target.view(), 0x01020304);
  const auto fences = access->end();
  ASSERT_TRUE(fences) << fences.error().message();
  if (!fences->empty()) {  // else it was quick
    EXPECT_EQ(fences->front().kind(), FenceKind::Device);
    EXPECT_TRUE(fences->front().wait(Deadline::in(60s)));
    EXPECT_EQ(fences->front().status(), FenceStatus::Signalled);
  }
  expect_filled(target.buffer, 0x01020304);
}

// Each stage reads what the one before wrote. Were the order left to chance, an old value would come through.
TEST_F(VulkanFenceLavapipe, AChainOfStagesNeedsNoCpuInBetween) {
  const auto gpu = open_gpu();
  const OnDevice a(allocate(), gpu);
  const OnDevice b(allocate(), gpu);
  const OnDevice c(allocate(), gpu);
  VulkanCommands commands(*vulkan::handles(gpu));
  const auto before = cpu_waits();
  for (std::uint32_t frame = 1; frame <= 20; ++frame) {
    {
      auto write = a.mapping.begin_access(Usage::Write, Deadline::in(60s));
      ASSERT_TRUE(write) << write.error().message();
      commands.fill(a.view(), frame);
      ASSERT_TRUE(write->end());
    }
    for (const auto& [from, to] : {std::pair{&a, &b}, std::pair{&b, &c}}) {
      auto read = from->mapping.begin_access(Usage::Read, Deadline::in(60s));
      ASSERT_TRUE(read) << read.error().message();
      auto write = to->mapping.begin_access(Usage::Write, Deadline::in(60s));
      ASSERT_TRUE(write) << write.error().message();
      commands.copy(from->view(), to->view());
      ASSERT_TRUE(read->end());
      ASSERT_TRUE(write->end());
    }
  }
  EXPECT_EQ(cpu_waits(), before) << "between stages on one device";
  expect_filled(c.buffer, 20);
}

TEST_F(VulkanFenceLavapipe, TwoDevicesTakeTurns) {
  const auto first = open_gpu();
  const auto second = open_gpu();
  const auto buffer = allocate();
  const OnDevice on_first(buffer, first);
  const OnDevice on_second(buffer, second);
  const OnDevice copy(allocate(), second);
  VulkanCommands first_commands(*vulkan::handles(first));
  VulkanCommands second_commands(*vulkan::handles(second));
  for (std::uint32_t frame = 1; frame <= 10; ++frame) {
    auto write = on_first.mapping.begin_access(Usage::Write, Deadline::in(60s));
    ASSERT_TRUE(write) << write.error().message();
    first_commands.fill(on_first.view(), frame);
    ASSERT_TRUE(write->end());
    auto read = on_second.mapping.begin_access(Usage::Read, Deadline::in(60s));
    ASSERT_TRUE(read) << read.error().message();
    auto store = copy.mapping.begin_access(Usage::Write, Deadline::in(60s));
    ASSERT_TRUE(store) << store.error().message();
    second_commands.copy(on_second.view(), copy.view());
    ASSERT_TRUE(read->end());
    ASSERT_TRUE(store->end());
    expect_filled(copy.buffer, frame);
  }
}

// Both devices call their timeline by the same number.
TEST_F(VulkanFenceLavapipe, TheEndTakesAFenceOfAnotherDevice) {
  const auto first = open_gpu();
  const auto second = open_gpu();
  const OnDevice on_first(allocate(), first);
  const OnDevice on_second(allocate(), second);
  VulkanCommands commands(*vulkan::handles(first));
  for (std::uint32_t frame = 1; frame <= 5; ++frame) {
    auto write = on_first.mapping.begin_access(Usage::Write, Deadline::in(60s));
    ASSERT_TRUE(write) << write.error().message();
    commands.fill(on_first.view(), frame);
    const auto given = write->end();
    ASSERT_TRUE(given) << given.error().message();
    auto other = on_second.mapping.begin_access(Usage::Write, Deadline::in(60s));
    ASSERT_TRUE(other) << other.error().message();
    const auto fences = other->end(*given);
    ASSERT_TRUE(fences) << fences.error().message();
    for (const auto& fence : *fences) {
      EXPECT_TRUE(fence.wait(Deadline::in(10s)));
    }
    for (const auto& fence : *given) {
      EXPECT_EQ(fence.status(), FenceStatus::Signalled);
    }
  }
}

TEST_F(VulkanFenceLavapipe, AnAccessThatIsDroppedLeavesNothingRunning) {
  const auto gpu = open_gpu();
  const auto buffer = allocate();
  VulkanCommands commands(*vulkan::handles(gpu));
  {
    const OnDevice target(buffer, gpu);
    auto access = target.mapping.begin_access(Usage::Write, Deadline::in(60s));
    ASSERT_TRUE(access) << access.error().message();
    commands.fill(target.view(), 7);
  }
  SUCCEED() << "detached only when the device was done; the layers would complain otherwise";
}

// As after a vkQueueSubmit that failed. Without the word the buffer would be lost for good.
TEST_F(VulkanFenceLavapipe, ATurnThatIsDroppedWithItsAccessLeavesTheBufferUsable) {
  const CallersGpu gpu(*runtime_);
  ASSERT_TRUE(gpu.made());
  const auto buffer = allocate();
  {
    const OnDevice target(buffer, gpu.device());
    auto access = target.mapping.begin_access(Usage::Write, Deadline::in(60s));
    ASSERT_TRUE(access) << access.error().message();
    ASSERT_TRUE(vulkan::turn(target.mapping));
    ASSERT_TRUE(vulkan::drop_turn(target.mapping));
  }
  auto cpu = buffer.map_cpu();
  ASSERT_TRUE(cpu) << cpu.error().message();
  auto write = cpu->begin(Usage::Write, Deadline::in(60s));
  ASSERT_TRUE(write) << write.error().message();
  EXPECT_TRUE(write->end());
}

// The caller's queue: what the turn says goes into the caller's own submission.
TEST_F(VulkanFenceLavapipe, ATurnIsSubmittedByTheCaller) {
  const CallersGpu gpu(*runtime_);
  ASSERT_TRUE(gpu.made());
  {
    const OnDevice target(allocate(), gpu.device());
    VulkanCommands commands(*vulkan::handles(gpu.device()));
    const auto before = cpu_waits();
    for (std::uint32_t frame = 1; frame <= 20; ++frame) {
      auto access = target.mapping.begin_access(Usage::Write, Deadline::in(60s));
      ASSERT_TRUE(access) << access.error().message();
      submit_turn(commands, target,
                  [&](VkCommandBuffer recording) { commands.record_fill(recording, target.view(), frame); });
      ASSERT_TRUE(access->end());
    }
    EXPECT_EQ(cpu_waits(), before);
    expect_filled(target.buffer, 20);
  }
}

}  // namespace
}  // namespace causeway::test
