// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fences of a real driver over the whole library: a runtime that is watched by the validation layer, and
// buffers that are mapped on a device.

#include <gmock/gmock.h>

#include <causeway/causeway.hpp>
#include <causeway/vulkan.hpp>
#include <cstring>
#include <optional>
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
