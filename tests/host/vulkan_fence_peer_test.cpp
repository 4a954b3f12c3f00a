// SPDX-License-Identifier: Apache-2.0
// Two devices of one driver that share their timelines as opaque descriptors. No driver here offers that, so
// the fake one does, and checks what it is given; lavapipe is there for the refusal.
#include <causeway/causeway.hpp>
#include <causeway/vulkan.hpp>

#include "host/vulkan_fence_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using namespace std::chrono_literals;  // NOLINT: durations in tests

constexpr std::uint32_t kSubmits = CW_VULKAN_ADOPT_SUBMITS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE;

Outcome import_fence(const OpenedDevice& into, const OpenedDevice& giver, const cw_fence& fence,
                     cw_fence& out) {
  out = plugin::sized<cw_fence>();
  out.fd = -1;
  return attempt([&](cw_error* error) {
    return vulkan_table().fence_import(into.raw(), giver.raw(), &fence, &out, error);
  });
}

class VulkanFencePeer : public VulkanFences {
protected:
  void SetUp() override {
    VulkanFences::SetUp();
    queue().opaque = true;
  }
  void TearDown() override {
    EXPECT_THAT(queue().mistakes, IsEmpty());
    on_other_.reset();
    other_.reset();
    VulkanFences::TearDown();
  }
  void open_both() {
    open(kSubmits);
    other_.emplace(host_, FakeDriver::words_with_fences(kSubmits));
    ASSERT_TRUE(other_->opened()) << other_->opened();
    on_other_.emplace(*other_, AttachWords(memory_.object()));
    ASSERT_TRUE(on_other_->outcome()) << on_other_->outcome();
    queue().batches.clear();
  }
  /// The first device's access, whose end nobody has asked for yet.
  cw_fence promised() {
    EXPECT_TRUE(begin());
    EXPECT_TRUE(end_unasked());
    return *signal_;
  }
  Outcome begin_on_other(const cw_fence& fence) {
    auto begin = plugin::sized<cw_access_begin>();
    begin.usage = CW_USAGE_READ;
    begin.waits = &fence;
    begin.wait_count = 1;
    begin.deadline_ns = soon_ns();
    return attempt([&](cw_error* error) {
      return vulkan_table().begin_access(other_->raw(), on_other_->view().attachment, &begin, error);
    });
  }

  std::optional<OpenedDevice> other_;
  std::optional<Attached> on_other_;
};

TEST_F(VulkanFencePeer, TheOtherDevicesQueueWaitsForTheVerySamePoint) {
  open_both();
  queue().holds = true;
  const auto theirs = promised();
  cw_fence ours;
  ASSERT_TRUE(import_fence(*other_, *device_, theirs, ours));
  EXPECT_EQ(ours.kind, std::uint32_t{CW_FENCE_DEVICE});
  EXPECT_EQ(ours.value, theirs.value);
  ASSERT_FALSE(queue().batches.empty());
  const auto signalled = queue().batches.back().signals.at(0);
  EXPECT_EQ(signalled.second, theirs.value)
      << "the end that was put off has to be submitted, or nobody ever is";

  ASSERT_TRUE(begin_on_other(ours));
  const auto& waits = queue().batches.back().waits;
  ASSERT_EQ(waits.size(), 1U);
  EXPECT_EQ(waits[0].second, theirs.value);
  EXPECT_NE(waits[0].first, signalled.first) << "a semaphore is of one device";
  EXPECT_LT(queue().value(waits[0].first), theirs.value);
  queue().run();
  EXPECT_GE(queue().value(waits[0].first), theirs.value) << "it is another semaphore, with the same payload";
  EXPECT_EQ(queue().exports, 0) << "of sync_files";
  EXPECT_EQ(host_.cpu_waits(), 0U);
  vulkan_table().fence_release(other_->raw(), &ours);
  release(theirs);
}

// The kernel must not wait for a program by way of two devices, either.
TEST_F(VulkanFencePeer, WhatWaitsBehindAnEventElsewhereBecomesNoSyncFile) {
  open_both();
  const auto event = host_.make_event();
  ASSERT_TRUE(begin({event}));
  ASSERT_TRUE(end_unasked());
  const auto theirs = *signal_;
  cw_fence ours;
  ASSERT_TRUE(import_fence(*other_, *device_, theirs, ours));
  ASSERT_TRUE(begin_on_other(ours));
  cw_fence out;
  const auto on_other = [&] {
    return attempt(
        [&](cw_error* error) { return vulkan_table().fence_export(other_->raw(), &ours, &out, error); });
  };
  const auto refused = on_other();
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("waits for an event that a program signals"));
  host_.signal(event);
  ASSERT_TRUE(on_other());
  ::close(out.fd);
  vulkan_table().fence_release(other_->raw(), &ours);
  release(theirs);
}

TEST_F(VulkanFencePeer, ATimelineIsImportedOnce) {
  open_both();
  const auto before = open_descriptors();
  for (int i = 0; i < 50; ++i) {
    const auto theirs = promised();
    cw_fence ours;
    ASSERT_TRUE(import_fence(*other_, *device_, theirs, ours));
    vulkan_table().fence_release(other_->raw(), &ours);
    release(theirs);
  }
  EXPECT_EQ(queue().opaque_imports, 1);
  EXPECT_EQ(queue().opaque_exports, 1);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(VulkanFencePeer, AnotherDriverOrDeviceIsRefused) {
  open(kSubmits);
  FakeDriver::instance().device_uuid = 2;
  other_.emplace(host_, FakeDriver::words_with_fences(kSubmits));
  ASSERT_TRUE(other_->opened()) << other_->opened();
  const auto theirs = promised();
  cw_fence ours;
  const auto refused = import_fence(*other_, *device_, theirs, ours);
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, AllOf(HasSubstr("deviceUUID and driverUUID"), HasSubstr("OPAQUE_FD")));
  EXPECT_EQ(queue().opaque_exports, 0);
  release(theirs);
}

TEST_F(VulkanFencePeer, ADriverThatDoesNotOfferItIsNotAskedForIt) {
  queue().opaque = false;
  open_both();
  const auto theirs = promised();
  cw_fence ours;
  const auto refused = import_fence(*other_, *device_, theirs, ours);
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("does not share timeline semaphores"));
  EXPECT_EQ(queue().opaque_exports, 0);
  release(theirs);
}

TEST_F(VulkanFencePeer, ARefusedDescriptorIsNeitherLostNorClosedTwiceNorTriedAgain) {
  for (const bool closes : {false, true}) {
    SCOPED_TRACE(closes ? "the driver closes it" : "the driver leaves it");
    on_other_.reset();
    other_.reset();
    attachment_ = nullptr;
    attached_.reset();
    device_.reset();
    VulkanFences::SetUp();
    queue().opaque = true;
    queue().closes = [closes](VkResult) { return closes; };
    FakeDriver::instance().vendor = closes ? FakeDriver::instance().vendor : 0x1002;
    open_both();
    const auto before = open_descriptors();
    queue().opaque_import_fails = VK_ERROR_INVALID_EXTERNAL_HANDLE;
    const auto theirs = promised();
    cw_fence ours;
    EXPECT_EQ(import_fence(*other_, *device_, theirs, ours).status, CW_UNSUPPORTED);
    EXPECT_EQ(import_fence(*other_, *device_, theirs, ours).status, CW_UNSUPPORTED);
    EXPECT_EQ(queue().opaque_exports, 1);
    EXPECT_EQ(open_descriptors(), before);
    release(theirs);
  }
}

TEST_F(VulkanFencePeer, TheLossOfTheOneIsNotTheLossOfTheOther) {
  open_both();
  const auto theirs = promised();
  queue().submit_fails = VK_ERROR_DEVICE_LOST;  // of the end that was put off
  cw_fence ours;
  EXPECT_EQ(import_fence(*other_, *device_, theirs, ours).status, CW_DEVICE_LOST);
  EXPECT_EQ(begin().status, CW_DEVICE_LOST);
  const auto still_works = other_->attach_once(AttachWords(memory_.object()));
  EXPECT_TRUE(still_works) << still_works;
  release(theirs);
}

/// Over the whole library: what the runtime does with a fence of one device that another waits for.
class VulkanFencePeerRuntime : public ::testing::TestWithParam<bool> {};

TEST_P(VulkanFencePeerRuntime, NobodyMakesASyncFileWhereTheTimelineIsShared) {
  FakeQueue::reset();
  auto& queue = FakeQueue::instance();
  queue.opaque = GetParam();
  {
    auto runtime = Runtime::create().value();
    const auto words = FakeDriver::words_with_fences(kSubmits);
    const OpenOptions adopted{.id = {}, .adopt_interface = CW_VULKAN_ADOPT_V1, .adopt = &words};
    const auto writer = runtime.open_device("vulkan", adopted).value();
    const auto reader = runtime.open_device("vulkan", adopted).value();
    auto buffer = runtime.allocate(4096, "memfd").value();
    auto write_attachment = buffer.attach(writer, Usage::ReadWrite).value();
    auto read_attachment = buffer.attach(reader, Usage::ReadWrite).value();
    // The fake moves no bytes, so nothing can be proved.
    auto for_writer = write_attachment.map(Direction::Bidirectional, true).value();
    auto for_reader = read_attachment.map(Direction::Bidirectional, true).value();
    queue.holds = true;
    const auto waits = runtime.counters().cpu_waits;
    const int exports = queue.exports;
    auto written = for_writer.begin_access(Usage::Write, Deadline::in(5s)).value().end().value();
    ASSERT_EQ(written.size(), 1U);
    auto read = for_reader.begin_access(Usage::Read, Deadline::in(5s));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(queue.exports - exports, GetParam() ? 0 : 1);
    EXPECT_EQ(queue.opaque_imports, GetParam() ? 1 : 0);
    EXPECT_EQ(runtime.counters().cpu_waits, waits);
    EXPECT_EQ(queue.batches.back().waits.size(), 1U);
    queue.holds = false;
    queue.run();
    EXPECT_TRUE(read->end());
  }
  EXPECT_THAT(queue.mistakes, IsEmpty());
  EXPECT_EQ(queue.semaphores, 0);
}

INSTANTIATE_TEST_SUITE_P(Drivers, VulkanFencePeerRuntime, ::testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "ThatShareThem" : "ThatDoNot");
});

// lavapipe keeps its semaphores to itself, and is asked by query.
TEST(VulkanFencePeerLavapipe, SharesNothing) {
  const VulkanHost host;
  {
    const OpenedDevice one(host, "llvmpipe");
    const OpenedDevice two(host, "llvmpipe");
    ASSERT_TRUE(one.opened() && two.opened());
    const auto memory = TestMemory::memfd(4096);
    const Attached attached(one, AttachWords(memory.object()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    auto begin = plugin::sized<cw_access_begin>();
    begin.usage = CW_USAGE_WRITE;
    begin.deadline_ns = soon_ns();
    auto* const attachment = attached.view().attachment;
    ASSERT_EQ(vulkan_table().begin_access(one.raw(), attachment, &begin, nullptr), CW_OK);
    std::array<cw_fence, CW_MAX_SIGNALS> room{};
    auto end = plugin::sized<cw_access_end>();
    end.signal_capacity = CW_MAX_SIGNALS;
    end.signals = room.data();
    ASSERT_EQ(vulkan_table().end_access(one.raw(), attachment, &end, nullptr), CW_OK);
    ASSERT_EQ(end.signal_count, 1U);
    cw_fence ours;
    const auto refused = import_fence(two, one, room[0], ours);
    EXPECT_EQ(refused.status, CW_UNSUPPORTED);
    EXPECT_THAT(refused.text, HasSubstr("does not share timeline semaphores as OPAQUE_FD"));
    vulkan_table().fence_release(one.raw(), &room[0]);
  }
  EXPECT_THAT(host.complaints(), IsEmpty());
}

}  // namespace
}  // namespace causeway::test
