// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fences of a real driver over the whole library: a runtime that is watched by the validation layer, and
// buffers that are mapped on a device.

#include <gmock/gmock.h>

#include <causeway/causeway.hpp>
#include <causeway/vulkan.hpp>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "host/vulkan_caller.hpp"
#include "host/vulkan_commands.hpp"

namespace causeway::test {

using namespace std::chrono_literals;  // NOLINT: durations in tests

/// A buffer that is mapped on a device, and the device's view of it.
struct OnDevice {
  OnDevice(const DmaBuf& memory, const Device& device, ImplicitSync sync = ImplicitSync::Off)
      : buffer(memory) {
    auto attached = buffer.attach(device, Usage::ReadWrite, sync);
    EXPECT_TRUE(attached) << attached.error().message();
    attachment.emplace(std::move(*attached));
    auto mapped = attachment->map(Direction::Bidirectional);
    EXPECT_TRUE(mapped) << mapped.error().message();
    mapping = std::move(*mapped);
  }
  [[nodiscard]] const vulkan::View& view() const { return **vulkan::view(mapping); }

  DmaBuf buffer;
  std::optional<Attachment> attachment;
  Mapping mapping;
};

/// A device of the caller's own that takes turns, adopted. Given back at the end, when it must still work,
/// and the layers have nothing to say of it.
class CallersGpu {
public:
  explicit CallersGpu(Runtime& runtime) {
    const CallerDevice bare({});
    EXPECT_TRUE(bare.made()) << bare.why();
    const auto wanted = vulkan::wanted_extensions(bare.words().get_instance_proc_addr, bare.words().instance,
                                                  bare.words().physical_device)
                            .value();
    caller_.emplace(wanted, true);
    EXPECT_TRUE(caller_->made()) << caller_->why();
    vulkan::AdoptInfo info;
    info.get_instance_proc_addr = caller_->words().get_instance_proc_addr;
    info.api_version = caller_->words().api_version;
    info.instance = caller_->words().instance;
    info.physical_device = caller_->words().physical_device;
    info.device = caller_->words().device;
    info.queue = caller_->words().queue;
    info.queue_family = caller_->words().queue_family;
    info.enabled_extensions = wanted;
    info.timeline_semaphore = true;
    info.takes_turns = true;
    auto adopted = vulkan::adopt(runtime, info);
    EXPECT_TRUE(adopted) << adopted.error().message();
    if (adopted) {
      device_.emplace(std::move(*adopted));
    }
  }
  CallersGpu(const CallersGpu&) = delete;
  CallersGpu& operator=(const CallersGpu&) = delete;
  ~CallersGpu() {
    device_.reset();
    EXPECT_TRUE(caller_->works());
    EXPECT_THAT(caller_->complaints(), ::testing::IsEmpty());
  }
  [[nodiscard]] bool made() const { return device_.has_value(); }
  [[nodiscard]] const Device& device() const { return *device_; }

private:
  std::optional<CallerDevice> caller_;
  std::optional<Device> device_;
};

/// What a caller does with the turn that has begun: its waits, transfers and signal around the caller's work.
inline void submit_turn(VulkanCommands& commands, const OnDevice& target,
                        const std::function<void(VkCommandBuffer)>& work) {
  const auto turn = vulkan::turn(target.mapping);
  ASSERT_TRUE(turn) << turn.error().message();
  std::vector<VkSemaphore> waits;
  std::vector<std::uint64_t> values;
  std::vector<VkPipelineStageFlags> stages;
  for (const auto& wait : std::span(turn->waits, turn->wait_count)) {
    waits.push_back(wait.semaphore);
    values.push_back(wait.value);
    stages.push_back(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
  }
  const VkTimelineSemaphoreSubmitInfo points{VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                             nullptr,
                                             static_cast<std::uint32_t>(values.size()),
                                             values.data(),
                                             1,
                                             &turn->signal.value};
  VkSubmitInfo submit{VK_STRUCTURE_TYPE_SUBMIT_INFO, &points};
  submit.waitSemaphoreCount = static_cast<std::uint32_t>(waits.size());
  submit.pWaitSemaphores = waits.data();
  submit.pWaitDstStageMask = stages.data();
  submit.signalSemaphoreCount = 1;
  submit.pSignalSemaphores = &turn->signal.semaphore;
  commands.submit(
      [&](VkCommandBuffer recording) {
        EXPECT_TRUE(vulkan::record_acquire(target.mapping, recording));
        work(recording);
        EXPECT_TRUE(vulkan::record_release(target.mapping, recording));
      },
      &submit);
}

class VulkanFenceRuntime : public ::testing::Test {
protected:
  void SetUp() override {
    auto made = Runtime::create(watched_options());
    ASSERT_TRUE(made) << made.error().message();
    runtime_.emplace(std::move(*made));
  }
  void TearDown() override { runtime_.reset(); }

  Device open_gpu() {
    auto device = vulkan::open(*runtime_, "llvmpipe");
    EXPECT_TRUE(device) << device.error().message();
    return *device;
  }
  [[nodiscard]] std::uint64_t cpu_waits() const { return runtime_->counters().cpu_waits; }

  /// What the CPU finds in the first and the last word, in a turn of its own.
  static void expect_filled(const DmaBuf& buffer, std::uint32_t value) {
    auto cpu = buffer.map_cpu();
    ASSERT_TRUE(cpu) << cpu.error().message();
    auto turn = cpu->begin(Usage::Read, Deadline::in(60s));
    ASSERT_TRUE(turn) << turn.error().message();
    const auto bytes = turn->bytes();
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::memcpy(&first, bytes.data(), sizeof(first));
    std::memcpy(&last, &bytes[bytes.size() - sizeof(last)], sizeof(last));
    EXPECT_EQ(first, value);
    EXPECT_EQ(last, value);
    EXPECT_TRUE(turn->end());
  }

  std::optional<Runtime> runtime_;
};

}  // namespace causeway::test
