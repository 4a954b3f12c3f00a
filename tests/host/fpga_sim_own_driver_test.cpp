// SPDX-License-Identifier: Apache-2.0
//
// A driver of one's own for the card, by registers, interrupts and device addresses alone (docs/fpga.md), and
// what happens when it is wrong: the IOMMU stops the engine, DMASR has the bit, the log has one sentence.
#include <gmock/gmock.h>
#include <unistd.h>

#include "host/fpga_sim_card.hpp"

namespace causeway::test {
namespace {

using rtl::Ring;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace reg = rtl::reg;
namespace status = rtl::status;

constexpr std::uint32_t kBytes = 8192;

// Moves kBytes from a buffer to another one, with one descriptor a ring in a third one.
class OwnDriver : public CardTest, public ::testing::WithParamInterface<unsigned> {
protected:
  struct Buffer {
    DmaBuf memory;
    Attachment attachment;
    Mapping mapping;
    [[nodiscard]] std::uint64_t address(std::uint64_t offset = 0) const {
      return fpga::iova(mapping, 0, offset).value().address;
    }
  };
  [[nodiscard]] Buffer buffer(Usage usage, Direction direction) {
    auto memory = runtime->allocate(kBytes).value();
    auto attachment = memory.attach(*card, usage).value();
    auto mapping = attachment.map(direction).value();
    return {std::move(memory), std::move(attachment), std::move(mapping)};
  }

  void SetUp() override {
    open(GetParam());
    registers.emplace(fpga::registers(*card).value());
    rings.emplace(buffer(Usage::ReadWrite, Direction::Bidirectional));
    source.emplace(buffer(Usage::Read, Direction::ToDevice));
    target.emplace(buffer(Usage::ReadWrite, Direction::Bidirectional));
    in = {.address = source->address(), .length = kBytes, .next = rings->address(0)};
    out = {.address = target->address(), .length = kBytes, .next = rings->address(64)};
    // The alias proof used the engine; a driver begins with a card that it knows.
    fpga::reset(*card).value();
  }

  struct Words {
    std::uint64_t address;
    std::uint32_t length;
    std::uint64_t next;
  };
  void write_descriptors() {
    auto mapping = rings->memory.map_cpu().value();
    auto access = mapping.begin(Usage::Write, soon()).value();
    std::size_t at = 0;
    for (const auto& words : {in, out}) {
      rtl::Descriptor made{};
      made.next = static_cast<std::uint32_t>(words.next);
      made.next_msb = static_cast<std::uint32_t>(words.next >> 32U);
      made.address = static_cast<std::uint32_t>(words.address);
      made.address_msb = static_cast<std::uint32_t>(words.address >> 32U);
      made.control = words.length | rtl::descriptor::kSof | rtl::descriptor::kEof;
      std::memcpy(access.bytes().data() + at, &made, sizeof(made));
      at += 64;
    }
    access.end().value();
  }

  void write(Ring ring, std::uint32_t offset, std::uint32_t value) {
    registers->write32(static_cast<std::uint32_t>(ring) + offset, value).value();
  }
  void write64(Ring ring, std::uint32_t offset, std::uint64_t value) {
    write(ring, offset, static_cast<std::uint32_t>(value));
    write(ring, offset + 4, static_cast<std::uint32_t>(value >> 32U));
  }
  [[nodiscard]] std::uint32_t read(Ring ring, std::uint32_t offset) {
    return registers->read32(static_cast<std::uint32_t>(ring) + offset).value();
  }

  /// Starts both rings; descriptors and tail where a test says.
  void start(std::uint64_t in_at, std::uint64_t in_tail) {
    write_descriptors();
    registers->write32(reg::kWidth, kBytes).value();
    registers->write32(reg::kHeight, 1).value();
    registers->write32(reg::kKernel, rtl::kernel::kEnable).value();
    const auto begin = [&](Ring ring, std::uint64_t first, std::uint64_t tail) {
      write64(ring, reg::kCurrent, first);
      write(ring, reg::kControl, rtl::control::kRun | rtl::control::kIocIrq | rtl::control::kErrorIrq);
      write64(ring, reg::kTail, tail);
    };
    begin(Ring::S2mm, rings->address(64), rings->address(64));
    begin(Ring::Mm2s, in_at, in_tail);
  }
  void start() { start(rings->address(0), rings->address(0)); }

  /// Waits for the interrupt of a ring; how often it came.
  [[nodiscard]] std::uint64_t interrupted(Ring ring) {
    const auto fd = fpga::interrupt(*card, ring == Ring::Mm2s ? 0 : 1).value();
    pollfd waits{.fd = fd.get(), .events = POLLIN, .revents = 0};
    std::uint64_t count = 0;
    return ::poll(&waits, 1, 30'000) == 1 && ::read(fd.get(), &count, sizeof(count)) == sizeof(count) ? count
                                                                                                      : 0;
  }
  void look_for_interrupts() {
    for (const std::uint32_t i : {0U, 1U}) {
      ASSERT_TRUE(fpga::interrupt(*card, i));
    }
  }

  void expect_stopped(Ring ring, std::uint32_t error, const char* words) {
    EXPECT_EQ(interrupted(ring), 1U);
    while ((read(ring, reg::kStatus) & status::kIoc) != 0) {
      write(ring, reg::kStatus, status::kIoc);
      EXPECT_EQ(interrupted(ring), 1U);  // the error is an interrupt of its own
    }
    EXPECT_EQ(read(ring, reg::kStatus) & (status::kErrors | status::kHalted), error | status::kHalted);
    EXPECT_THAT(messages(),
                Contains(AllOf(HasSubstr(ring == Ring::Mm2s ? "ring MM2S" : "ring S2MM"), HasSubstr(words))));
  }
  void expect_fault(std::uint64_t address, bool write, bool mapped) {
    const auto fault = fpga_sim::last_fault(*card).value();
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->address, address);
    EXPECT_EQ(fault->write, write);
    EXPECT_EQ(fault->mapped, mapped);
    EXPECT_EQ(fault->count, 1U);
  }

  std::optional<fpga::Registers> registers;
  std::optional<Buffer> rings, source, target;
  Words in{}, out{};

  void TearDown() override {
    // The card's, so before the card.
    target.reset();
    source.reset();
    rings.reset();
    registers.reset();
  }
};
INSTANTIATE_TEST_SUITE_P(FpgaBits, OwnDriver, ::testing::Values(64U, 512U));

TEST_P(OwnDriver, MovesBytes) {
  look_for_interrupts();
  auto mapping = source->memory.map_cpu().value();
  auto access = mapping.begin(Usage::Write, soon()).value();
  std::memset(access.bytes().data(), 0x42, kBytes);
  access.end().value();
  start();
  EXPECT_EQ(interrupted(Ring::S2mm), 1U);
  EXPECT_EQ(interrupted(Ring::Mm2s), 1U);
  // The line is up until it is acknowledged; the event came once.
  EXPECT_NE(read(Ring::S2mm, reg::kStatus) & status::kIoc, 0U);
  write(Ring::S2mm, reg::kStatus, status::kIoc);
  EXPECT_EQ(read(Ring::S2mm, reg::kStatus) & status::kIoc, 0U);
  auto seen = target->memory.map_cpu().value();
  auto looks = seen.begin(Usage::Read, soon()).value();
  EXPECT_EQ(looks.bytes()[kBytes - 1], std::byte{0x42});
  looks.end().value();
  EXPECT_THAT(messages(), IsEmpty());
  EXPECT_FALSE(fpga_sim::last_fault(*card).value());
}

// The alias proof, or who had the card before, left some.
TEST_P(OwnDriver, AResetForgetsInterrupts) {
  look_for_interrupts();
  start();
  EXPECT_EQ(interrupted(Ring::S2mm), 1U);
  write(Ring::S2mm, reg::kStatus, status::kIoc);
  pollfd waits{.fd = fpga::interrupt(*card, 0).value().get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&waits, 1, 30'000), 1);
  fpga::reset(*card).value();
  EXPECT_EQ(::poll(&waits, 1, 0), 0);
  start();
  EXPECT_EQ(interrupted(Ring::Mm2s), 1U);
  EXPECT_EQ(interrupted(Ring::S2mm), 1U);
}

TEST_P(OwnDriver, AStrayReadIsBlockedAndSaid) {
  look_for_interrupts();
  in.address = source->address() + kBytes;  // the hole behind the buffer
  start();
  expect_stopped(Ring::Mm2s, status::kDmaDecErr, "the IOMMU blocked a read of");
  expect_fault(in.address, false, false);
}

TEST_P(OwnDriver, AStrayWriteIsBlockedAndSaid) {
  look_for_interrupts();
  out.address = 0x1000;
  start();
  expect_stopped(Ring::S2mm, status::kDmaDecErr, "the IOMMU blocked a write to 0x1000, which is not mapped");
}

// The first half is written before the card runs off the end of what is mapped.
TEST_P(OwnDriver, AnOverrunStopsAtTheEndOfTheMapping) {
  look_for_interrupts();
  out.address = target->address(kBytes / 2);
  start();
  expect_stopped(Ring::S2mm, status::kDmaDecErr, "which is not mapped");
  const auto fault = fpga_sim::last_fault(*card).value();
  EXPECT_GE(fault->address, target->address() + kBytes);
  EXPECT_LT(fault->address, target->address() + kBytes + 4096);
}

TEST_P(OwnDriver, WhatIsMappedForReadingIsNotWritten) {
  look_for_interrupts();
  out.address = source->address();
  auto mapping = source->memory.map_cpu().value();
  {
    auto access = mapping.begin(Usage::Write, soon()).value();
    std::memset(access.bytes().data(), 7, kBytes);
    access.end().value();
  }
  in.address = target->address();
  start();
  expect_stopped(Ring::S2mm, status::kDmaDecErr, "mapped for reading alone");
  const auto fault = fpga_sim::last_fault(*card).value();
  EXPECT_TRUE(fault->mapped && fault->write);
  auto access = mapping.begin(Usage::Read, soon()).value();
  EXPECT_EQ(access.bytes()[0], std::byte{7});
  access.end().value();
}

// The same transfer, before and after the mapping is gone.
TEST_P(OwnDriver, WhatWasUnmappedIsOutOfReach) {
  look_for_interrupts();
  start();
  EXPECT_EQ(interrupted(Ring::Mm2s), 1U);
  EXPECT_EQ(interrupted(Ring::S2mm), 1U);
  EXPECT_FALSE(fpga_sim::last_fault(*card).value());
  source->mapping = Mapping();
  fpga::reset(*card).value();
  start();
  expect_stopped(Ring::Mm2s, status::kDmaDecErr, "not mapped");
  expect_fault(in.address, false, false);
}

TEST_P(OwnDriver, ADescriptorOutside) {
  look_for_interrupts();
  start(0xdead'0000'0040, 0xdead'0000'0040);
  expect_stopped(Ring::Mm2s, status::kSgDecErr,
                 "a descriptor is outside of the memory that the card may reach");
  expect_fault(0xdead'0000'0040, false, false);
}

TEST_P(OwnDriver, AChainThatLoops) {
  look_for_interrupts();
  start(rings->address(0), rings->address(4096));  // a tail that the chain never comes to
  expect_stopped(Ring::Mm2s, status::kSgIntErr, "the chain loops");
}

TEST_P(OwnDriver, ALengthOfZero) {
  look_for_interrupts();
  in.length = 0;
  start();
  expect_stopped(Ring::Mm2s, status::kDmaIntErr, "length 0");
}

TEST_P(OwnDriver, RegistersOutOfRange) {
  EXPECT_EQ(registers->size(), reg::kEnd);
  EXPECT_TRUE(registers->read32(reg::kEnd - 4));
  for (const std::uint64_t offset : {std::uint64_t{reg::kEnd}, std::uint64_t{2}, ~std::uint64_t{3}}) {
    const auto seen = registers->read32(offset);
    ASSERT_FALSE(seen);
    EXPECT_EQ(seen.error().code(), Errc::InvalidArgument);
    EXPECT_THAT(seen.error().message(), HasSubstr("multiples of 4 below 0xa0"));
    EXPECT_EQ(registers->write32(offset, 1).error().code(), Errc::InvalidArgument);
  }
  EXPECT_EQ(fpga::registers(*card, 1).error().code(), Errc::NotFound);
  EXPECT_EQ(fpga::interrupt(*card, 2).error().code(), Errc::NotFound);
}

TEST_P(OwnDriver, SaysWhatTheCardIs) {
  const auto limits = registers->read32(reg::kLimits).value();
  EXPECT_EQ(limits & 0xffU, GetParam() / 8);
  EXPECT_EQ(limits >> 8U & 0xffU, rtl::kLengthBits);
  EXPECT_EQ(limits >> 16U, 8192U);
}

TEST(FpgaInterface, OtherDevicesAreNoCards) {
  auto runtime = Runtime::create().value();
  auto null = runtime.open_device("null").value();
  for (const auto& failure : {fpga::registers(null).error(), fpga::interrupt(null).error(),
                              fpga::reset(null).error(), fpga_sim::counters(null).error(),
                              fpga_sim::last_fault(null).error(), fpga::view(Mapping()).error()}) {
    EXPECT_EQ(failure.code(), Errc::InvalidArgument);
    EXPECT_THAT(failure.message(), HasSubstr("is no"));
  }
}

}  // namespace
}  // namespace causeway::test
