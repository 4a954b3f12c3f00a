// SPDX-License-Identifier: Apache-2.0
#include "host/fpga_sim_rtl_bench.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace causeway::test {
namespace {

struct Machine {
  const char* name;
  std::vector<const char*> states;
};
// As in rtl/, in the order of their values.
const std::vector<const char*> kRingStates{
    "HALTED", "IDLE",           "FETCH_ADDRESS", "FETCH_DATA",      "CHECK", "COMMAND",
    "MOVE",   "STATUS_ADDRESS", "STATUS_DATA",   "STATUS_RESPONSE", "NEXT"};
const std::vector<Machine> kMachines{{"MM2S ring", kRingStates},
                                     {"S2MM ring", kRingStates},
                                     {"MM2S mover", {"IDLE", "ADDRESS", "DATA", "DONE"}},
                                     {"S2MM mover", {"IDLE", "WAIT", "ADDRESS", "DATA", "RESPONSE", "DONE"}}};

std::uint32_t beats(std::uint32_t bytes, std::uint32_t beat) {
  return (bytes + beat - 1) / beat;
}

}  // namespace

rtl::Response Arena::at(std::uint64_t address, std::size_t size, bool write) const {
  for (const auto& [where, response] : faults_) {
    if (where.second == write && where.first >= address && where.first < address + size) {
      return response;
    }
  }
  return address >= kBase && address + size <= kBase + bytes.size() ? rtl::Response::Okay
                                                                    : rtl::Response::DecodeError;
}

rtl::Response Arena::read(std::uint64_t address, std::span<std::byte> out) {
  const auto response = at(address, out.size(), false);
  if (response == rtl::Response::Okay) {
    std::memcpy(out.data(), &bytes[address - kBase], out.size());
  } else {
    std::fill(out.begin(), out.end(), std::byte{0xee});
  }
  return response;
}

rtl::Response Arena::write(std::uint64_t address, std::span<const std::byte> in, std::uint64_t strobe) {
  const auto response = at(address, in.size(), true);
  for (std::size_t i = 0; response == rtl::Response::Okay && i < in.size(); ++i) {
    if ((strobe >> i & 1U) != 0) {
      bytes[address - kBase + i] = in[i];
    }
  }
  return response;
}

rtl::Descriptor Arena::descriptor(std::uint64_t address) const {
  rtl::Descriptor read{};
  std::memcpy(&read, &bytes[address - kBase], sizeof(read));
  return read;
}

void Arena::set(std::uint64_t address, const rtl::Descriptor& descriptor) {
  std::memcpy(&bytes[address - kBase], &descriptor, sizeof(descriptor));
}

void Coverage::look(const rtl::RtlEngine::States& states) {
  ++seen_[0][states.mm2s_ring];
  ++seen_[1][states.s2mm_ring];
  ++seen_[2][states.mm2s_mover];
  ++seen_[3][states.s2mm_mover];
}

void Coverage::print(const char* title) const {
  std::printf("states met, %s:\n", title);
  for (std::size_t m = 0; m < kMachines.size(); ++m) {
    std::printf("  %s:", kMachines[m].name);
    for (std::size_t s = 0; s < kMachines[m].states.size(); ++s) {
      std::printf(" %s %llu", kMachines[m].states[s], static_cast<unsigned long long>(seen_[m][s]));
    }
    std::printf("\n");
  }
}

std::vector<std::string> Coverage::missing() const {
  std::vector<std::string> names;
  for (std::size_t m = 0; m < kMachines.size(); ++m) {
    for (std::size_t s = 0; s < kMachines[m].states.size(); ++s) {
      if (seen_[m][s] == 0) {
        names.push_back(std::string(kMachines[m].name) + " " + kMachines[m].states[s]);
      }
    }
  }
  return names;
}

Bench::Bench(unsigned data_bits, std::size_t size, std::uint64_t seed, unsigned most_latency,
             unsigned stall_percent)
    : memory(size),
      pace(seed, most_latency, stall_percent),
      engine(rtl::make_rtl_engine(data_bits, memory, pace)),
      beat_(data_bits / 8) {}

void Bench::write_ring(const std::vector<std::uint64_t>& places, const std::vector<Piece>& pieces, bool eof) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::uint64_t next = places[(i + 1) % pieces.size()];
    rtl::Descriptor made{};
    made.next = static_cast<std::uint32_t>(next);
    made.next_msb = static_cast<std::uint32_t>(next >> 32U);
    made.address = static_cast<std::uint32_t>(pieces[i].address);
    made.address_msb = static_cast<std::uint32_t>(pieces[i].address >> 32U);
    made.control = pieces[i].length | (i == 0 ? rtl::descriptor::kSof : 0U) |
                   (eof && i + 1 == pieces.size() ? rtl::descriptor::kEof : 0U);
    memory.set(places[i], made);
  }
}

void Bench::set_image(const Image& image) {
  engine->write_register(rtl::reg::kKernel, 0);
  engine->write_register(rtl::reg::kWidth, image.width);
  engine->write_register(rtl::reg::kHeight, image.height);
  engine->write_register(rtl::reg::kInStride, image.in_stride);
  engine->write_register(rtl::reg::kOutStride, image.out_stride);
  engine->write_register(rtl::reg::kKernel, rtl::kernel::kEnable | image.mode | image.red << 8U |
                                                image.green << 10U | image.blue << 12U);
}

void Bench::start(rtl::Ring ring, std::uint64_t first, std::uint64_t last, bool cyclic) {
  write(ring, rtl::reg::kControl, 0);
  run(2);
  write(ring, rtl::reg::kCurrent, static_cast<std::uint32_t>(first));
  write(ring, rtl::reg::kCurrent + 4, static_cast<std::uint32_t>(first >> 32U));
  write(ring, rtl::reg::kControl,
        rtl::control::kRun | rtl::control::kIocIrq | rtl::control::kErrorIrq |
            (cyclic ? rtl::control::kCyclic : 0U));
  move_tail(ring, last);
}

void Bench::move_tail(rtl::Ring ring, std::uint64_t last) {
  write(ring, rtl::reg::kTail, static_cast<std::uint32_t>(last));
  write(ring, rtl::reg::kTailHigh, static_cast<std::uint32_t>(last >> 32U));
}

std::uint32_t Bench::read(rtl::Ring ring, std::uint32_t offset) {
  return engine->read_register(static_cast<std::uint32_t>(ring) + offset);
}

void Bench::write(rtl::Ring ring, std::uint32_t offset, std::uint32_t value) {
  engine->write_register(static_cast<std::uint32_t>(ring) + offset, value);
}

std::uint64_t Bench::current(rtl::Ring ring) {
  return read(ring, rtl::reg::kCurrent) | std::uint64_t{read(ring, rtl::reg::kCurrent + 4)} << 32U;
}

bool Bench::until_interrupt(unsigned mask, std::uint64_t clocks) {
  for (std::uint64_t i = 0; i < clocks; ++i) {
    const unsigned lines = engine->interrupts();
    if ((lines & mask) == mask || (lines & ~mask) != 0) {
      return true;
    }
    engine->clock();
    coverage.look(engine->states());
  }
  return false;
}

void Bench::run(std::uint64_t clocks) {
  for (std::uint64_t i = 0; i < clocks; ++i) {
    engine->clock();
    coverage.look(engine->states());
  }
}

bool Bench::soft_reset() {
  write(rtl::Ring::Mm2s, rtl::reg::kControl, rtl::control::kReset);
  for (int i = 0; i < 10'000; ++i) {
    if ((read(rtl::Ring::Mm2s, rtl::reg::kControl) & rtl::control::kReset) == 0) {
      return true;
    }
  }
  return false;
}

std::uint32_t bytes_in(const Image& image, std::uint32_t beat) {
  return image.in_stride * (image.height - 1) + beats(image.width * (image.mode == 2 ? 4 : 1), beat) * beat;
}

std::uint32_t bytes_out(const Image& image, std::uint32_t beat) {
  return image.out_stride * (image.height - 1) + beats(image.width, beat) * beat;
}

void reference(const Image& image, std::uint32_t /*beat*/, const Bytes& in, Bytes& out) {
  const auto from = [&](std::int64_t x, std::int64_t y) {
    return std::to_integer<int>(
        in[static_cast<std::size_t>(y) * image.in_stride + static_cast<std::size_t>(x)]);
  };
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      int value = 0;
      if (image.mode == 0) {
        value = from(x, y);
      } else if (image.mode == 2) {
        value = (77 * from(4 * x + image.red, y) + 150 * from(4 * x + image.green, y) +
                 29 * from(4 * x + image.blue, y) + 128) /
                256;
      } else if (x > 0 && y > 0 && x + 1 < image.width && y + 1 < image.height) {
        int gx = 0;
        int gy = 0;
        for (int d = -1; d <= 1; ++d) {
          const int weight = d == 0 ? 2 : 1;
          gx += weight * (from(x + 1, y + d) - from(x - 1, y + d));
          gy += weight * (from(x + d, y + 1) - from(x + d, y - 1));
        }
        value = std::min(255, std::abs(gx) + std::abs(gy));
      }
      out[static_cast<std::size_t>(y) * image.out_stride + static_cast<std::size_t>(x)] =
          static_cast<std::byte>(value);
    }
  }
}

}  // namespace causeway::test
