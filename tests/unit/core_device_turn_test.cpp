// SPDX-License-Identifier: Apache-2.0
//
// Turns of devices that work later: who waits for whom, and by what means.
#include <array>
#include <cerrno>
#include <memory>
#include <thread>

#include "unit/core_queue_harness.hpp"

namespace causeway::test {
namespace {

using CoreDeviceTurn = QueueTest;

TEST_F(CoreDeviceTurn, WorkOutlastsItsTurnAndItsFenceStays) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  const auto left = work(view, Usage::Write, "write");
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left.front().kind(), FenceKind::Device);
  EXPECT_EQ(left.front().status(), FenceStatus::Pending);
  EXPECT_FALSE(must(memory.reservation().test(Usage::Read)));
  EXPECT_EQ(memory.reservation().fences().front().usage, FenceUsage::Write);
  EXPECT_EQ(view.queue().run(), 1U);
  EXPECT_EQ(left.front().status(), FenceStatus::Signalled);
  EXPECT_TRUE(must(memory.reservation().test(Usage::Write)));
}

TEST_F(CoreDeviceTurn, OneDeviceWaitsForItselfWithoutTheCpu) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  const auto before = waits();
  work(view, Usage::Write, "write");
  work(view, Usage::Read, "read");
  work(view, Usage::Write, "write again");
  EXPECT_EQ(waits(), before);
  EXPECT_GE(view.queue().waits_taken(), 2U);
  EXPECT_EQ(view.queue().run(), 3U);
  EXPECT_THAT(done, ::testing::ElementsAre("write", "read", "write again"));
}

TEST_F(CoreDeviceTurn, OneDeviceWaitsForAnotherWithoutTheCpu) {
  for (const std::string fences : {"fences=event", "fences=device,export"}) {
    SCOPED_TRACE(fences);
    done.clear();
    const auto memory = buffer();
    const auto producer = on_queue(memory, fences);
    const auto consumer = on_queue(memory, "fences=device,waits");
    const auto before = waits();
    work(producer, Usage::Write, "write");
    work(consumer, Usage::Read, "read");
    EXPECT_EQ(consumer.queue().waits_taken(), 1U);
    EXPECT_EQ(consumer.queue().run(), 0U);  // not before it was written
    EXPECT_EQ(producer.queue().run(), 1U);
    EXPECT_EQ(consumer.queue().run(), 1U);
    EXPECT_THAT(done, ::testing::ElementsAre("write", "read"));
    EXPECT_EQ(waits(), before);
    EXPECT_EQ(producer.queue().exports(), fences == "fences=event" ? 0U : 1U);
  }
}

// The safeguard taken away: a driver that gives no fence, and the next one runs too early.
TEST_F(CoreDeviceTurn, WithoutTheFenceItWouldRunTooEarly) {
  const auto memory = buffer();
  const auto producer = on_queue(memory, "fences=none");
  const auto consumer = on_queue(memory, "fences=device,waits");
  work(producer, Usage::Write, "write");
  work(consumer, Usage::Read, "read");
  EXPECT_EQ(consumer.queue().run(), 1U);
  EXPECT_EQ(producer.queue().run(), 1U);
  EXPECT_THAT(done, ::testing::ElementsAre("read", "write"));
}

TEST_F(CoreDeviceTurn, FenceIsExportedLateAndOnce) {
  const auto memory = buffer();
  const auto producer = on_queue(memory, "fences=device,export");
  work(producer, Usage::Write, "write");
  EXPECT_EQ(producer.queue().exports(), 0U);  // nobody else needs it yet
  const auto one = on_queue(memory, "fences=device,waits");
  const auto two = on_queue(memory, "fences=device,waits");
  work(one, Usage::Read, "read");
  work(two, Usage::Read, "read");
  EXPECT_EQ(producer.queue().exports(), 1U);
  for (const auto* view : {&producer, &one, &two}) {
    EXPECT_EQ(view->queue().run(), 1U);
  }
}

TEST_F(CoreDeviceTurn, WhereTheDeviceCannotWaitTheCpuDoes) {
  const auto memory = buffer();
  const auto producer = on_queue(memory, "fences=event");
  const auto consumer = on_queue(memory, "fences=device");
  work(producer, Usage::Write, "write");
  const auto before = waits();
  EXPECT_TRUE(fails_with(consumer.mapping.begin_access(Usage::Read, Deadline::now()), Errc::TimedOut,
                         {"test queue"}));
  EXPECT_EQ(waits(), before + 1);
  EXPECT_TRUE(memory.reservation().fences().size() == 1);  // the refused begin left everything as it was
  std::thread hardware([&] { producer.queue().run(); });
  auto access = must(consumer.mapping.begin_access(Usage::Read, soon()));
  hardware.join();
  EXPECT_TRUE(access.end());
  EXPECT_LE(waits(), before + 2);
}

TEST_F(CoreDeviceTurn, CallersWaitsAreTaken) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device,waits");
  auto event = must(HostEvent::create(runtime()));
  const auto frame_clock = kernel.make_fence();
  const UniqueFd fd(kernel.sync_file(frame_clock));
  const std::array waits_for_these{event.fence(), must(Fence::from_sync_file(runtime(), fd.borrow()))};
  auto access = must(view.mapping.begin_access(Usage::Write, waits_for_these, soon()));
  EXPECT_EQ(access.waits().size(), 2U);
  view.queue().submit([this] { done.emplace_back("write"); });
  EXPECT_TRUE(access.end());
  EXPECT_EQ(view.queue().run(), 0U);
  must(event.signal());
  EXPECT_EQ(view.queue().run(), 0U);
  kernel.signal(frame_clock);
  EXPECT_EQ(view.queue().run(), 1U);
  const std::array none{Fence()};
  EXPECT_TRUE(fails_with(view.mapping.begin_access(Usage::Read, none, soon()), Errc::InvalidArgument));
}

TEST_F(CoreDeviceTurn, FencesOfTheCallersOwnSubmissionAreTaken) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  auto submission = must(HostEvent::create(runtime()));
  auto access = must(view.mapping.begin_access(Usage::Write, soon()));
  const std::array given{submission.fence()};
  const auto left = must(access.end(given));
  EXPECT_THAT(left, ::testing::ElementsAre(submission.fence()));
  EXPECT_FALSE(must(memory.reservation().test(Usage::Read)));
  must(submission.signal());
  EXPECT_TRUE(must(memory.reservation().test(Usage::Read)));
}

TEST_F(CoreDeviceTurn, WrongFenceAtTheEndIsRefusedAndTheTurnIsOver) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  auto access = must(view.mapping.begin_access(Usage::Read, soon()));
  const std::array none{Fence()};
  EXPECT_TRUE(fails_with(access.end(none), Errc::InvalidArgument));
  EXPECT_TRUE(fails_with(access.end(), Errc::WrongState));
  EXPECT_TRUE(must(view.mapping.begin_access(Usage::Write, soon())).end());
}

TEST_F(CoreDeviceTurn, WorkThatWaitsForItsOwnEndIsRefused) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device,waits");
  auto timeline = must(HostTimeline::create(runtime()));
  const auto early = must(timeline.point(4));
  const std::array waits_for_this{must(timeline.point(5))};
  for (const auto& signal : {waits_for_this[0], early}) {
    auto access = must(view.mapping.begin_access(Usage::Write, waits_for_this, soon()));
    const std::array given{signal};
    EXPECT_TRUE(fails_with(access.end(given), Errc::InvalidArgument, {"waits for"}));
    EXPECT_TRUE(memory.reservation().fences().empty());  // or everybody would wait for ever
  }
  auto access = must(view.mapping.begin_access(Usage::Write, waits_for_this, soon()));
  const std::array later{must(timeline.point(6))};
  EXPECT_TRUE(access.end(later));
  must(timeline.signal(6));
}

// Whatever call fails after the work was submitted: who looks at the dma-buf waits for the fence, or it was
// waited for.
TEST_F(CoreDeviceTurn, EndNeverLosesAFence) {
  for (const int failure : {EMFILE, ENOMEM}) {
    std::size_t ends = 0;
    for_each_failing_call(failure, [&](const std::string& failing) {
      // A mapping whose fence could not be asked is kept until the runtime next looks.
      const std::unique_ptr<Runtime, void (*)(Runtime*)> last(&runtime(),
                                                              [](Runtime* on) { on->dispatch(); });
      const auto submission = kernel.make_fence();
      const UniqueFd file(kernel.sync_file(submission));
      const auto fence = Fence::from_sync_file(runtime(), file.borrow());
      const auto memory = runtime().allocate(kPage, kSystem);
      const auto device = runtime().open_device("testqueue", {.id = "fences=device"});
      auto fd = memory ? memory->dup_fd() : Result<UniqueFd>(UniqueFd());
      auto attachment = memory && device ? memory->attach(*device, Usage::Write)
                                         : Result<Attachment>(Error(Errc::Internal, "test", "not made"));
      auto mapping = attachment ? attachment->map(Direction::Bidirectional)
                                : Result<Mapping>(Error(Errc::Internal, "test", "not made"));
      auto access = mapping ? mapping->begin_access(Usage::Write, soon())
                            : Result<Access>(Error(Errc::Internal, "test", "not made"));
      if (!fence || !fd || !access) {
        EXPECT_FALSE(failing.empty());
        kernel.signal(submission);
        return;
      }
      const std::array given{*fence};
      std::thread hardware([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
        kernel.signal(submission);
      });
      const auto ended = access->end(given);
      const bool signalled = submission.signalled();
      const bool kept = kernel.info(fd->get())->pending_fences == 1 || submission.signalled();
      hardware.join();
      EXPECT_TRUE(ended) << ended.error().message();
      EXPECT_TRUE(kept || signalled) << failing;
      ++ends;
    });
    EXPECT_GT(ends, 2U);
  }
}

TEST_F(CoreDeviceTurn, MoreFencesThanSlotsAreAllKept) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  std::vector<HostEvent> events;
  std::vector<Fence> given;
  for (int i = 0; i < 12; ++i) {
    events.push_back(must(HostEvent::create(runtime())));
    given.push_back(events.back().fence());
  }
  auto access = must(view.mapping.begin_access(Usage::Write, soon()));
  EXPECT_EQ(must(access.end(given)).size(), 12U);
  EXPECT_EQ(memory.reservation().fences().size(), 12U);
  for (auto& event : events) {
    EXPECT_FALSE(must(memory.reservation().test(Usage::Read)));
    must(event.signal());
  }
  EXPECT_TRUE(must(memory.reservation().test(Usage::Read)));
}

TEST_F(CoreDeviceTurn, CpuWaitsForTheDevice) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  const auto cpu = must(memory.map_cpu());
  work(view, Usage::Read, "read");
  EXPECT_TRUE(must(cpu.begin(Usage::Read, Deadline::now())).end());
  EXPECT_TRUE(fails_with(cpu.begin(Usage::Write, Deadline::now()), Errc::TimedOut, {"uses", "test"}));
  std::thread hardware([&] { view.queue().run(); });
  EXPECT_TRUE(must(cpu.begin(Usage::Write, soon())).end());
  hardware.join();
}

// ---- The kernel's reservation

TEST_F(CoreDeviceTurn, ImplicitFencesOfAnEscapedBufferAreWaitedFor) {
  const auto memory = buffer();
  const auto fd = must(memory.dup_fd());
  const auto foreign = kernel.make_fence("another process");
  ASSERT_TRUE(kernel.add_fence(fd.get(), foreign, true));
  // Their own fences would be waited for on the CPU, since the kernel cannot carry them.
  const auto automatic = on_queue(memory, "fences=none,waits");
  const auto off = on_queue(memory, "fences=none,waits", ImplicitSync::Off);
  work(off, Usage::Read, "off");
  EXPECT_EQ(off.queue().run(), 1U);
  work(automatic, Usage::Read, "auto");
  EXPECT_EQ(automatic.queue().run(), 0U);
  kernel.signal(foreign);
  EXPECT_EQ(automatic.queue().run(), 1U);
  EXPECT_THAT(done, ::testing::ElementsAre("off", "auto"));
}

TEST_F(CoreDeviceTurn, WhatTheKernelCannotCarryIsWaitedForAtTheEndOfAnEscapedBuffer) {
  const auto memory = buffer();
  const auto fd = must(memory.dup_fd());
  const auto view = on_queue(memory, "fences=event,thread");
  const auto before = waits();
  auto access = must(view.mapping.begin_access(Usage::Write, soon()));
  view.queue().submit([] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); });
  const auto left = must(access.end());
  EXPECT_EQ(waits(), before + 1);
  EXPECT_TRUE(must(memory.reservation().test(Usage::Read)));
}

TEST_F(CoreDeviceTurn, SyncFilesGoIntoTheKernelOfAnEscapedBuffer) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  const auto fd = must(memory.dup_fd());
  const auto submission = kernel.make_fence();
  const UniqueFd file(kernel.sync_file(submission));
  const std::array given{must(Fence::from_sync_file(runtime(), file.borrow()))};
  const auto before = waits();
  EXPECT_TRUE(must(view.mapping.begin_access(Usage::Write, soon())).end(given));
  EXPECT_EQ(kernel.info(fd.get())->pending_fences, 1U);
  EXPECT_EQ(waits(), before);
  kernel.signal(submission);
}

TEST_F(CoreDeviceTurn, DriverWithoutFencesIsNamedOnce) {
  const auto memory = buffer();
  const auto fd = must(memory.dup_fd());
  const auto view = on_queue(memory, "fences=none");
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(must(view.mapping.begin_access(Usage::Write, soon())).end());
  }
  const auto entries = log.entries();
  EXPECT_EQ(std::count_if(entries.begin(), entries.end(),
                          [](const auto& entry) {
                            return entry.level == LogLevel::Warning &&
                                   entry.text.find("attaches no fences") != std::string::npos &&
                                   entry.text.find("Access::end") != std::string::npos;
                          }),
            1);
}

// ---- Failures

TEST_F(CoreDeviceTurn, FrameOfAFailedWriterIsNotRead) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  const auto cpu = must(memory.map_cpu());
  work(view, Usage::Write, "write", EIO);
  EXPECT_EQ(view.queue().run(), 1U);
  EXPECT_TRUE(fails_with(cpu.begin(Usage::Read, soon()), Errc::Io, {"test", "last writer", "EIO"}));
  EXPECT_TRUE(fails_with(view.mapping.begin_access(Usage::Read, soon()), Errc::Io, {"last writer"}));
  EXPECT_TRUE(must(cpu.begin(Usage::Write, soon())).end());  // written anew, it is good again
  EXPECT_TRUE(must(cpu.begin(Usage::Read, soon())).end());
}

TEST_F(CoreDeviceTurn, DroppedAccessLosesTheBufferUntilTheDeviceIsIdle) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  {
    const auto dropped = must(view.mapping.begin_access(Usage::Write, soon()));
    view.queue().submit([] {});
  }
  EXPECT_TRUE(log.says(LogLevel::Error, "dropped without its end"));
  EXPECT_TRUE(log.says(LogLevel::Error, "lost"));
  const auto cpu = must(memory.map_cpu());
  EXPECT_TRUE(fails_with(cpu.begin(Usage::Write, Deadline::now()), Errc::DeviceLost, {"test queue", "idle"}));
  view.queue().run();
  EXPECT_TRUE(fails_with(cpu.begin(Usage::Read, Deadline::now()), Errc::Io, {"ECANCELED"}));
  EXPECT_TRUE(must(cpu.begin(Usage::Write, Deadline::now())).end());
  EXPECT_TRUE(must(cpu.begin(Usage::Read, Deadline::now())).end());
}

TEST_F(CoreDeviceTurn, BufferOfALostDeviceIsWrittenAnewByOthers) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device,lost");
  { const auto dropped = must(view.mapping.begin_access(Usage::Write, soon())); }
  const auto cpu = must(memory.map_cpu());
  EXPECT_TRUE(fails_with(cpu.begin(Usage::Read, Deadline::now()), Errc::Io));
  EXPECT_TRUE(must(cpu.begin(Usage::Write, Deadline::now())).end());
  EXPECT_TRUE(must(cpu.begin(Usage::Read, Deadline::now())).end());
}

TEST_F(CoreDeviceTurn, DroppedAccessOfADeviceThatIsIdleGivesItsTurnBack) {
  const auto memory = buffer();
  const auto view = on_queue(memory, "fences=device");
  { const auto dropped = must(view.mapping.begin_access(Usage::Read, soon())); }
  EXPECT_TRUE(log.says(LogLevel::Error, "dropped without its end"));
  EXPECT_TRUE(must(must(memory.map_cpu()).begin(Usage::Write, Deadline::now())).end());
}

// ---- Lifetimes

TEST_F(CoreDeviceTurn, MappingDroppedAtWorkIsRetired) {
  const auto memory = buffer();
  const auto device = open("fences=device", "testqueue");
  {
    auto view = on(device, memory);
    work(view, Usage::Write, "write");
  }
  EXPECT_TRUE(memory.attachments().front().mapped);  // the device may still write to it
  runtime().dispatch();
  EXPECT_EQ(memory.attachments().size(), 1U);
  EXPECT_EQ(QueueDevice::of(device).run(), 1U);
  runtime().dispatch();
  EXPECT_TRUE(memory.attachments().empty());
}

TEST_F(CoreDeviceTurn, AttachmentIsNotMappedAnewWhileItsOldMappingIsInUse) {
  const auto memory = buffer();
  const auto device = open("fences=device", "testqueue");
  auto view = on(device, memory);
  work(view, Usage::Write, "write");
  view.mapping = Mapping();
  EXPECT_TRUE(fails_with(view.attachment.map(Direction::Bidirectional), Errc::Busy, {"still at work"}));
  EXPECT_EQ(view.queue().run(), 1U);
  EXPECT_TRUE(view.attachment.map(Direction::Bidirectional));
}

TEST_F(CoreDeviceTurn, DeviceIsClosedThoughItsFencesWereNeverAskedFor) {
  const auto memory = buffer();
  std::weak_ptr<void> device_state;
  {
    const auto view = on_queue(memory, "fences=device");
    device_state = view.device.state();
    work(view, Usage::Write, "write");
    EXPECT_EQ(view.queue().run(), 1U);
  }
  EXPECT_TRUE(device_state.expired());
}

// ---- All or none

TEST_F(CoreDeviceTurn, FrameTakesItsObjectsAllOrNone) {
  const auto luma = buffer(4 * kPage);
  const auto chroma = buffer(4 * kPage);
  const auto frame = frame_over({luma, chroma});
  const auto device = open("fences=device", "testqueue");
  auto attachment = must(frame.attach(device, Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  auto busy = must(must(chroma.map_cpu()).begin(Usage::Write, soon()));
  EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Write, soon()), Errc::Busy));
  EXPECT_TRUE(must(must(luma.map_cpu()).begin(Usage::Write, soon())).end());
  EXPECT_TRUE(busy.end());
  auto access = must(mapping.begin_access(Usage::Write, soon()));
  QueueDevice::of(device).submit([] {});
  EXPECT_TRUE(access.end());
  EXPECT_FALSE(must(luma.reservation().test(Usage::Read)));
  EXPECT_FALSE(must(chroma.reservation().test(Usage::Read)));
  QueueDevice::of(device).run();
}

}  // namespace
}  // namespace causeway::test
