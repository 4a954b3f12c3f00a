// SPDX-License-Identifier: Apache-2.0
// Fences of a real kernel that are truly pending, in the reservations of real dma-bufs.

#include <thread>

#include "guest/fence_harness.hpp"

namespace causeway::test {
namespace {

INSTANTIATE_TEST_SUITE_P(Exporters, FenceGuestOn, ::testing::Values("udmabuf", "dma_heap:system", "vgem"),
                         name_of);

TEST_P(FenceGuestOn, AWritersFenceHoldsReadersAndWriters) {
  const auto memory = buffer(GetParam());
  const auto fd = must(memory.dup_fd());
  const auto reservation = memory.reservation();
  EXPECT_TRUE(must(reservation.test(Usage::Write)));
  PendingFence writer(fd.borrow(), true);
  EXPECT_FALSE(must(reservation.test(Usage::Read)));
  EXPECT_FALSE(must(reservation.test(Usage::Write)));
  const auto for_readers = must(reservation.export_from_kernel(FenceUsage::Write));
  const auto for_writers = must(reservation.export_from_kernel(FenceUsage::Read));
  const auto ready = must(reservation.readiness(Usage::Read));
  EXPECT_EQ(for_readers.fence().status(), FenceStatus::Pending);
  EXPECT_EQ(for_writers.fence().status(), FenceStatus::Pending);
  EXPECT_FALSE(shows(ready));
  const auto before = Deadline::Clock::now();
  ASSERT_TRUE(writer.signal());
  EXPECT_TRUE(shows(ready));
  EXPECT_TRUE(for_readers.fence().wait(Deadline::in(5s)));
  EXPECT_EQ(for_writers.fence().status(), FenceStatus::Signalled);
  EXPECT_TRUE(must(reservation.test(Usage::Write)));
  const auto at = for_readers.fence().signalled_at();
  ASSERT_TRUE(at) << "the kernel tells when";
  EXPECT_GE(*at, before);
  EXPECT_LE(*at, Deadline::Clock::now());
}

TEST_P(FenceGuestOn, AReadersFenceHoldsWritersOnly) {
  const auto memory = buffer(GetParam());
  const auto fd = must(memory.dup_fd());
  const auto reservation = memory.reservation();
  PendingFence reader(fd.borrow(), false);
  EXPECT_TRUE(must(reservation.test(Usage::Read)));
  EXPECT_FALSE(must(reservation.test(Usage::Write)));
  EXPECT_EQ(must(reservation.export_from_kernel(FenceUsage::Write)).fence().status(), FenceStatus::Signalled);
  EXPECT_EQ(must(reservation.export_from_kernel(FenceUsage::Read)).fence().status(), FenceStatus::Pending);
  EXPECT_TRUE(shows(must(reservation.readiness(Usage::Read))));
  EXPECT_FALSE(shows(must(reservation.readiness(Usage::Write))));
  ASSERT_TRUE(reader.signal());
  EXPECT_TRUE(must(reservation.test(Usage::Write)));
}

TEST_P(FenceGuestOn, AWaitEndsWithItsDeadline) {
  const auto memory = buffer(GetParam());
  const auto fd = must(memory.dup_fd());
  PendingFence writer(fd.borrow(), true);
  const auto begun = Deadline::Clock::now();
  const auto waited = memory.reservation().wait(Usage::Read, Deadline::in(50ms));
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code(), Errc::TimedOut) << waited.error().message();
  EXPECT_GE(Deadline::Clock::now() - begun, 50ms);
  EXPECT_LT(Deadline::Clock::now() - begun, 8s) << "before vgem gives up by itself";
  EXPECT_EQ(cpu_waits(), 1U);
  std::thread device([&] {
    std::this_thread::sleep_for(20ms);
    EXPECT_TRUE(writer.signal());
  });
  EXPECT_TRUE(memory.reservation().wait(Usage::Read, Deadline::in(8s)));
  device.join();
}

TEST_P(FenceGuestOn, TheCpuPollsWithItsDeadlineBeforeSyncStart) {
  const auto memory = buffer(GetParam());
  const auto fd = must(memory.dup_fd());
  const auto view = must(memory.map_cpu());
  {
    PendingFence writer(fd.borrow(), true);
    const auto begun = Deadline::Clock::now();
    const auto refused = view.begin(Usage::Read, Deadline::in(50ms));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::TimedOut) << refused.error().message();
    EXPECT_LT(Deadline::Clock::now() - begun, 5s);
    ASSERT_TRUE(writer.signal());
    auto reading = must(view.begin(Usage::Read, Deadline::in(5s)));
    EXPECT_TRUE(reading.end());
  }
  PendingFence reader(fd.borrow(), false);
  auto reading = must(view.begin(Usage::Read, Deadline::now()));
  EXPECT_TRUE(reading.end());
  EXPECT_EQ(view.begin(Usage::Write, Deadline::in(20ms)).error().code(), Errc::TimedOut);
  ASSERT_TRUE(reader.signal());
  auto writing = must(view.begin(Usage::Write, Deadline::in(5s)));
  EXPECT_TRUE(writing.end());
}

/// What the poll before it is for: SYNC START waits for the fence itself, and knows no deadline.
TEST_P(FenceGuestOn, WithoutThePollSyncStartWaitsForTheFence) {
  const auto memory = buffer(GetParam());
  const auto fd = must(memory.dup_fd());
  {
    auto once = must(must(memory.map_cpu()).begin(Usage::Read, Deadline::in(5s)));  // udmabuf: its sg table
    EXPECT_TRUE(once.end());
  }
  PendingFence writer(fd.borrow(), true);
  std::thread device([&] {
    std::this_thread::sleep_for(300ms);
    EXPECT_TRUE(writer.signal());
  });
  const auto begun = Deadline::Clock::now();
  dma_buf_sync sync{.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ};
  EXPECT_EQ(::ioctl(fd.get(), DMA_BUF_IOCTL_SYNC, &sync), 0);
  EXPECT_GE(Deadline::Clock::now() - begun, 250ms);
  device.join();
  sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ;
  EXPECT_EQ(::ioctl(fd.get(), DMA_BUF_IOCTL_SYNC, &sync), 0);
}

TEST_P(FenceGuestOn, APendingSyncFileIsPutIntoTheKernelAndComesOutPending) {
  for (const auto usage : {FenceUsage::Write, FenceUsage::Read}) {
    const auto memory = buffer(GetParam());
    const auto fd = must(memory.dup_fd());
    const auto reservation = memory.reservation();
    PendingSyncFile pending;
    ASSERT_TRUE(reservation.import_into_kernel(sync_file(pending), usage));
    EXPECT_EQ(must(reservation.test(Usage::Read)), usage == FenceUsage::Read);
    EXPECT_FALSE(must(reservation.test(Usage::Write)));
    pollfd raw{.fd = fd.get(), .events = POLLOUT, .revents = 0};
    EXPECT_EQ(::poll(&raw, 1, 0), 0) << "any other program would see it";
    const auto out = must(reservation.export_sync_file(Usage::Write, Deadline::now()));
    EXPECT_EQ(out.fence().status(), FenceStatus::Pending);
    ASSERT_TRUE(pending.signal());
    EXPECT_TRUE(out.fence().wait(Deadline::in(5s)));
    EXPECT_EQ(::poll(&raw, 1, 0), 1);
  }
}

TEST_P(FenceGuestOn, OursAndTheKernelsAreExportedAsOne) {
  const auto memory = buffer(GetParam());
  const auto fd = must(memory.dup_fd());
  PendingFence kernels(fd.borrow(), true);
  PendingSyncFile ours;
  auto slots = must(memory.reservation().reserve(1));
  ASSERT_TRUE(slots.add(sync_file(ours).fence(), FenceUsage::Write));
  const auto both = must(memory.reservation().export_sync_file(Usage::Read, Deadline::now()));
  ASSERT_TRUE(ours.signal());
  EXPECT_EQ(both.fence().status(), FenceStatus::Pending);
  ASSERT_TRUE(kernels.signal());
  EXPECT_TRUE(both.fence().wait(Deadline::in(5s)));
  EXPECT_EQ(cpu_waits(), 0U);
}

TEST_P(FenceGuestOn, KernelAndBookkeepAreNotForUserSpace) {
  const auto memory = buffer(GetParam());
  PendingSyncFile pending;
  for (const auto usage : {FenceUsage::Kernel, FenceUsage::Bookkeep}) {
    EXPECT_EQ(memory.reservation().export_from_kernel(usage).error().code(), Errc::Unsupported);
    EXPECT_EQ(memory.reservation().import_into_kernel(sync_file(pending), usage).error().code(),
              Errc::Unsupported);
  }
  ASSERT_TRUE(pending.signal());
}

TEST_P(FenceGuestOn, AnEventCannotLeaveWithTheDescriptor) {
  const auto memory = buffer(GetParam());
  auto event = must(HostEvent::create(*runtime));
  auto slots = must(memory.reservation().reserve(1));
  ASSERT_TRUE(slots.add(event.fence(), FenceUsage::Write));
  const auto refused = memory.dup_fd();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::Busy) << refused.error().message();
  EXPECT_EQ(memory.dup_fd(Deadline::in(20ms)).error().code(), Errc::Busy);
  const auto before = cpu_waits();
  std::thread program([&] {
    std::this_thread::sleep_for(200ms);
    EXPECT_TRUE(event.signal());
  });
  EXPECT_TRUE(memory.dup_fd(Deadline::in(8s)));
  program.join();
  EXPECT_EQ(cpu_waits(), before + 1) << "a wait on the CPU is counted";
}

TEST_P(FenceGuestOn, AKernelFenceLeavesWithTheDescriptor) {
  const auto memory = buffer(GetParam());
  PendingSyncFile pending;
  auto slots = must(memory.reservation().reserve(1));
  ASSERT_TRUE(slots.add(sync_file(pending).fence(), FenceUsage::Write));
  const auto fd = must(memory.dup_fd());
  pollfd raw{.fd = fd.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&raw, 1, 0), 0) << "whoever gets the descriptor waits, too";
  EXPECT_EQ(cpu_waits(), 0U);
  ASSERT_TRUE(pending.signal());
  EXPECT_EQ(::poll(&raw, 1, 5'000), 1);
}

}  // namespace
}  // namespace causeway::test
