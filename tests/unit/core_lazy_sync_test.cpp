// SPDX-License-Identifier: Apache-2.0
//
// SYNC that is owed, paid and left out: while only the CPU touches a dma-buf that nobody else knows of, one
// bracket does for all its turns.
#include <array>
#include <atomic>
#include <thread>

#include "unit/core_harness.hpp"
#include "unit/core_tampering.hpp"

namespace causeway::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kSync = "DMA_BUF_IOCTL_SYNC";

class CoreLazySync : public CoreTest {
protected:
  static void turn(const DmaBuf& of, Usage usage) {
    must(must(must(of.map_cpu()).begin(usage, soon())).end());
  }
  static void turn(const Mapping& of, Usage usage) { must(must(of.begin_access(usage, soon())).end()); }
  /// What was counted since the last call.
  Counters counted() {
    const auto now = runtime().counters();
    const auto since = now - seen_;
    seen_ = now;
    return since;
  }

private:
  Counters seen_;
};

TEST_F(CoreLazySync, OneBracketDoesForAllTurnsOfTheCpu) {
  const auto memory = buffer();
  counted();
  const auto before = kernel.count(kSync);
  for (int i = 0; i < 4; ++i) {
    turn(memory, Usage::ReadWrite);
  }
  turn(memory, Usage::Read);
  turn(memory, Usage::Write);
  EXPECT_EQ(kernel.count(kSync), before + 1);
  const auto done = counted();
  EXPECT_EQ(done.sync_starts, 1U);
  EXPECT_EQ(done.sync_ends, 0U);
  EXPECT_EQ(done.sync_owed, 1U);
  EXPECT_EQ(done.sync_paid, 0U);
  EXPECT_EQ(done.sync_elided, 5U);
}

TEST_F(CoreLazySync, BracketBecomesAsWideAsItIsNeeded) {
  const auto memory = buffer();
  counted();
  turn(memory, Usage::Read);
  turn(memory, Usage::Write);  // ends the one for reading, and opens one for both
  turn(memory, Usage::Read);
  turn(memory, Usage::Write);
  const auto done = counted();
  EXPECT_EQ(done.sync_starts, 2U);
  EXPECT_EQ(done.sync_ends, 1U);
  EXPECT_EQ(done.sync_paid, 1U);
  EXPECT_EQ(done.sync_elided, 2U);
}

TEST_F(CoreLazySync, IsPaidBeforeADevicesTurnAndOpenedAnewAfterIt) {
  const auto memory = buffer();
  auto attachment = must(memory.attach(open("dma"), Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  turn(memory, Usage::Write);
  counted();
  turn(mapping, Usage::Read);
  auto done = counted();
  EXPECT_EQ(done.sync_ends, 1U);
  EXPECT_EQ(done.sync_paid, 1U);
  turn(memory, Usage::Write);
  done = counted();
  EXPECT_EQ(done.sync_starts, 1U) << "the device may have written";
  EXPECT_EQ(done.sync_elided, 0U);
}

TEST_F(CoreLazySync, DeviceThatWorksThroughTheCpuHasItsOwnBracket) {
  const auto memory = buffer();
  auto attachment = must(memory.attach(open("via-cpu"), Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  turn(memory, Usage::Write);
  counted();
  turn(mapping, Usage::ReadWrite);
  const auto done = counted();
  EXPECT_EQ(done.sync_paid, 1U);
  EXPECT_EQ(done.sync_starts, 1U);
  EXPECT_EQ(done.sync_ends, 2U);
}

TEST_F(CoreLazySync, CoherentDeviceNeedsNoPayment) {
  const auto memory = buffer();
  auto attachment = must(memory.attach(open("dma,coherent"), Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  turn(memory, Usage::ReadWrite);
  counted();
  turn(mapping, Usage::Read);
  turn(memory, Usage::ReadWrite);
  const auto done = counted();
  EXPECT_EQ(done.sync_starts + done.sync_ends, 0U);
  EXPECT_EQ(done.sync_elided_coherent, 1U);
  EXPECT_EQ(done.sync_elided, 1U);
}

TEST_F(CoreLazySync, IsPaidBeforeTheDescriptorLeavesAndNeverOwedAgain) {
  const auto memory = buffer();
  turn(memory, Usage::Write);
  counted();
  must(memory.fd());
  EXPECT_EQ(counted().sync_paid, 1U);
  turn(memory, Usage::Write);
  turn(memory, Usage::Write);
  const auto done = counted();
  EXPECT_EQ(done.sync_starts, 2U);
  EXPECT_EQ(done.sync_ends, 2U);
  EXPECT_EQ(done.sync_owed + done.sync_elided, 0U);
}

TEST_F(CoreLazySync, DescriptorThatLeavesDuringATurnMakesItsEndPay) {
  const auto memory = buffer();
  turn(memory, Usage::ReadWrite);
  auto access = must(must(memory.map_cpu()).begin(Usage::Write, soon()));
  const auto fd = must(memory.dup_fd());
  EXPECT_THAT(kernel.info(fd.get())->open_brackets, ElementsAre(DMA_BUF_SYNC_RW)) << "the CPU still writes";
  must(access.end());
  EXPECT_THAT(kernel.info(fd.get())->open_brackets, IsEmpty());
}

TEST_F(CoreLazySync, ForeignMemoryIsNeverLeftOut) {
  const auto fd = must(buffer().dup_fd());
  restart();
  const auto memory = must(DmaBuf::from_fd(runtime(), fd.borrow()));
  turn(memory, Usage::Write);
  turn(memory, Usage::Write);
  const auto done = counted();
  EXPECT_EQ(done.sync_starts, 2U);
  EXPECT_EQ(done.sync_ends, 2U);
}

TEST_F(CoreLazySync, SharedPagesAreNeverLeftOut) {
  const auto memory = buffer(kPage, "udmabuf");
  turn(memory, Usage::Write);
  const std::array ranges{DmaBufRange{.buffer = memory, .offset = 0, .length = kPage}};
  const auto over = must(runtime().create_udmabuf(ranges));
  for (const auto& each : {memory, over}) {
    counted();
    turn(each, Usage::Write);
    const auto done = counted();
    EXPECT_EQ(done.sync_starts, 1U);
    EXPECT_EQ(done.sync_ends, 1U);
  }
}

TEST_F(CoreLazySync, NothingIsOwedAtTheEndOfTheBuffer) {
  counted();
  turn(buffer(), Usage::Write);
  const auto done = counted();
  EXPECT_EQ(done.sync_starts, done.sync_ends);
  EXPECT_EQ(done.sync_owed, done.sync_paid);
}

TEST_F(CoreLazySync, CanBeSwitchedOff) {
  auto strict = must(Runtime::create({.syscalls = kernel.syscalls(),
                                      .backends = {&testdma_backend},
                                      .builtin_backends = false,
                                      .elide_sync = false}));
  const auto memory = must(strict.allocate(kPage, kSystem));
  const auto before = strict.counters();
  turn(memory, Usage::Write);
  turn(memory, Usage::Write);
  const auto done = strict.counters() - before;
  EXPECT_EQ(done.sync_starts, 2U);
  EXPECT_EQ(done.sync_ends, 2U);
  EXPECT_EQ(done.sync_owed, 0U);
}

TEST_F(CoreLazySync, PaymentThatTheKernelRefusesIsOwedStill) {
  const auto memory = buffer();
  auto attachment = must(memory.attach(open("dma"), Usage::Read));
  const auto mapping = must(attachment.map(Direction::ToDevice));
  turn(memory, Usage::Write);
  counted();
  kernel.fail_next(kSync, EIO);
  EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Read, soon()), Errc::Io, {kSync}));
  EXPECT_EQ(counted().sync_paid, 0U);
  turn(mapping, Usage::Read);
  EXPECT_EQ(counted().sync_paid, 1U);
}

TEST_F(CoreLazySync, StartThatTheKernelRefusesOwesNothing) {
  const auto memory = buffer();
  counted();
  kernel.fail_next(kSync, EIO);
  EXPECT_TRUE(fails_with(must(memory.map_cpu()).begin(Usage::Write, soon()), Errc::Io, {kSync}));
  EXPECT_EQ(counted().sync_owed, 0U);
  turn(memory, Usage::Write);
  EXPECT_EQ(counted().sync_owed, 1U);
}

// Separate bytes for CPU and device: what was put off must have been done by the time somebody else looks.
class CoreLazySyncApart : public CoreLazySync {
protected:
  static void write(const DmaBuf& of, std::byte value) {
    auto access = must(must(of.map_cpu()).begin(Usage::Write, soon()));
    access.bytes()[0] = value;
    must(access.end());
  }
  static std::byte device_reads(const Mapping& of) {
    auto access = must(of.begin_access(Usage::Read, soon()));
    std::byte found{};
    must(static_cast<const DmaView*>(of.native(kDmaView))->read(0, 0, std::span(&found, 1)));
    must(access.end());
    return found;
  }
};

TEST_F(CoreLazySyncApart, DeviceSeesWhatWasWrittenLast) {
  const auto memory = buffer(kPage, kSeparate);
  auto attachment = must(memory.attach(open("dma"), Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  for (const auto value : {std::byte{1}, std::byte{2}, std::byte{3}}) {
    write(memory, value);
    write(memory, value ^ std::byte{0x80});
    EXPECT_EQ(device_reads(mapping), value ^ std::byte{0x80});
  }
}

TEST_F(CoreLazySyncApart, WithoutThePaymentTheDeviceSeesOldBytes) {
  Tampering tampering(kernel);
  auto careless = make_runtime(tampering.table());
  const auto memory = must(careless.allocate(kPage, kSeparate));
  auto attachment =
      must(memory.attach(must(careless.open_device("testdma", {.id = "dma"})), Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  write(memory, std::byte{1});
  tampering.swallow_sync([](std::size_t, std::uint64_t flags) { return (flags & DMA_BUF_SYNC_END) != 0; });
  EXPECT_NE(device_reads(mapping), std::byte{1});
  tampering.swallow_sync([](std::size_t, std::uint64_t) { return false; });
  kernel.forget_violations();
}

// For ThreadSanitizer too. The fake kernel notes a device that looks while the CPU's bracket is open, and one
// that is left open at the end.
TEST_F(CoreLazySyncApart, TurnsOfManyThreadsAndADescriptorThatLeaves) {
  for (int round = 0; round < 20; ++round) {
    const auto memory = buffer(kPage, kSeparate);
    auto attachment = must(memory.attach(open("dma"), Usage::ReadWrite));
    const auto mapping = must(attachment.map(Direction::Bidirectional));
    std::atomic<int> turns{0};
    std::vector<std::jthread> threads;
    for (const Usage usage : {Usage::Read, Usage::Read, Usage::ReadWrite}) {
      threads.emplace_back([&, usage] {
        const auto mine = must(memory.map_cpu());
        for (int i = 0; i < 100; ++i) {
          if (auto access = mine.begin(usage, soon())) {
            must(access->end());
            ++turns;
          } else {
            EXPECT_EQ(access.error().code(), Errc::Busy);
          }
        }
      });
    }
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        if (auto access = mapping.begin_access(Usage::Write, soon())) {
          must(access->end());
          ++turns;
        }
      }
    });
    threads.emplace_back([&] {
      while (turns < 50) {
        std::this_thread::yield();
      }
      must(memory.fd());
    });
    threads.clear();
    EXPECT_THAT(kernel.info(must(memory.dup_fd()).get())->open_brackets, IsEmpty()) << "nobody has a turn";
  }
}

}  // namespace
}  // namespace causeway::test
