// SPDX-License-Identifier: Apache-2.0
// Events of programs before a real driver's work: submitted first, signalled later, and the work sees what
// was written in between.
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <thread>

#include "host/vulkan_fence_runtime.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

constexpr std::uint64_t kSize = std::uint64_t{1} << 20U;
constexpr std::uint32_t kOld = 0x0101'0101;
constexpr std::uint32_t kNew = 0x0202'0202;

/// A buffer that a program writes into without the library, as the software of some device would. Its fence
/// says when the bytes are there.
class Written {
public:
  explicit Written(const DmaBuf& buffer)
      : mapped_(*buffer.map_cpu()), bytes_(mapped_.begin(Usage::ReadWrite, Deadline::in(60s))->bytes()) {}
  void fill(std::uint32_t value) const {
    for (std::size_t at = 0; at < bytes_.size(); at += sizeof(value)) {
      std::memcpy(&bytes_[at], &value, sizeof(value));
    }
  }

private:
  CpuMapping mapped_;
  std::span<std::byte> bytes_;
};

class VulkanFenceEventLavapipe : public VulkanFenceRuntime {
protected:
  DmaBuf allocate() {
    auto buffer = runtime_->allocate(kSize);
    EXPECT_TRUE(buffer) << buffer.error().message();
    return *buffer;
  }
  HostEvent event() { return HostEvent::create(*runtime_, Producer::CacheCoherent).value(); }

  /// Says in the reservation that a program writes until the event.
  static void expect_writer(const DmaBuf& buffer, const HostEvent& event) {
    auto room = buffer.reservation().reserve(1);
    ASSERT_TRUE(room) << room.error().message();
    ASSERT_TRUE(room->add(event.fence(), FenceUsage::Write));
  }

  /// Submits a copy that waits for what is given and for what is in the reservations.
  static void copy(const OnDevice& from, const OnDevice& to, VulkanCommands& commands,
                   std::span<const Fence> waits = {}) {
    auto read = from.mapping.begin_access(Usage::Read, waits, Deadline::in(10s));
    ASSERT_TRUE(read) << read.error().message();
    auto write = to.mapping.begin_access(Usage::Write, Deadline::in(10s));
    ASSERT_TRUE(write) << write.error().message();
    commands.copy(from.view(), to.view());
    ASSERT_TRUE(read->end());
    ASSERT_TRUE(write->end());
  }
};

// All of it on one thread: if the submission, or its begin, waited, nobody would ever signal. The same copy
// without the wait comes too early, so it is the wait that makes the difference.
TEST_F(VulkanFenceEventLavapipe, WorkThatIsSubmittedFirstSeesWhatIsWrittenLater) {
  const auto gpu = open_gpu();
  EXPECT_TRUE(gpu.has(Capability::WaitsHostEvent));
  VulkanCommands commands(*vulkan::handles(gpu));
  for (const bool waits : {true, false}) {
    const OnDevice source(allocate(), gpu);
    const OnDevice target(allocate(), gpu);
    const Written program(source.buffer);
    program.fill(kOld);
    auto whole = event();
    const std::array given{whole.fence()};
    const auto before = cpu_waits();
    copy(source, target, commands, waits ? std::span<const Fence>(given) : std::span<const Fence>());
    EXPECT_EQ(cpu_waits(), before);
    if (waits) {
      std::this_thread::sleep_for(20ms);
      EXPECT_FALSE(target.buffer.reservation().test(Usage::Read).value());
    } else {
      expect_filled(target.buffer, kOld);
    }
    program.fill(kNew);
    ASSERT_TRUE(whole.signal());
    expect_filled(target.buffer, waits ? kNew : kOld);
  }
}

TEST_F(VulkanFenceEventLavapipe, AFenceInTheReservationIsWaitedForLikewise) {
  const auto gpu = open_gpu();
  VulkanCommands commands(*vulkan::handles(gpu));
  const OnDevice source(allocate(), gpu);
  const OnDevice target(allocate(), gpu);
  const Written program(source.buffer);
  program.fill(kOld);
  auto whole = event();
  expect_writer(source.buffer, whole);
  const auto before = cpu_waits();
  copy(source, target, commands);
  std::this_thread::sleep_for(20ms);
  program.fill(kNew);
  ASSERT_TRUE(whole.signal());
  EXPECT_EQ(cpu_waits(), before);
  expect_filled(target.buffer, kNew);
}

// On the caller's queue the event is one of the turn's waits: the caller's own submission waits for it.
TEST_F(VulkanFenceEventLavapipe, ACallersSubmissionWaitsForItToo) {
  const CallersGpu gpu(*runtime_);
  ASSERT_TRUE(gpu.made());
  EXPECT_TRUE(gpu.device().has(Capability::WaitsHostEvent));
  const OnDevice source(allocate(), gpu.device());
  const OnDevice target(allocate(), gpu.device());
  VulkanCommands commands(*vulkan::handles(gpu.device()));
  const Written program(source.buffer);
  program.fill(kOld);
  auto whole = event();
  const std::array given{whole.fence()};
  const auto before = cpu_waits();
  auto access = target.mapping.begin_access(Usage::Write, given, Deadline::in(10s));
  ASSERT_TRUE(access) << access.error().message();
  submit_turn(commands, target, [&](VkCommandBuffer recording) {
    commands.record_copy(recording, source.view(), target.view());
  });
  ASSERT_TRUE(access->end());
  std::this_thread::sleep_for(20ms);
  program.fill(kNew);
  EXPECT_EQ(cpu_waits(), before);
  ASSERT_TRUE(whole.signal());
  expect_filled(target.buffer, kNew);
}

TEST_F(VulkanFenceEventLavapipe, AWriterThatFailedOrWentAwayIsToldToWhoReadsNext) {
  const auto gpu = open_gpu();
  VulkanCommands commands(*vulkan::handles(gpu));
  for (const bool dropped : {false, true}) {
    const OnDevice source(allocate(), gpu);
    const OnDevice target(allocate(), gpu);
    {
      auto whole = event();
      expect_writer(source.buffer, whole);
      copy(source, target, commands);
      if (!dropped) {
        ASSERT_TRUE(whole.signal(EIO));
      }
    }
    // The queue goes on: it does not hang for want of a producer.
    auto free = target.buffer.map_cpu()->begin(Usage::Write, Deadline::in(10s));
    ASSERT_TRUE(free) << free.error().message();
    ASSERT_TRUE(free->end());
    const auto again = source.mapping.begin_access(Usage::Read, Deadline::in(10s));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), Errc::Io) << again.error().message();
    EXPECT_EQ(again.error().system_errno(), dropped ? ECANCELED : EIO);
  }
}

TEST_F(VulkanFenceEventLavapipe, AMappingThatIsDroppedIsKeptUntilTheEvent) {
  const auto gpu = open_gpu();
  VulkanCommands commands(*vulkan::handles(gpu));
  const auto source = allocate();
  const OnDevice target(allocate(), gpu);
  const Written program(source);
  program.fill(kOld);
  auto whole = event();
  const std::array given{whole.fence()};
  { copy(OnDevice(source, gpu), target, commands, given); }
  static_cast<void>(runtime_->dispatch());  // which reaps what is done, and nothing else
  program.fill(kNew);
  ASSERT_TRUE(whole.signal());
  expect_filled(target.buffer, kNew);  // and the layers saw nothing freed beneath the copy
}

// A host that gives up: detached and closed beneath an event that nobody has signalled.
TEST(VulkanFenceEventTable, ClosingADeviceThatStillWaitsHangsNothing) {
  VulkanHost host;
  const auto memory = TestMemory::memfd(4096);
  const auto never = host.make_event();
  {
    const OpenedDevice device(host, "llvmpipe");
    ASSERT_TRUE(device.opened()) << device.opened();
    const Attached attached(device, AttachWords(memory.object()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    auto begin = plugin::sized<cw_access_begin>();
    begin.usage = CW_USAGE_READ | CW_USAGE_WRITE;
    begin.waits = &never;
    begin.wait_count = 1;
    ASSERT_TRUE(attempt([&](cw_error* error) {
      return vulkan_table().begin_access(device.raw(), attached.view().attachment, &begin, error);
    }));
  }
  EXPECT_THAT(host.messages(), ::testing::Contains(::testing::HasSubstr("the waits are given up")));
  EXPECT_THAT(host.complaints(), ::testing::IsEmpty());
  host.signal(never);
}

// A program's thread fills buffer after buffer while the device is told of all of them. Without the layers,
// which would take 10 s now and then: see UNASSIGNED-VkSemaphore-state-timeout in vulkan_validation.cpp.
class VulkanFenceEventThreads : public VulkanFenceEventLavapipe {
protected:
  void SetUp() override {
    wanted_ = validation_wanted();
    ::setenv("CAUSEWAY_VULKAN_VALIDATION", "0", 1);
    VulkanFenceEventLavapipe::SetUp();
  }
  void TearDown() override {
    VulkanFenceEventLavapipe::TearDown();
    ::setenv("CAUSEWAY_VULKAN_VALIDATION", wanted_ ? "1" : "0", 1);
  }

private:
  bool wanted_ = false;
};

TEST_F(VulkanFenceEventThreads, AThreadThatSignalsFeedsTheQueue) {
  constexpr std::uint32_t kRounds = 50;
  const auto gpu = open_gpu();
  VulkanCommands commands(*vulkan::handles(gpu));
  const OnDevice target(allocate(), gpu);
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    std::vector<std::unique_ptr<OnDevice>> sources;
    std::vector<HostEvent> events;
    std::vector<Written> programs;
    for (int i = 0; i < 4; ++i) {
      sources.push_back(std::make_unique<OnDevice>(allocate(), gpu));
      events.push_back(event());
      programs.emplace_back(sources.back()->buffer);
    }
    const auto before = cpu_waits();
    std::thread program([&] {
      for (std::size_t i = sources.size(); i-- > 0;) {  // the last first
        programs[i].fill(round * 10 + static_cast<std::uint32_t>(i));
        EXPECT_TRUE(events[i].signal());
      }
    });
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const std::array given{events[i].fence()};
      copy(*sources[i], target, commands, given);
    }
    EXPECT_EQ(cpu_waits(), before);
    expect_filled(target.buffer, round * 10 + 3);
    program.join();
  }
}

}  // namespace
}  // namespace causeway::test
