// SPDX-License-Identifier: Apache-2.0
//
// Turns of devices whose end goes wrong, or whose fences cannot be asked: what may still be at work is not
// taken for done.
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "unit/core_queue_harness.hpp"

namespace causeway::test {
namespace {

using CoreTurnFailures = QueueTest;

TEST_F(CoreTurnFailures, AFailedEndKeepsTheTurnUntilTheDeviceIsIdle) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  auto access = must(view.mapping.begin_access(Usage::Write, soon()));
  view.queue().submit([this] { done.emplace_back("write"); });
  view.queue().fail_next_end();
  EXPECT_TRUE(fails_with(access.end(), Errc::Busy, {"told to fail"}));
  const auto cpu = must(memory.map_cpu());
  EXPECT_TRUE(fails_with(cpu.begin(Usage::Write, Deadline::now()), Errc::DeviceLost, {"idle"}));
  EXPECT_EQ(view.queue().run(), 1U);
  EXPECT_TRUE(must(cpu.begin(Usage::Write, Deadline::now())).end());
  EXPECT_TRUE(must(cpu.begin(Usage::Read, Deadline::now())).end());
}

TEST_F(CoreTurnFailures, AFailedEndOfAnIdleDeviceIsOver) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  auto access = must(view.mapping.begin_access(Usage::Read, soon()));
  view.queue().fail_next_end();
  EXPECT_TRUE(fails_with(access.end(), Errc::Busy));
  EXPECT_TRUE(must(must(memory.map_cpu()).begin(Usage::Write, Deadline::now())).end());
}

// The fence says when the work is over, and nothing of what the backend had to do after it.
TEST_F(CoreTurnFailures, AFailedEndIsNotMadeGoodByTheFenceThatItWasGiven) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  auto submission = must(HostEvent::create(runtime()));
  auto access = must(view.mapping.begin_access(Usage::Write, soon()));
  view.queue().fail_next_end();
  const std::array given{submission.fence()};
  EXPECT_TRUE(fails_with(access.end(given), Errc::Busy));
  const auto cpu = must(memory.map_cpu());
  EXPECT_TRUE(fails_with(cpu.begin(Usage::Write, Deadline::now()), Errc::TimedOut)) << "the event is pending";
  EXPECT_TRUE(submission.signal(0));
  EXPECT_TRUE(fails_with(cpu.begin(Usage::Read, Deadline::now()), Errc::Io));
  EXPECT_TRUE(must(cpu.begin(Usage::Write, Deadline::now())).end());
  EXPECT_TRUE(must(cpu.begin(Usage::Read, Deadline::now())).end());
}

TEST_F(CoreTurnFailures, TheGoodFencesOfAnEndThatHadABadOneAreKept) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=none");
  auto event = must(HostEvent::create(runtime()));
  auto access = must(view.mapping.begin_access(Usage::Write, soon()));
  const std::array given{event.fence(), Fence()};
  EXPECT_TRUE(fails_with(access.end(given), Errc::InvalidArgument));
  const auto cpu = must(memory.map_cpu());
  EXPECT_TRUE(fails_with(cpu.begin(Usage::Read, Deadline::now()), Errc::TimedOut)) << "the event is pending";
  EXPECT_TRUE(event.signal(0));
  EXPECT_TRUE(must(cpu.begin(Usage::Read, Deadline::now())).end());
}

TEST_F(CoreTurnFailures, WhatABackendDoesNotTakeInIsKeptBesideItsOwnFences) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  auto submission = must(HostEvent::create(runtime()));
  auto access = must(view.mapping.begin_access(Usage::Write, soon()));
  view.queue().submit([] {});
  const std::array given{submission.fence()};
  EXPECT_EQ(must(access.end(given)).size(), 2U);
  EXPECT_EQ(view.queue().run(), 1U);
  EXPECT_FALSE(must(memory.reservation().test(Usage::Read))) << "the caller's own submission is not done";
  EXPECT_TRUE(submission.signal(0));
  EXPECT_TRUE(must(memory.reservation().test(Usage::Read)));
}

TEST_F(CoreTurnFailures, AFenceThatCannotBeAskedIsNotDone) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  const auto fence = work(view, Usage::Write, "write").front();
  view.queue().refuse_next_question();
  EXPECT_EQ(fence.status(), FenceStatus::Pending);
  EXPECT_EQ(view.queue().run(), 1U);
  EXPECT_EQ(fence.status(), FenceStatus::Signalled);
}

// What running out of memory meant of a fence until then: its work has failed, for good.
TEST_F(CoreTurnFailures, AFenceOfABackendBefore13HasFailedThen) {
  const auto memory = buffer();
  const auto device = open("fences=device", "testqueue12");
  const auto view = on(device, memory);
  const auto fence = work(view, Usage::Write, "write").front();
  view.queue().refuse_next_question();
  EXPECT_EQ(fence.status(), FenceStatus::Failed);
  EXPECT_EQ(view.queue().run(), 1U);
}

TEST_F(CoreTurnFailures, TheAliasProofWaitsForWhatIsAtWork) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device,thread");
  work(view, Usage::Write, "earlier");
  {
    auto access = must(view.mapping.begin_access(Usage::Write, soon()));
    view.queue().submit([this] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      done.emplace_back("write");
    });
    must(access.end());
  }
  auto attachment = must(memory.attach(open("dma"), Usage::ReadWrite));
  EXPECT_EQ(must(attachment.map(Direction::Bidirectional)).verdict(), AliasVerdict::Aliased);
  EXPECT_EQ(done.size(), 2U) << "the numbers were planted under a device at work";
}

TEST_F(CoreTurnFailures, AMappingWhoseFenceCannotBeAskedIsKept) {
  const auto memory = buffer();
  const auto device = open("fences=device", "testqueue");
  {
    auto view = on(device, memory);
    work(view, Usage::Write, "write");
    QueueDevice::of(device).refuse_next_question();
  }
  EXPECT_EQ(memory.attachments().size(), 1U);
  EXPECT_TRUE(memory.attachments().front().mapped);
  EXPECT_EQ(QueueDevice::of(device).run(), 1U);
  runtime().dispatch();
  EXPECT_TRUE(memory.attachments().empty());
}

// The ranges hold what was written to their buffers, and a device must not take the memory for fresh.
TEST_F(CoreTurnFailures, AUdmabufOverWrittenBuffersHasContent) {
  const auto whole = buffer(4 * kPage, "udmabuf");
  const auto fresh = on_queue(whole, "fences=none");
  EXPECT_TRUE(must(fresh.mapping.begin_access(Usage::Write, soon())).end());
  EXPECT_NE(fresh.queue().last_flags() & CW_ACCESS_NO_CONTENT, 0U);
  const std::array ranges{DmaBufRange{whole, kPage, 2 * kPage}};
  const auto part = must(runtime().create_udmabuf(ranges));
  const auto view = on_queue(part, "fences=none");
  EXPECT_TRUE(must(view.mapping.begin_access(Usage::Write, soon())).end());
  EXPECT_EQ(view.queue().last_flags() & CW_ACCESS_NO_CONTENT, 0U);
}

}  // namespace
}  // namespace causeway::test
