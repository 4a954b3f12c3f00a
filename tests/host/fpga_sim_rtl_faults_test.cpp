// SPDX-License-Identifier: Apache-2.0
//
// The engine alone, with a bus that answers DECERR and SLVERR, and with descriptors that are wrong: which
// bits of DMASR and of the descriptor say so, where CURDESC points, and that a reset mends it.
#include <gtest/gtest.h>

#include <string>

#include "host/fpga_sim_rtl_bench.hpp"

namespace causeway::test {
namespace {

using rtl::Response;
using rtl::Ring;
namespace reg = rtl::reg;
namespace status = rtl::status;
namespace descriptor = rtl::descriptor;

constexpr std::uint32_t kRowBytes = 4096;
constexpr std::uint32_t kRows = 4;  // one descriptor each

class RtlFaults : public ::testing::TestWithParam<unsigned> {
protected:
  RtlFaults() : bench(GetParam(), 0x20000, 7, 6, 20) {
    for (std::uint32_t i = 0; i < kRows; ++i) {
      in_places.push_back(Arena::kBase + 0x40 * i);
      out_places.push_back(Arena::kBase + 0x1000 + 0x40 * i);
      in.push_back({Arena::kBase + 0x4000 + kRowBytes * i, kRowBytes});
      out.push_back({Arena::kBase + 0x10000 + kRowBytes * i, kRowBytes});
    }
    for (std::size_t i = 0x4000; i < 0x8000; ++i) {
      bench.memory.bytes[i] = static_cast<std::byte>(i * 7 + i / 256);
    }
    write_rings();
  }

  void write_rings() {
    bench.write_ring(in_places, in, true);
    bench.write_ring(out_places, out, false);
  }
  void change(std::uint64_t place, const std::function<void(rtl::Descriptor&)>& how) {
    auto changed = bench.memory.descriptor(place);
    how(changed);
    bench.memory.set(place, changed);
  }
  void go(bool cyclic = false, std::uint32_t rows = kRows) {
    bench.set_image(
        {.mode = 0, .width = kRowBytes, .height = rows, .in_stride = kRowBytes, .out_stride = kRowBytes});
    bench.start(Ring::S2mm, out_places.front(), out_places.back(), cyclic);
    bench.start(Ring::Mm2s, in_places.front(), in_places.back(), cyclic);
  }
  [[nodiscard]] bool moved_all() const {
    return std::equal(bench.memory.bytes.begin() + 0x4000, bench.memory.bytes.begin() + 0x8000,
                      bench.memory.bytes.begin() + 0x10000);
  }

  /// The ring stopped with this error bit alone, at the descriptor of that place.
  void expect_stopped(Ring ring, std::uint32_t error, std::uint64_t at) {
    const unsigned line = ring == Ring::Mm2s ? 1U : 2U;
    ASSERT_TRUE(bench.until_interrupt(line));
    const auto seen = bench.read(ring, reg::kStatus);
    EXPECT_EQ(seen & status::kErrors, error);
    EXPECT_NE(seen & status::kHalted, 0U);
    EXPECT_NE(seen & status::kErrorIrq, 0U);
    EXPECT_EQ(seen & status::kIoc, 0U);
    EXPECT_EQ(bench.read(ring, reg::kControl) & rtl::control::kRun, 0U);
    EXPECT_EQ(bench.current(ring), at);
    // It moves no further, whatever is written to the tail.
    const auto before = bench.memory.bytes;
    bench.move_tail(ring, at);
    bench.run(500);
    EXPECT_EQ(bench.memory.bytes == before, true);
  }
  [[nodiscard]] std::uint32_t status_of(std::uint64_t place) const {
    return bench.memory.descriptor(place).status;
  }

  /// After a reset the same rings do their work.
  void expect_mended() {
    bench.memory.clear_faults();
    ASSERT_TRUE(bench.soft_reset());
    EXPECT_EQ(bench.engine->interrupts(), 0U);
    for (const auto ring : {Ring::Mm2s, Ring::S2mm}) {
      EXPECT_EQ(bench.read(ring, reg::kStatus) & (status::kErrors | status::kHalted), status::kHalted);
    }
    write_rings();
    go();
    ASSERT_TRUE(bench.until_interrupt(3));
    EXPECT_TRUE(moved_all());
    EXPECT_EQ(bench.engine->violations(), 0U);
    ASSERT_TRUE(bench.soft_reset());  // for what the test does next
    write_rings();
  }

  Bench bench;
  std::vector<Piece> in, out;
  std::vector<std::uint64_t> in_places, out_places;
};

INSTANTIATE_TEST_SUITE_P(Bits, RtlFaults, ::testing::Values(64U, 512U));

TEST_P(RtlFaults, NoneAtAll) {
  go();
  ASSERT_TRUE(bench.until_interrupt(3));
  EXPECT_TRUE(moved_all());
}

TEST_P(RtlFaults, OfADescriptorsFetch) {
  for (const auto ring : {Ring::Mm2s, Ring::S2mm}) {
    for (const auto response : {Response::DecodeError, Response::SlaveError}) {
      const auto& places = ring == Ring::Mm2s ? in_places : out_places;
      bench.memory.plant(places[1] + 8, false, response);
      go();
      expect_stopped(ring, response == Response::DecodeError ? status::kSgDecErr : status::kSgSlvErr,
                     places[1]);
      EXPECT_EQ(status_of(places[1]), 0U);
      EXPECT_EQ(status_of(places[0]) & descriptor::kComplete, descriptor::kComplete);
      expect_mended();
    }
  }
}

TEST_P(RtlFaults, OfDataRead) {
  for (const auto response : {Response::DecodeError, Response::SlaveError}) {
    const bool decode = response == Response::DecodeError;
    bench.memory.plant(in[2].address + 1024, false, response);
    go();
    expect_stopped(Ring::Mm2s, decode ? status::kDmaDecErr : status::kDmaSlvErr, in_places[2]);
    // What came before the bad beat was read and handed on.
    EXPECT_EQ(status_of(in_places[2]), (decode ? descriptor::kDecErr : descriptor::kSlvErr) | 1024U);
    EXPECT_EQ(status_of(in_places[3]), 0U);
    // The other ring waits for the rest of the packet.
    EXPECT_EQ(bench.read(Ring::S2mm, reg::kStatus) & (status::kIdle | status::kHalted | status::kErrors), 0U);
    expect_mended();
  }
}

TEST_P(RtlFaults, OfDataWritten) {
  for (const auto response : {Response::DecodeError, Response::SlaveError}) {
    const bool decode = response == Response::DecodeError;
    bench.memory.plant(out[1].address + 2048, true, response);
    go();
    expect_stopped(Ring::S2mm, decode ? status::kDmaDecErr : status::kDmaSlvErr, out_places[1]);
    const auto seen = status_of(out_places[1]);
    EXPECT_EQ(seen & ~descriptor::kBytes, decode ? descriptor::kDecErr : descriptor::kSlvErr);
    EXPECT_GT(seen & descriptor::kBytes, 2048U);
    expect_mended();
  }
}

TEST_P(RtlFaults, OfAStatusWrite) {
  for (const auto ring : {Ring::Mm2s, Ring::S2mm}) {
    const auto& places = ring == Ring::Mm2s ? in_places : out_places;
    bench.memory.plant(places[0] + 0x1c, true, Response::DecodeError);
    go();
    expect_stopped(ring, status::kSgDecErr, places[0]);
    EXPECT_EQ(status_of(places[0]), 0U);
    expect_mended();
  }
}

TEST_P(RtlFaults, ALengthOfZero) {
  for (const auto ring : {Ring::Mm2s, Ring::S2mm}) {
    const auto place = (ring == Ring::Mm2s ? in_places : out_places)[1];
    change(place, [](rtl::Descriptor& d) { d.control &= ~0xfffffU; });
    go();
    expect_stopped(ring, status::kDmaIntErr, place);
    EXPECT_EQ(status_of(place), descriptor::kIntErr);
    expect_mended();
  }
}

TEST_P(RtlFaults, AnAddressOrALengthThatIsNoWholeBeat) {
  for (const auto ring : {Ring::Mm2s, Ring::S2mm}) {
    const auto place = (ring == Ring::Mm2s ? in_places : out_places)[0];
    change(place, [](rtl::Descriptor& d) { d.address += 4; });
    go();
    expect_stopped(ring, status::kDmaIntErr, place);
    expect_mended();
    change(place, [](rtl::Descriptor& d) { d.control -= 4; });
    go();
    expect_stopped(ring, status::kDmaIntErr, place);
    expect_mended();
  }
}

// Nothing in the tail's way, and a chain that comes back: the second visit finds a descriptor that is done.
TEST_P(RtlFaults, AChainThatLoops) {
  change(in_places[1], [&](rtl::Descriptor& d) { d.next = static_cast<std::uint32_t>(in_places[0]); });
  go();
  expect_stopped(Ring::Mm2s, status::kSgIntErr, in_places[0]);
  expect_mended();
  // The bit that permits it, which is what a ring of frames is driven by.
  change(in_places[1], [&](rtl::Descriptor& d) { d.next = static_cast<std::uint32_t>(in_places[0]); });
  go(true);
  EXPECT_TRUE(bench.until_interrupt(2));
  EXPECT_EQ(bench.read(Ring::Mm2s, reg::kStatus) & status::kErrors, 0U);
}

// A tail that is written again sends the same rings round once more.
TEST_P(RtlFaults, ARingGoesRoundAtEachWriteOfTheTail) {
  go(true);
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(bench.until_interrupt(3)) << round;
    EXPECT_TRUE(moved_all()) << round;
    for (const auto ring : {Ring::Mm2s, Ring::S2mm}) {
      bench.write(ring, reg::kStatus, status::kIoc);
    }
    EXPECT_EQ(bench.engine->interrupts(), 0U);
    bench.run(300);
    EXPECT_EQ(bench.engine->interrupts(), 0U) << "it went round by itself";
    for (std::size_t i = 0x4000; i < 0x8000; ++i) {
      bench.memory.bytes[i] ^= std::byte{0x5a};
    }
    bench.write(Ring::S2mm, reg::kTailHigh, static_cast<std::uint32_t>(out_places.back() >> 32U));
    bench.write(Ring::Mm2s, reg::kTailHigh, static_cast<std::uint32_t>(in_places.back() >> 32U));
  }
}

// Stopping is not losing: a ring that was stopped in the middle goes on from where CURDESC says.
TEST_P(RtlFaults, RunStopAndRunAgain) {
  go();
  bench.run(150);
  bench.write(Ring::Mm2s, reg::kControl, 0);
  for (int i = 0; i < 20'000 && (bench.read(Ring::Mm2s, reg::kStatus) & status::kHalted) == 0; ++i) {
  }
  const auto at = bench.current(Ring::Mm2s);
  EXPECT_GT(at, in_places.front());
  EXPECT_FALSE(bench.until_interrupt(3, 5000));
  bench.write(Ring::Mm2s, reg::kControl,
              rtl::control::kRun | rtl::control::kIocIrq | rtl::control::kErrorIrq);
  bench.move_tail(Ring::Mm2s, in_places.back());
  ASSERT_TRUE(bench.until_interrupt(3));
  EXPECT_TRUE(moved_all());
}

// At whatever clock it comes, a reset breaks no rule of the bus and leaves an engine that works.
TEST_P(RtlFaults, AResetAtAnyMoment) {
  Random random(GetParam());
  for (int round = 0; round < 150; ++round) {
    write_rings();
    go();
    bench.run(pick(random, 0, 1200));
    ASSERT_TRUE(bench.soft_reset()) << round;
    const auto before = bench.memory.bytes;
    bench.run(200);
    EXPECT_TRUE(bench.memory.bytes == before) << "it went on writing";
  }
  expect_mended();
}

// A packet that is not the image's size: said by the kernel's status, and the rings wait for ever.
TEST_P(RtlFaults, AnImageLargerThanThePacket) {
  go(false, kRows + 1);
  bench.run(50'000);
  EXPECT_EQ(bench.engine->interrupts(), 1U);
  EXPECT_EQ(bench.engine->read_register(reg::kKernelStatus), rtl::kernel::kMismatch);
  expect_mended();
}

}  // namespace
}  // namespace causeway::test
