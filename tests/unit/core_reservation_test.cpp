// SPDX-License-Identifier: Apache-2.0
//
// The reservation of a buffer: dma_resv's rules for ours, and the bridge to the kernel's.
#include <poll.h>

#include <limits>
#include <thread>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

class CoreReservation : public CoreTest {
protected:
  Fence import(const FakeFence& fence) {
    const UniqueFd fd(kernel.sync_file(fence));
    return must(Fence::from_sync_file(runtime(), fd.borrow()));
  }
  SyncFile sync_file(const FakeFence& fence) {
    const UniqueFd fd(kernel.sync_file(fence));
    return must(SyncFile::from_fd(runtime(), fd.borrow()));
  }
  static void add(const DmaBuf& to, const Fence& fence, FenceUsage usage) {
    auto slots = must(to.reservation().reserve(1));
    must(slots.add(fence, usage));
  }
  static std::size_t count(const DmaBuf& of, FenceUsage usage = FenceUsage::Bookkeep) {
    return of.reservation().fences(usage).size();
  }
  static bool readable(const Pollable& what) {
    pollfd entry{.fd = what.fd.get(), .events = what.events, .revents = 0};
    return ::poll(&entry, 1, 0) > 0;
  }
};

TEST_F(CoreReservation, AskingForAUsageIncludesThoseBeforeIt) {
  const auto memory = buffer();
  auto timelines = std::vector<HostTimeline>();
  const std::array usages{FenceUsage::Bookkeep, FenceUsage::Read, FenceUsage::Write, FenceUsage::Kernel};
  for (const auto usage : usages) {
    timelines.push_back(must(HostTimeline::create(runtime())));
    add(memory, must(timelines.back().point(1)), usage);
  }
  EXPECT_EQ(count(memory, FenceUsage::Kernel), 1U);
  EXPECT_EQ(count(memory, FenceUsage::Write), 2U);
  EXPECT_EQ(count(memory, FenceUsage::Read), 3U);
  EXPECT_EQ(count(memory, FenceUsage::Bookkeep), 4U);
  EXPECT_EQ(memory.reservation().fences().front().usage, FenceUsage::Bookkeep);  // oldest first
}

TEST_F(CoreReservation, ReaderWaitsForWritersAndWriterForAll) {
  for (const auto& memory : {buffer(), buffer(kPage, "memfd")}) {
    auto reading = must(HostEvent::create(runtime()));
    add(memory, reading.fence(), FenceUsage::Read);
    EXPECT_TRUE(must(memory.reservation().test(Usage::Read)));
    EXPECT_FALSE(must(memory.reservation().test(Usage::Write)));
    EXPECT_FALSE(must(memory.reservation().test(Usage::ReadWrite)));
    EXPECT_TRUE(memory.reservation().wait(Usage::Read, Deadline::now()));
    EXPECT_TRUE(
        fails_with(memory.reservation().wait(Usage::Write, Deadline::now()), Errc::TimedOut, {"test"}));
    auto writing = must(HostEvent::create(runtime()));
    add(memory, writing.fence(), FenceUsage::Write);
    EXPECT_FALSE(must(memory.reservation().test(Usage::Read)));
    auto keeping = must(HostEvent::create(runtime()));
    add(memory, keeping.fence(), FenceUsage::Bookkeep);
    must(reading.signal());
    must(writing.signal());
    EXPECT_TRUE(must(memory.reservation().test(Usage::Write)));
    EXPECT_FALSE(must(memory.reservation().test(FenceUsage::Bookkeep)));
    must(keeping.signal());
  }
}

TEST_F(CoreReservation, WaitEndsWithTheFence) {
  const auto memory = buffer();
  auto event = must(HostEvent::create(runtime()));
  add(memory, event.fence(), FenceUsage::Write);
  std::thread device([&] { must(event.signal()); });
  EXPECT_TRUE(memory.reservation().wait(Usage::Read, soon()));
  device.join();
}

// dma_resv_add_fence(): a place is taken over if its fence is signalled, or is of the same context, not
// later, and of a usage not before the new one's.
TEST_F(CoreReservation, ReplacesWhatTheNewFenceCovers) {
  const auto memory = buffer();
  auto timeline = must(HostTimeline::create(runtime()));
  const auto at = [&](std::uint64_t sequence) { return must(timeline.point(sequence)); };
  add(memory, at(5), FenceUsage::Read);
  add(memory, at(6), FenceUsage::Read);  // later, same usage: replaces
  EXPECT_EQ(count(memory), 1U);
  EXPECT_EQ(memory.reservation().fences().front().fence.sequence(), 6U);
  add(memory, at(7), FenceUsage::Write);  // later, a usage before the old one's: replaces
  EXPECT_EQ(count(memory), 1U);
  add(memory, at(8), FenceUsage::Read);  // a Read never replaces a Write
  EXPECT_EQ(count(memory), 2U);
  add(memory, at(3), FenceUsage::Read);  // earlier than both: replaces neither
  EXPECT_EQ(count(memory), 3U);
  auto other = must(HostTimeline::create(runtime()));
  add(memory, must(other.point(100)), FenceUsage::Write);  // another context: replaces none
  EXPECT_EQ(count(memory), 4U);
  must(timeline.signal(8));
  EXPECT_EQ(count(memory), 1U);
  must(other.signal(100));
  EXPECT_EQ(count(memory), 0U);
}

TEST_F(CoreReservation, SlotsAreTakenBeforehand) {
  const auto memory = buffer();
  auto event = must(HostEvent::create(runtime()));
  auto slots = must(memory.reservation().reserve(1));
  EXPECT_EQ(slots.left(), 1U);
  EXPECT_TRUE(fails_with(slots.add(Fence(), FenceUsage::Read), Errc::InvalidArgument));
  EXPECT_TRUE(slots.add(event.fence(), FenceUsage::Read));
  EXPECT_TRUE(fails_with(slots.add(event.fence(), FenceUsage::Read), Errc::WrongState, {"reserve"}));
  for (const auto many :
       {std::numeric_limits<std::size_t>::max(), std::numeric_limits<std::size_t>::max() / 16}) {
    EXPECT_TRUE(fails_with(memory.reservation().reserve(many), Errc::OutOfMemory, {std::to_string(many)}));
  }
  auto moved = must(memory.reservation().reserve(3));
  slots = std::move(moved);
  EXPECT_EQ(slots.left(), 3U);
  must(event.signal());
}

TEST_F(CoreReservation, CopiesThoseOfAnother) {
  const auto from = buffer();
  const auto to = buffer();
  auto event = must(HostEvent::create(runtime()));
  auto done = must(HostEvent::create(runtime()));
  add(from, event.fence(), FenceUsage::Write);
  add(from, done.fence(), FenceUsage::Read);
  must(done.signal());
  must(to.reservation().copy_from(from.reservation()));
  ASSERT_EQ(count(to), 1U);
  EXPECT_EQ(to.reservation().fences().front().fence, event.fence());
  EXPECT_EQ(to.reservation().fences().front().usage, FenceUsage::Write);
  must(event.signal());
}

TEST_F(CoreReservation, ReadinessSpeaksForWhatIsPending) {
  for (const auto& memory : {buffer(), buffer(kPage, "memfd")}) {
    auto event = must(HostEvent::create(runtime()));
    EXPECT_TRUE(readable(must(memory.reservation().readiness(Usage::Write))));
    add(memory, event.fence(), FenceUsage::Read);
    EXPECT_TRUE(readable(must(memory.reservation().readiness(Usage::Read))));
    const auto writing = must(memory.reservation().readiness(Usage::Write));
    EXPECT_FALSE(readable(writing));
    must(event.signal());
    EXPECT_TRUE(readable(writing));
  }
}

// ---- The kernel's part

TEST_F(CoreReservation, KernelsFencesCountToo) {
  const auto memory = buffer();
  const auto fd = must(memory.dup_fd());
  const auto reading = kernel.make_fence();
  ASSERT_TRUE(kernel.add_fence(fd.get(), reading, false));
  EXPECT_TRUE(must(memory.reservation().test(Usage::Read)));
  EXPECT_FALSE(must(memory.reservation().test(Usage::Write)));
  EXPECT_FALSE(must(memory.reservation().test(FenceUsage::Read)));
  EXPECT_TRUE(must(memory.reservation().test(FenceUsage::Kernel)));
  kernel.signal(reading);
  EXPECT_TRUE(must(memory.reservation().test(Usage::Write)));
}

TEST_F(CoreReservation, ImportedIntoTheKernelOthersSeeIt) {
  const auto memory = buffer();
  const auto work = kernel.make_fence();
  const auto file = sync_file(work);
  must(memory.reservation().import_into_kernel(file, FenceUsage::Read));
  EXPECT_EQ(info_of(memory).pending_fences, 1U);
  EXPECT_TRUE(must(memory.reservation().test(Usage::Read)));
  EXPECT_FALSE(must(memory.reservation().test(Usage::Write)));
  const auto all = must(memory.reservation().export_from_kernel(FenceUsage::Read));
  const auto writers = must(memory.reservation().export_from_kernel(FenceUsage::Write));
  EXPECT_EQ(all.fence().status(), FenceStatus::Pending);
  EXPECT_EQ(writers.fence().status(), FenceStatus::Signalled);
  kernel.signal(work);
  EXPECT_EQ(all.fence().status(), FenceStatus::Signalled);
}

TEST_F(CoreReservation, KernelAndBookkeepAreHiddenThere) {
  const auto memory = buffer();
  const auto work = kernel.make_fence();
  const auto file = sync_file(work);
  for (const auto& [usage, name] :
       {std::pair{FenceUsage::Kernel, "Kernel"}, std::pair{FenceUsage::Bookkeep, "Bookkeep"}}) {
    EXPECT_TRUE(fails_with(memory.reservation().import_into_kernel(file, usage), Errc::Unsupported,
                           {"only Read and Write", name}));
    EXPECT_TRUE(fails_with(memory.reservation().export_from_kernel(usage), Errc::Unsupported,
                           {"only Read and Write", name}));
  }
  kernel.signal(work);
}

TEST_F(CoreReservation, SharedMemoryHasNoneOfTheKernel) {
  const auto memory = buffer(kPage, "memfd");
  const auto work = kernel.make_fence();
  const auto file = sync_file(work);
  EXPECT_TRUE(fails_with(memory.reservation().import_into_kernel(file, FenceUsage::Write), Errc::Unsupported,
                         {"memfd"}));
  EXPECT_TRUE(
      fails_with(memory.reservation().export_from_kernel(FenceUsage::Write), Errc::Unsupported, {"memfd"}));
  EXPECT_TRUE(fails_with(memory.reservation().export_sync_file(Usage::Write, soon()), Errc::Unsupported));
  add(memory, file.fence(), FenceUsage::Write);
  EXPECT_EQ(must(memory.reservation().export_sync_file(Usage::Read, soon())).fence().status(),
            FenceStatus::Pending);
  kernel.signal(work);
}

TEST_F(CoreReservation, ExportHasOursAndTheKernels) {
  const auto memory = buffer();
  const auto ours = kernel.make_fence("ours");
  const auto theirs = kernel.make_fence("theirs");
  add(memory, import(ours), FenceUsage::Write);
  must(memory.reservation().import_into_kernel(sync_file(theirs), FenceUsage::Write));
  const auto all = must(memory.reservation().export_sync_file(Usage::Read, soon()));
  kernel.signal(theirs);
  EXPECT_EQ(all.fence().status(), FenceStatus::Pending);
  kernel.signal(ours);
  EXPECT_EQ(all.fence().status(), FenceStatus::Signalled);
}

TEST_F(CoreReservation, ExportWaitsForEvents) {
  const auto memory = buffer();
  auto event = must(HostEvent::create(runtime()));
  add(memory, event.fence(), FenceUsage::Write);
  EXPECT_TRUE(
      fails_with(memory.reservation().export_sync_file(Usage::Read, Deadline::now()), Errc::TimedOut));
  std::thread producer([&] { must(event.signal()); });
  const auto before = runtime().counters();
  EXPECT_TRUE(memory.reservation().export_sync_file(Usage::Read, soon()));
  producer.join();
  EXPECT_LE((runtime().counters() - before).cpu_waits, 1U);
}

TEST_F(CoreReservation, OlderKernelSaysSo) {
  kernel.configure([](FakeConfig& config) { config.sync_files = false; });
  const auto memory = buffer();
  const auto work = kernel.make_fence();
  EXPECT_TRUE(fails_with(memory.reservation().import_into_kernel(sync_file(work), FenceUsage::Write),
                         Errc::Unsupported, {"6.0"}));
  EXPECT_TRUE(
      fails_with(memory.reservation().export_from_kernel(FenceUsage::Write), Errc::Unsupported, {"6.0"}));
  kernel.signal(work);
}

// ---- Giving the descriptor out

TEST_F(CoreReservation, DescriptorIsNotGivenOutWhileAnEventIsPending) {
  for (const auto& memory : {buffer(), buffer(kPage, "memfd")}) {
    auto event = must(HostEvent::create(runtime()));
    add(memory, event.fence(), FenceUsage::Write);
    EXPECT_TRUE(fails_with(memory.fd(), Errc::Busy, {"test", "deadline"}));
    EXPECT_TRUE(fails_with(memory.dup_fd(), Errc::Busy));
    const auto before = runtime().counters();
    std::thread producer([&] { must(event.signal()); });
    EXPECT_TRUE(memory.fd(soon()));
    producer.join();
    EXPECT_LE((runtime().counters() - before).cpu_waits, 1U);
    EXPECT_TRUE(memory.fd());
  }
}

TEST_F(CoreReservation, FencesOfTheKernelGoWithTheDescriptor) {
  const auto memory = buffer();
  const auto work = kernel.make_fence();
  add(memory, import(work), FenceUsage::Write);
  const auto before = runtime().counters();
  const auto fd = must(memory.dup_fd());
  EXPECT_EQ((runtime().counters() - before).cpu_waits, 0U);
  pollfd entry{.fd = fd.get(), .events = POLLIN, .revents = 0};
  const timespec none{};
  const auto* table = kernel.syscalls();
  EXPECT_EQ(table->ppoll(table->context, &entry, 1, &none), 0);
  kernel.signal(work);
  EXPECT_EQ(table->ppoll(table->context, &entry, 1, &none), 1);
}

TEST_F(CoreReservation, WhereTheKernelTakesNoFencesTheyAreWaitedFor) {
  kernel.configure([](FakeConfig& config) { config.sync_files = false; });
  const auto memory = buffer();
  const auto work = kernel.make_fence();
  add(memory, import(work), FenceUsage::Write);
  EXPECT_TRUE(fails_with(memory.fd(), Errc::Busy));
  std::thread device([&] { kernel.signal(work); });
  EXPECT_TRUE(memory.fd(soon()));
  device.join();
}

}  // namespace
}  // namespace causeway::test
