// SPDX-License-Identifier: Apache-2.0
// Fences of the kernel that are truly pending (vgem), and a Vulkan driver that waits for them on its own.
#include <poll.h>

#include <cstring>
#include <thread>

#include "guest/vulkan_vgem.hpp"
#include "host/vulkan_fence_runtime.hpp"
#include "support/backend_harness.hpp"

namespace causeway::test {
namespace {

constexpr std::size_t kSize = 65536;

class GuestVulkanFence : public VulkanFenceRuntime {
protected:
  void SetUp() override {
    VulkanFenceRuntime::SetUp();
    gpu_.emplace(open_gpu());
    ASSERT_TRUE(gpu_->has(Capability::WaitsSyncFile)) << "lavapipe takes SYNC_FD where there is udmabuf";
    commands_.emplace(*vulkan::handles(*gpu_));
  }
  void TearDown() override {
    if (vgem_ && vgem_->pending()) {
      EXPECT_TRUE(vgem_->signal());
    }
    commands_.reset();
    gpu_.reset();
    VulkanFenceRuntime::TearDown();
  }

  /// From here on it is pending, for 10 s: made when all else is ready.
  void attach_fence() {
    vgem_ = VgemFence::create();
    if (!vgem_) {
      FAIL() << "vgem is one of the guest's modules";
    }
  }
  /// Signals behind no writes, so nothing of the CPU's caches has to wait for it.
  Fence pending() {
    attach_fence();
    auto fence = Fence::from_sync_file(*runtime_, vgem_->sync_file(), Producer::CacheCoherent);
    EXPECT_TRUE(fence) << fence.error().message();
    return *fence;
  }
  DmaBuf take(const TestMemory& memory) {
    auto buffer = DmaBuf::from_fd(*runtime_, BorrowedFd(memory.fd()));
    EXPECT_TRUE(buffer) << buffer.error().message();
    return *buffer;
  }
  /// Without a turn: what is there at this moment.
  static std::uint32_t peek(const TestMemory& memory) {
    std::uint32_t value = 0;
    std::memcpy(&value, memory.bytes().data(), sizeof(value));
    return value;
  }
  std::vector<Fence> fill(const OnDevice& target, std::span<const Fence> waits, std::uint32_t value) {
    auto access = target.mapping.begin_access(Usage::Write, waits, Deadline::in(60s));
    EXPECT_TRUE(access) << access.error().message();
    commands_->fill(target.view(), value);
    auto fences = access->end();
    EXPECT_TRUE(fences) << fences.error().message();
    return *fences;
  }

  std::optional<VgemFence> vgem_;
  std::optional<Device> gpu_;
  std::optional<VulkanCommands> commands_;
};

TEST_F(GuestVulkanFence, ASubmissionRunsOnlyAfterTheFenceItWaitsFor) {
  const auto memory = TestMemory::udmabuf(kSize);
  const OnDevice target(take(memory), *gpu_);
  const auto before = cpu_waits();
  const auto fences = fill(target, std::array{pending()}, 0x5a5a5a5a);
  EXPECT_EQ(cpu_waits(), before) << "it is the device that waits";
  ASSERT_EQ(fences.size(), 1U);
  const auto early = fences[0].wait(Deadline::in(1s));
  ASSERT_FALSE(early) << "it ran before the fence";
  EXPECT_EQ(early.error().code(), Errc::TimedOut);
  EXPECT_EQ(peek(memory), 0U);
  ASSERT_TRUE(vgem_->pending()) << "too slow a machine: the fence has expired";
  ASSERT_TRUE(vgem_->signal());
  EXPECT_TRUE(fences[0].wait(Deadline::in(60s)));
  EXPECT_EQ(peek(memory), 0x5a5a5a5aU);
}

// So that the test above is known to see: the same without the wait.
TEST_F(GuestVulkanFence, WithoutTheWaitItRunsBeforeTheFence) {
  const auto memory = TestMemory::udmabuf(kSize);
  const OnDevice target(take(memory), *gpu_);
  attach_fence();
  const auto fences = fill(target, {}, 0x5a5a5a5a);
  for (const auto& fence : fences) {
    EXPECT_TRUE(fence.wait(Deadline::in(8s)));
  }
  EXPECT_EQ(peek(memory), 0x5a5a5a5aU);
  EXPECT_TRUE(vgem_->pending());
}

// The second stage is submitted while the first still waits, and neither waits on the CPU.
TEST_F(GuestVulkanFence, StagesQueueUpBehindAPendingFence) {
  const auto first_memory = TestMemory::udmabuf(kSize);
  const auto second_memory = TestMemory::udmabuf(kSize);
  const OnDevice first(take(first_memory), *gpu_);
  const OnDevice second(take(second_memory), *gpu_);
  const auto before = cpu_waits();
  fill(first, std::array{pending()}, 0x11111111);
  auto read = first.mapping.begin_access(Usage::Read, Deadline::in(60s));
  ASSERT_TRUE(read) << read.error().message();
  auto write = second.mapping.begin_access(Usage::Write, Deadline::in(60s));
  ASSERT_TRUE(write) << write.error().message();
  commands_->copy(first.view(), second.view());
  ASSERT_TRUE(read->end());
  const auto fences = write->end();
  ASSERT_TRUE(fences) << fences.error().message();
  EXPECT_EQ(cpu_waits(), before);
  ASSERT_EQ(fences->size(), 1U);
  EXPECT_FALSE(fences->front().wait(Deadline::in(500ms)));
  EXPECT_EQ(peek(second_memory), 0U);
  ASSERT_TRUE(vgem_->signal());
  EXPECT_TRUE(fences->front().wait(Deadline::in(60s)));
  EXPECT_EQ(peek(second_memory), 0x11111111U);
}

TEST_F(GuestVulkanFence, TheCpusTurnTimesOutWhileTheDeviceWaits) {
  const auto memory = TestMemory::udmabuf(kSize);
  const OnDevice target(take(memory), *gpu_);
  const auto fences = fill(target, std::array{pending()}, 0x22222222);
  auto cpu = target.buffer.map_cpu();
  ASSERT_TRUE(cpu) << cpu.error().message();
  const auto refused = cpu->begin(Usage::Read, Deadline::in(300ms));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::TimedOut) << refused.error().message();
  ASSERT_TRUE(vgem_->signal());
  expect_filled(target.buffer, 0x22222222);
}

// A driver, or another process, put the fence into the dma-buf's own reservation.
TEST_F(GuestVulkanFence, AnImplicitFenceThatStaysPendingTimesTheBeginOut) {
  const auto memory = TestMemory::udmabuf(kSize);
  const OnDevice target(take(memory), *gpu_, ImplicitSync::Auto);
  attach_fence();
  const auto file = SyncFile::from_fd(*runtime_, vgem_->sync_file(), Producer::CacheCoherent);
  ASSERT_TRUE(file) << file.error().message();
  ASSERT_TRUE(target.buffer.reservation().import_into_kernel(*file, FenceUsage::Write));
  const auto refused = target.mapping.begin_access(Usage::Write, Deadline::in(300ms));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::TimedOut) << refused.error().message();
  ASSERT_TRUE(vgem_->signal());
  const auto fences = fill(target, {}, 0x33333333);
  expect_filled(target.buffer, 0x33333333);
}

// Made only when somebody asks; lavapipe gives it when the work is done, so the asking takes as long.
TEST_F(GuestVulkanFence, ADevicesFenceBecomesASyncFileThatTheDmaBufTakes) {
  const auto memory = TestMemory::udmabuf(kSize);
  const OnDevice target(take(memory), *gpu_);
  const auto fences = fill(target, std::array{pending()}, 0x44444444);
  ASSERT_EQ(fences.size(), 1U);
  std::thread signaller([this] {
    std::this_thread::sleep_for(500ms);
    EXPECT_TRUE(vgem_->signal());
  });
  auto file = fences[0].dup_sync_file();
  signaller.join();
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(peek(memory), 0x44444444U) << "its sync_file was there before the work was done";
  const auto ours = SyncFile::from_fd(*runtime_, BorrowedFd(file->get()));
  ASSERT_TRUE(ours) << ours.error().message();
  const auto taken = target.buffer.reservation().import_into_kernel(*ours, FenceUsage::Write);
  EXPECT_TRUE(taken) << taken.error().message();
  EXPECT_TRUE(*target.buffer.reservation().test(Usage::Read));
}

// The dma-buf's poll tells others of the access: by the fence that the end puts into it.
TEST_F(GuestVulkanFence, AnAutoAccessLeavesItsFenceInTheDmaBuf) {
  const auto memory = TestMemory::udmabuf(kSize);
  const OnDevice target(take(memory), *gpu_, ImplicitSync::Auto);
  const auto fence = pending();
  std::thread signaller([this] {
    std::this_thread::sleep_for(500ms);
    EXPECT_TRUE(vgem_->signal());
  });
  const auto fences = fill(target, std::array{fence}, 0x55555555);
  signaller.join();
  pollfd entry{memory.fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&entry, 1, 60'000), 1);
  EXPECT_EQ(peek(memory), 0x55555555U) << "poll said that the writer was done";
}

TEST_F(GuestVulkanFence, DescriptorsAreNotKept) {
  const auto memory = TestMemory::udmabuf(kSize);
  const OnDevice target(take(memory), *gpu_);
  const auto round = [&] {
    auto held = VgemFence::create();
    ASSERT_TRUE(held);
    auto fence = Fence::from_sync_file(*runtime_, held->sync_file(), Producer::CacheCoherent);
    ASSERT_TRUE(fence);
    const auto fences = fill(target, std::array{*fence}, 1);
    ASSERT_TRUE(held->signal());
    for (const auto& one : fences) {
      EXPECT_TRUE(one.wait(Deadline::in(60s)));
    }
    if (!fences.empty()) {
      EXPECT_TRUE(fences[0].dup_sync_file());
    }
  };
  for (int i = 0; i < 3; ++i) {
    round();
  }
  const auto before = open_descriptors().size();
  for (int i = 0; i < 20; ++i) {
    round();
  }
  EXPECT_EQ(open_descriptors().size(), before);
}

}  // namespace
}  // namespace causeway::test
