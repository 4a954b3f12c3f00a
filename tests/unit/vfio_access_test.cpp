// SPDX-License-Identifier: Apache-2.0
//
// A card at work: registers, its interrupts as fences, and a card that never interrupts.
#include <poll.h>
#include <unistd.h>

#include <thread>

#include "unit/vfio_harness.hpp"

namespace causeway::test {
namespace {

class VfioAccess : public VfioTest {
protected:
  void SetUp() override {
    VfioTest::SetUp();
    card.emplace(open());
    edu.emplace(*card);
    edu->started = [this] { work(); };
  }
  void TearDown() override {
    edu.reset();
    card.reset();
    VfioTest::TearDown();
  }
  /// A transfer whose end is the interrupt that the test raises, its turn ended with the fence.
  [[nodiscard]] std::vector<Fence> start_reading(const Buffer& from) {
    edu->started = nullptr;
    auto access = must(from.mapping.begin_access(Usage::Write, soon()));
    must(edu->start(true, from.mapping.sg()[0].address, 64));
    return must(access.end());
  }

  std::optional<Device> card;
  std::optional<Edu> edu;
};

TEST_F(VfioAccess, MovesBytesFromOneBufferToAnother) {
  const auto from = buffer(*card, 3 * kPage, Direction::ToDevice);
  const auto to = buffer(*card, 3 * kPage, Direction::FromDevice);
  fill(from.memory, 9);
  auto reads = must(from.mapping.begin_access(Usage::Read, soon()));
  auto writes = must(to.mapping.begin_access(Usage::Write, soon()));
  must(edu->copy(from.mapping, to.mapping, soon()));
  EXPECT_TRUE(must(reads.end()).empty()) << "the card is done";
  EXPECT_TRUE(must(writes.end()).empty());
  EXPECT_EQ(bytes_of(from.memory), bytes_of(to.memory));
}

TEST_F(VfioAccess, ATurnThatEndsBeforeTheInterruptEndsWithItsFence) {
  const auto target = buffer(*card);
  const auto fences = start_reading(target);
  ASSERT_EQ(fences.size(), 1U);
  EXPECT_EQ(fences[0].kind(), FenceKind::Device);
  EXPECT_EQ(fences[0].status(), FenceStatus::Pending);
  auto mapped = must(target.memory.map_cpu());
  EXPECT_TRUE(fails_with(mapped.begin(Usage::Read, shortly()), Errc::TimedOut)) << "without the interrupt";
  vfio.raise();
  EXPECT_TRUE(fences[0].wait(soon()));
  auto access = must(mapped.begin(Usage::Read, soon()));
  must(access.end());
}

TEST_F(VfioAccess, TheNextDeviceWaitsForTheInterrupt) {
  const auto target = buffer(*card);
  const auto other = must(runtime->open_device("testdma", {.id = "dma"}));
  auto attached = must(target.memory.attach(other, Usage::Read));
  auto mapped = must(attached.map(Direction::ToDevice));
  static_cast<void>(start_reading(target));
  const auto waits = runtime->counters().cpu_waits;
  EXPECT_TRUE(fails_with(mapped.begin_access(Usage::Read, shortly()), Errc::TimedOut));
  std::thread hardware([this] { vfio.raise(); });
  auto access = must(mapped.begin_access(Usage::Read, soon()));
  hardware.join();
  must(access.end());
  EXPECT_GT(runtime->counters().cpu_waits, waits);
}

TEST_F(VfioAccess, TheCardWaitsForItsOwnFences) {
  const auto target = buffer(*card);
  static_cast<void>(start_reading(target));
  EXPECT_TRUE(fails_with(target.mapping.begin_access(Usage::Write, shortly()), Errc::TimedOut));
  vfio.raise();
  auto access = must(target.mapping.begin_access(Usage::Write, soon()));
  must(access.end());
}

TEST_F(VfioAccess, SeveralWaitForOneInterrupt) {
  const auto target = buffer(*card);
  const auto fence = start_reading(target).at(0);
  std::vector<std::thread> waiters;
  std::atomic<int> woken = 0;
  waiters.reserve(4);
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&] { woken += fence.wait(soon()) ? 1 : 0; });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(woken, 0);
  vfio.raise();
  for (auto& waiter : waiters) {
    waiter.join();
  }
  EXPECT_EQ(woken, 4);
}

TEST_F(VfioAccess, ACardThatNeverInterruptsIsResetAtTheDeadline) {
  interrupts = false;
  const auto target = buffer(*card);
  auto access = must(target.mapping.begin_access(Usage::Write, soon()));
  const auto resets = vfio.resets();
  must(edu->start(true, target.mapping.sg()[0].address, 64));
  const auto fences = must(access.end());
  EXPECT_TRUE(fails_with(edu->finish(shortly()), Errc::TimedOut,
                         {"0000:00:04.0", "interrupt 0", "was reset", "dmesg | grep -e DMAR"}));
  EXPECT_EQ(vfio.resets(), resets + 1);
  ASSERT_EQ(fences.size(), 1U);
  EXPECT_EQ(fences[0].error(), ETIMEDOUT) << "whoever waits for the card does not wait for ever";
  auto mapped = must(target.memory.map_cpu());
  EXPECT_TRUE(fails_with(mapped.begin(Usage::Read, soon()), Errc::Io)) << "its bytes are not what was to be";

  interrupts = true;  // and it works again
  EXPECT_TRUE(vfio.masters());
  const auto next = buffer(*card, kPage);
  EXPECT_TRUE(edu->move(true, next.mapping.sg()[0].address, 64, soon()));
}

TEST_F(VfioAccess, ACardWithoutAResetIsStopped) {
  edu.reset();
  card.reset();
  vfio.configure({.can_reset = false});
  card.emplace(open());
  edu.emplace(*card);
  const auto target = buffer(*card);
  must(edu->start(true, target.mapping.sg()[0].address, 64));
  EXPECT_TRUE(fails_with(edu->finish(shortly()), Errc::TimedOut, {"is stopped", "reset_method"}));
  EXPECT_TRUE(
      fails_with(fpga::reset(*card), Errc::Unsupported, {"bus mastering", "registers are as they were"}));
  EXPECT_TRUE(vfio.masters());
}

TEST_F(VfioAccess, AResetWakesWhoWaits) {
  edu->started = nullptr;
  const auto target = buffer(*card);
  must(edu->start(true, target.mapping.sg()[0].address, 64));
  std::thread other([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    must(fpga::reset(*card));
  });
  EXPECT_TRUE(fails_with(edu->finish(soon()), Errc::Io, {"was reset before its interrupt 0"}));
  other.join();
  // What woke him is no interrupt of the next transfer.
  must(edu->start(true, target.mapping.sg()[0].address, 64));
  EXPECT_TRUE(fails_with(edu->finish(shortly()), Errc::TimedOut));
}

TEST_F(VfioAccess, InterruptsFromBeforeAreForgotten) {
  edu->started = nullptr;
  vfio.raise();
  const auto target = buffer(*card);
  must(edu->start(true, target.mapping.sg()[0].address, 64));
  EXPECT_TRUE(fails_with(edu->finish(shortly()), Errc::TimedOut));
}

TEST_F(VfioAccess, OneThingIsExpectedAtATime) {
  EXPECT_TRUE(fails_with(fpga_vfio::wait(*card, 0, soon()), Errc::WrongState, {"never expected"}));
  must(fpga_vfio::expect(*card, 0));
  EXPECT_TRUE(fails_with(fpga_vfio::expect(*card, 0), Errc::Busy, {"expected already"}));
  vfio.raise();
  must(fpga_vfio::expect(*card, 0));  // the last one came, though nobody looked
  vfio.raise();
  must(fpga_vfio::wait(*card, 0, soon()));
  must(fpga_vfio::wait(*card, 0, Deadline::now()));  // and stays so
  EXPECT_TRUE(fails_with(fpga_vfio::expect(*card, 1), Errc::NotFound, {"no interrupt 1", "from 0 to 0"}));
}

TEST_F(VfioAccess, AnEventOfTheProgramMaySpeakForTheInterrupt) {
  const auto target = buffer(*card);
  const auto fd = must(fpga::interrupt(*card, 0));
  auto event = must(HostEvent::create(*runtime));
  auto access = must(target.mapping.begin_access(Usage::Write, soon()));
  const std::array fences{event.fence()};
  must(access.end(fences));
  auto mapped = must(target.memory.map_cpu());
  EXPECT_TRUE(fails_with(mapped.begin(Usage::Read, shortly()), Errc::TimedOut));
  std::thread loop([&] {
    pollfd waits{.fd = fd.get(), .events = POLLIN, .revents = 0};
    std::uint64_t count = 0;
    EXPECT_EQ(::poll(&waits, 1, 20'000), 1);
    EXPECT_EQ(::read(fd.get(), &count, sizeof(count)), ssize_t{sizeof(count)});
    EXPECT_EQ(count, 1U);
    must(event.signal());
  });
  vfio.raise();
  auto reads = must(mapped.begin(Usage::Read, soon()));
  loop.join();
  must(reads.end());
}

TEST_F(VfioAccess, ADroppedTurnOfAnUnknownCardEndsItsDma) {
  const auto target = buffer(*card);
  { auto dropped = must(target.mapping.begin_access(Usage::Write, soon())); }
  EXPECT_FALSE(vfio.masters()) << "nobody says what the card does";
  EXPECT_TRUE(log.says(LogLevel::Warning, "its bus mastering is off until fpga::reset()"));
  must(fpga::reset(*card));
  EXPECT_TRUE(vfio.masters());
}

TEST_F(VfioAccess, ADroppedTurnIsOverAtTheInterrupt) {
  edu->started = nullptr;
  const auto target = buffer(*card);
  {
    auto dropped = must(target.mapping.begin_access(Usage::Write, soon()));
    must(edu->start(true, target.mapping.sg()[0].address, 64));
  }
  auto mapped = must(target.memory.map_cpu());
  EXPECT_FALSE(mapped.begin(Usage::Write, shortly())) << "the card may still write";
  vfio.raise();
  must(fpga_vfio::wait(*card, 0, soon()));
  auto access = must(mapped.begin(Usage::Write, soon()));
  must(access.end());
  EXPECT_TRUE(vfio.masters());
}

class VfioRegisters : public VfioTest, public ::testing::WithParamInterface<const char*> {
protected:
  void SetUp() override {
    VfioTest::SetUp();
    const std::string way = GetParam();
    vfio.configure({.bar_is_mappable = way != "Unmappable", .bar_has_parts = way == "InParts"});
  }
};

TEST_P(VfioRegisters, AreReadWrittenAndChecked) {
  const auto card = open();
  const auto registers = must(fpga::registers(card));
  EXPECT_EQ(registers.size(), FakeVfio::kBarSize);
  must(registers.write32(FakeVfio::kBarSize - 4, 0x12345678));
  EXPECT_EQ(must(registers.read32(FakeVfio::kBarSize - 4)), 0x12345678U);
  if (std::string(GetParam()) != "Unmappable") {
    EXPECT_EQ(vfio.read_register(FakeVfio::kBarSize - 4), 0x12345678U);
  }
  for (const std::uint64_t offset :
       {FakeVfio::kBarSize, FakeVfio::kBarSize - 2, std::uint64_t{1}, ~std::uint64_t{3}}) {
    EXPECT_TRUE(fails_with(registers.read32(offset), Errc::InvalidArgument,
                           {"BAR 0", "multiples of 4 below 0x100000"}));
    EXPECT_TRUE(fails_with(registers.write32(offset, 1), Errc::InvalidArgument));
  }
  const auto second = must(fpga::registers(card, 2));
  EXPECT_EQ(second.size(), kPage);
  EXPECT_FALSE(second.read32(kPage));
  EXPECT_TRUE(fails_with(fpga::registers(card, 1), Errc::NotFound, {"no BAR 1", "has 0 2"}));
  EXPECT_TRUE(fails_with(fpga::registers(card, 6), Errc::NotFound));
}

INSTANTIATE_TEST_SUITE_P(Vfio, VfioRegisters, ::testing::Values("Mappable", "Unmappable", "InParts"),
                         [](const auto& way) { return std::string(way.param); });

TEST_F(VfioTest, MsixGoesBeforeMsi) {
  vfio.configure({.msi = 2, .msix = 40});
  const auto card = open();
  const auto& table = *static_cast<const cw_fpga_card*>(card.interface(CW_FPGA_CARD_INTERFACE));
  EXPECT_EQ(table.interrupt_count, 32U);
  must(fpga_vfio::expect(card, 31));
  EXPECT_TRUE(vfio.raise(31));
  must(fpga_vfio::wait(card, 31, soon()));
}

TEST_F(VfioTest, ACardWithoutInterruptsIsStillACard) {
  vfio.configure({.msi = 0});
  const auto card = open();
  EXPECT_TRUE(fails_with(fpga::interrupt(card, 0), Errc::NotFound, {"neither MSI-X nor MSI"}));
}

}  // namespace
}  // namespace causeway::test
