// SPDX-License-Identifier: Apache-2.0
#pragma once

// Accesses at the backend's own table, on the fake driver: what is submitted for them, and what fails.

#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "host/vulkan_fake_driver.hpp"
#include "host/vulkan_fake_queue.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {

/// The fake driver's device, adopted with flags, and one attachment on it.
class VulkanFences : public ::testing::Test {
protected:
  void SetUp() override { FakeQueue::reset(); }
  void TearDown() override {
    attachment_ = nullptr;
    attached_.reset();
    device_.reset();
    EXPECT_EQ(queue().semaphores, 0) << "left behind";
    EXPECT_EQ(queue().command_buffers, 0) << "left behind";
    EXPECT_THAT(queue().mistakes, ::testing::IsEmpty());
  }

  static FakeQueue& queue() { return FakeQueue::instance(); }

  void open(std::uint32_t flags) {
    device_.emplace(host_, FakeDriver::words_with_fences(flags));
    ASSERT_TRUE(device_->opened()) << device_->opened();
    attached_.emplace(*device_, AttachWords(memory_.object()));
    ASSERT_TRUE(attached_->outcome()) << attached_->outcome();
    attachment_ = attached_->view().attachment;
    queue().batches.clear();
  }

  Outcome begin(std::vector<cw_fence> waits = {}) {
    auto begin = plugin::sized<cw_access_begin>();
    begin.usage = CW_USAGE_READ | CW_USAGE_WRITE;
    begin.waits = waits.data();
    begin.wait_count = static_cast<std::uint32_t>(waits.size());
    begin.deadline_ns = soon_ns();
    begin.access = access_;
    return attempt([&](cw_error* error) {
      return vulkan_table().begin_access(device_->raw(), attachment_, &begin, error);
    });
  }
  /// signal_: the one that it gave, if it gave one. Nothing asks for it yet.
  Outcome end_unasked(std::vector<cw_fence> given = {}) {
    std::array<cw_fence, CW_MAX_SIGNALS> room{};
    auto end = plugin::sized<cw_access_end>();
    end.signal_capacity = CW_MAX_SIGNALS;
    end.signals = room.data();
    end.given = given.data();
    end.given_count = static_cast<std::uint32_t>(given.size());
    end.access = access_;
    auto outcome = attempt(
        [&](cw_error* error) { return vulkan_table().end_access(device_->raw(), attachment_, &end, error); });
    signal_.reset();
    if (end.signal_count == 1) {
      signal_ = room[0];
    }
    return outcome;
  }
  /// Asks for the fence, so that its submission is out, and answers if that failed.
  Outcome end() {
    auto outcome = end_unasked();
    if (outcome && signal_ && signal_->kind == CW_FENCE_DEVICE) {
      if (auto asked = wait(*signal_); !asked && asked.status != CW_TIMED_OUT) {
        return asked;
      }
    }
    return outcome;
  }
  Outcome wait(const cw_fence& fence) {
    return attempt(
        [&](cw_error* error) { return vulkan_table().fence_wait(device_->raw(), &fence, 0, error); });
  }
  Outcome export_fence(const cw_fence& fence, cw_fence& out) {
    out = plugin::sized<cw_fence>();
    out.fd = -1;
    return attempt(
        [&](cw_error* error) { return vulkan_table().fence_export(device_->raw(), &fence, &out, error); });
  }
  void release(const cw_fence& fence) { vulkan_table().fence_release(device_->raw(), &fence); }
  Outcome turn(cw_vulkan_turn_v1& out) {
    out = plugin::sized<cw_vulkan_turn_v1>();
    return attempt([&](cw_error* error) {
      return attached_->view().sync->take_turn(device_->raw(), attachment_, &out, error);
    });
  }
  Outcome drop_turn() {
    return attempt([&](cw_error* error) {
      return attached_->view().sync->drop_turn(device_->raw(), attachment_, error);
    });
  }
  /// Something that passes for a sync_file here.
  cw_fence sync_file() {
    auto fence = plugin::sized<cw_fence>();
    fence.kind = CW_FENCE_SYNC_FILE;
    fence.fd = file_.fd();
    return fence;
  }

  VulkanHost host_;
  TestMemory memory_ = TestMemory::memfd(4096);
  TestMemory file_ = TestMemory::memfd(4096);
  std::optional<OpenedDevice> device_;
  std::optional<Attached> attached_;
  cw_attachment* attachment_ = nullptr;
  std::optional<cw_fence> signal_;
  std::uint64_t access_ = 0;  // what begin and end say; 0: nothing
};

}  // namespace causeway::test
