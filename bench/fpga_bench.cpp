// SPDX-License-Identifier: Apache-2.0
//
// Frames through the simulated FPGA, and what it costs to set a card up for them, against a driver by hand.
// The bytes a second are the simulator's, by the width of its data path.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <causeway/fpga_sim.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "hardware.hpp"
#include "registers.hpp"
#include "suite.hpp"

namespace causeway::bench {
namespace {

namespace rtl = fpga_sim_backend;
namespace reg = fpga_sim_backend::reg;
using rtl::Ring;

constexpr auto kPatience = std::chrono::seconds(60);
constexpr std::uint32_t kWidth = 640;
constexpr std::uint32_t kHeight = 480;
constexpr std::uint64_t kRun = std::uint64_t{64} * 1024;  // bytes of an SgTable's entry
constexpr std::uint64_t kPage = 4096;

/// A card, and two frames of luma that it was proved to see.
struct Frames {
  Frames(Runtime& runtime, unsigned bits, std::uint32_t width, std::uint32_t height, std::uint64_t run = kRun)
      : card(fpga_sim::open(runtime, {.data_bits = bits, .max_run = run}).value()),
        pool(runtime.negotiate({.format = formats::kR8, .width = width, .height = height})
                 .with(card, Usage::ReadWrite)
                 .allocate(2)
                 .value()) {
    require(pool.report().imports.at(0).verdict == AliasVerdict::Aliased,
            "the card does not see the memory itself");
  }
  [[nodiscard]] const Mapping& from() const { return pool.frame(0).on(card); }
  [[nodiscard]] const Mapping& to() const { return pool.frame(1).on(card); }

  Device card;
  FramePool pool;
};

void count_bytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * std::int64_t{kWidth} * kHeight);
}

// ---------------------------------------------------------------- a frame, again and again

void by_us(Suite& suite, benchmark::State& state, unsigned bits) {
  const Frames frames(suite.runtime(), bits, kWidth, kHeight);
  auto job = fpga_sim::Job::prepare(frames.card, frames.from(), frames.to(), fpga_sim::Kernel::Sobel).value();
  const auto before = fpga_sim::counters(frames.card).value();
  for (auto _ : state) {
    auto reads = frames.from().begin_access(Usage::Read, Deadline::in(kPatience)).value();
    auto writes = frames.to().begin_access(Usage::Write, Deadline::in(kPatience)).value();
    static_cast<void>(job.submit().value());
    job.wait(Deadline::in(kPatience)).value();
    static_cast<void>(reads.end().value());
    static_cast<void>(writes.end().value());
  }
  const auto after = fpga_sim::counters(frames.card).value();
  require(after.descriptors_written == before.descriptors_written, "a repeated frame was set up again");
  count_bytes(state);
}

/// The descriptors of a ring, as PG021 lays them out, linked to a circle, at an address of the card's; the
/// entries are cut off where the frame's last beat ends. The last one's address.
std::uint64_t write_ring(std::byte* to, std::uint64_t address, std::span<const cw_sg_entry> entries,
                         std::uint64_t bytes, bool marks) {
  rtl::Descriptor* made = nullptr;
  std::uint64_t next = address;
  std::uint32_t flags = marks ? rtl::descriptor::kSof : 0U;
  for (std::size_t i = 0; bytes > 0; ++i) {
    const std::uint64_t length = std::min(entries[i].length, bytes);
    bytes -= length;
    next += sizeof(rtl::Descriptor);
    made = new (to) rtl::Descriptor{.next = rtl::low(next),
                                    .next_msb = rtl::high(next),
                                    .address = rtl::low(entries[i].address),
                                    .address_msb = rtl::high(entries[i].address),
                                    .reserved = {},
                                    .control = rtl::low(length) | flags,
                                    .status = 0,
                                    .application = {}};
    to += sizeof(rtl::Descriptor);
    flags = 0;
  }
  made->next = rtl::low(address);
  made->next_msb = rtl::high(address);
  made->control |= marks ? rtl::descriptor::kEof : 0U;
  return next - sizeof(rtl::Descriptor);
}

/// A driver for the card by its registers alone: what is left of it for a repeated frame is two tails, two
/// interrupts and their acknowledgements.
class OwnDriver {
public:
  OwnDriver(Runtime& runtime, const Frames& frames)
      : registers_(fpga::registers(frames.card).value()),
        interrupts_{fpga::interrupt(frames.card, 0).value(), fpga::interrupt(frames.card, 1).value()},
        rings_(runtime.allocate(kPage).value()),
        attachment_(rings_.attach(frames.card, Usage::ReadWrite).value()),
        mapping_(attachment_.map(Direction::Bidirectional).value()) {
    fpga::reset(frames.card).value();
    const auto stride = frames.pool.frame(0).frame().layout().planes[0].stride;
    const std::uint64_t bytes = std::uint64_t{stride} * kHeight;
    const std::uint64_t rings = fpga::iova(mapping_).value().address;
    const std::array begins{rings, rings + kPage / 2};
    {
      const auto cpu = rings_.map_cpu().value();
      auto access = cpu.begin(Usage::Write, Deadline::in(kPatience)).value();
      tails_ = {write_ring(access.bytes().data(), begins[0], frames.from().sg(), bytes, true),
                write_ring(access.bytes().data() + kPage / 2, begins[1], frames.to().sg(), bytes, false)};
      access.end().value();
    }
    registers_.write32(reg::kWidth, kWidth).value();
    registers_.write32(reg::kHeight, kHeight).value();
    registers_.write32(reg::kInStride, stride).value();
    registers_.write32(reg::kOutStride, stride).value();
    registers_.write32(reg::kKernel, rtl::kernel::kEnable | CW_FPGA_SIM_SOBEL).value();
    for (std::size_t i = 0; i < rtl::kRings.size(); ++i) {
      write(rtl::kRings.at(i), reg::kCurrent, rtl::low(begins.at(i)));
      write(rtl::kRings.at(i), reg::kCurrent + 4, rtl::high(begins.at(i)));
      write(rtl::kRings.at(i), reg::kControl,
            rtl::control::kRun | rtl::control::kCyclic | rtl::control::kIocIrq | rtl::control::kErrorIrq);
      write(rtl::kRings.at(i), reg::kTail, rtl::low(tails_.at(i)));
    }
  }

  void run() {
    write(Ring::S2mm, reg::kTailHigh, rtl::high(tails_[1]));
    write(Ring::Mm2s, reg::kTailHigh, rtl::high(tails_[0]));
    for (const auto& interrupt : interrupts_) {
      pollfd waits{.fd = interrupt.get(), .events = POLLIN, .revents = 0};
      std::uint64_t count = 0;
      require(::poll(&waits, 1, 60'000) == 1 &&
                  ::read(interrupt.get(), &count, sizeof(count)) == ssize_t{sizeof(count)},
              "the card did not interrupt");
    }
    for (const auto ring : rtl::kRings) {
      write(ring, reg::kStatus, rtl::status::kIoc);
    }
  }

private:
  void write(Ring ring, std::uint32_t offset, std::uint32_t value) {
    registers_.write32(static_cast<std::uint32_t>(ring) + offset, value).value();
  }

  fpga::Registers registers_;
  std::array<BorrowedFd, 2> interrupts_;
  DmaBuf rings_;
  Attachment attachment_;
  Mapping mapping_;
  std::array<std::uint64_t, 2> tails_{};
};

void by_registers(Suite& suite, benchmark::State& state, unsigned bits) {
  const Frames frames(suite.runtime(), bits, kWidth, kHeight);
  OwnDriver driver(suite.runtime(), frames);
  for (auto _ : state) {
    driver.run();
  }
  count_bytes(state);
}

// ---------------------------------------------------------------- setting up for a frame, once

constexpr std::uint32_t kLargeWidth = 3840;
constexpr std::uint32_t kLargeHeight = 2160;  // 127 entries of 64 KiB, or 2025 of a page, on either side

template <class Body>
void time_one(benchmark::State& state, Body&& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
}

void prepare_by_us(Suite& suite, benchmark::State& state, std::uint64_t run) {
  const Frames frames(suite.runtime(), 512, kLargeWidth, kLargeHeight, run);
  for (auto _ : state) {
    std::optional<fpga_sim::Job> job;
    time_one(state, [&] {
      job.emplace(
          fpga_sim::Job::prepare(frames.card, frames.from(), frames.to(), fpga_sim::Kernel::Sobel).value());
    });
  }
}

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Pages = std::unique_ptr<std::byte, Free>;

Pages pages(std::uint64_t size) {
  return Pages(static_cast<std::byte*>(std::aligned_alloc(kPage, size)));
}

/// Memory for descriptors, its addresses for the card, and the descriptors: nothing is checked.
void prepare_by_hand(benchmark::State& state, std::uint64_t run) {
  rtl::Hardware hardware(
      512, run, [](auto, unsigned) {}, [](auto) {});
  constexpr std::uint64_t kBytes = std::uint64_t{kLargeWidth} * kLargeHeight;
  const std::array frames{pages(kBytes), pages(kBytes)};
  const auto map = [&](std::byte* memory) {
    std::vector<cw_sg_entry> entries;
    hardware.with_iommu([&](rtl::Iommu& iommu) { entries = iommu.map(memory, kBytes, true).value(); });
    return entries;
  };
  const auto in = map(frames[0].get());
  const auto out = map(frames[1].get());
  for (auto _ : state) {
    Pages rings;
    cw_sg_entry mapped{};
    time_one(state, [&] {
      const std::uint64_t second = in.size() * sizeof(rtl::Descriptor);
      const std::uint64_t size = (second + out.size() * sizeof(rtl::Descriptor) + kPage - 1) / kPage * kPage;
      rings = pages(size);
      hardware.with_iommu(
          [&](rtl::Iommu& iommu) { mapped = iommu.map_run(rings.get(), size, true).value(); });
      benchmark::DoNotOptimize(write_ring(rings.get(), mapped.address, in, kBytes, true));
      benchmark::DoNotOptimize(write_ring(rings.get() + second, mapped.address + second, out, kBytes, false));
    });
    hardware.with_iommu([&](rtl::Iommu& iommu) { iommu.unmap({&mapped, 1}); });
  }
}

}  // namespace

void add_fpga_rows(Suite& suite) {
  for (const unsigned bits : {64U, 512U}) {
    const std::string row = "Fpga/Frame/bits:" + std::to_string(bits);
    suite.add(row, "us", [&suite, bits](auto& state) { by_us(suite, state, bits); });
    suite.add(row, "raw:registers", [&suite, bits](auto& state) { by_registers(suite, state, bits); });
  }
  const auto add_set_up = [&suite](const std::string& descriptors, std::uint64_t run) {
    const std::string row = "Fpga/SetUp/descriptors:" + descriptors;
    suite.add_timed(row, "us", [&suite, run](auto& state) { prepare_by_us(suite, state, run); });
    suite.add_timed(row, "raw", [run](auto& state) { prepare_by_hand(state, run); });
  };
  add_set_up("254", kRun);
  add_set_up("4050", kPage);
}

}  // namespace causeway::bench
