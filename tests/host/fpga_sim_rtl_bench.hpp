// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "registers.hpp"
#include "rtl_engine.hpp"

namespace causeway::test {

namespace rtl = fpga_sim_backend;
using Bytes = std::vector<std::byte>;
using Random = std::mt19937_64;

inline std::uint64_t pick(Random& random, std::uint64_t from, std::uint64_t to) {
  return std::uniform_int_distribution<std::uint64_t>(from, to)(random);
}

/// A piece of memory on the bus of the engine, with faults that a test plants.
class Arena final : public rtl::BusMemory {
public:
  static constexpr std::uint64_t kBase = 0x12'3456'0000;  // more than 32 bits, so that MSB registers count
  explicit Arena(std::size_t size) : bytes(size) {}

  /// Accesses to the beat at address are answered so.
  void plant(std::uint64_t address, bool write, rtl::Response response) {
    faults_.insert({{address, write}, response});
  }
  void clear_faults() { faults_.clear(); }

  rtl::Response read(std::uint64_t address, std::span<std::byte> out) override;
  rtl::Response write(std::uint64_t address, std::span<const std::byte> in, std::uint64_t strobe) override;

  [[nodiscard]] rtl::Descriptor descriptor(std::uint64_t address) const;
  void set(std::uint64_t address, const rtl::Descriptor& descriptor);

  Bytes bytes;

private:
  [[nodiscard]] rtl::Response at(std::uint64_t address, std::size_t size, bool write) const;
  std::set<std::pair<std::pair<std::uint64_t, bool>, rtl::Response>> faults_;
};

/// Answers at random times, and keeps the engine waiting at random.
class RandomPace final : public rtl::BusPace {
public:
  RandomPace(std::uint64_t seed, unsigned most_latency, unsigned stall_percent)
      : random_(seed), most_latency_(most_latency), stall_percent_(stall_percent) {}
  unsigned latency() override {
    return most_latency_ == 0 ? 0 : static_cast<unsigned>(random_() % (most_latency_ + 1));
  }
  bool stalls() override { return stall_percent_ != 0 && random_() % 100 < stall_percent_; }

private:
  std::minstd_rand random_;
  unsigned most_latency_;
  unsigned stall_percent_;
};

/// How often each state of each machine was met.
class Coverage {
public:
  void look(const rtl::RtlEngine::States& states);
  void print(const char* title) const;
  /// The states that were never met.
  [[nodiscard]] std::vector<std::string> missing() const;

private:
  std::vector<std::vector<std::uint64_t>> seen_ = std::vector(4, std::vector<std::uint64_t>(16));
};

/// Part of a scatter list.
struct Piece {
  std::uint64_t address;
  std::uint32_t length;
};

/// What the kernel is to do; in bytes but for the size. As the registers at 0x80 and behind.
struct Image {
  std::uint32_t mode;  // 0 pass, 1 sobel, 2 grey
  std::uint32_t width;
  std::uint32_t height;
  std::uint32_t in_stride;
  std::uint32_t out_stride;
  std::uint32_t red = 2, green = 1, blue = 0;
};

/// The engine, its memory and the little that a driver does.
class Bench {
public:
  Bench(unsigned data_bits, std::size_t memory, std::uint64_t seed, unsigned most_latency = 0,
        unsigned stall_percent = 0);

  [[nodiscard]] std::uint32_t beat() const { return beat_; }
  /// Writes the descriptors of a list, each at an address of its own in the given order, linked to each other
  /// and the last one to the first. eof: marks the last.
  void write_ring(const std::vector<std::uint64_t>& places, const std::vector<Piece>& pieces, bool eof);
  void set_image(const Image& image);
  /// Starts the ring at first, up to and including last.
  void start(rtl::Ring ring, std::uint64_t first, std::uint64_t last, bool cyclic = false);
  /// Writes TAILDESC again.
  void move_tail(rtl::Ring ring, std::uint64_t last);
  [[nodiscard]] std::uint32_t read(rtl::Ring ring, std::uint32_t offset);
  void write(rtl::Ring ring, std::uint32_t offset, std::uint32_t value);
  [[nodiscard]] std::uint64_t current(rtl::Ring ring);
  /// Clocks until the lines that mask names are all up, or one that the mask does not; false after so many
  /// clocks.
  bool until_interrupt(unsigned mask, std::uint64_t clocks = 4'000'000);
  void run(std::uint64_t clocks);
  /// DMACR.Reset, and waiting for it to read 0; false if it never does.
  bool soft_reset();

  Arena memory;
  RandomPace pace;
  std::unique_ptr<rtl::RtlEngine> engine;
  Coverage coverage;

private:
  std::uint32_t beat_;
};

/// What the kernel makes of in; out holds what the memory held before, for the bytes that it leaves alone.
void reference(const Image& image, std::uint32_t beat, const Bytes& in, Bytes& out);
/// Bytes that go in or come out, padding included but for the last row's.
[[nodiscard]] std::uint32_t bytes_in(const Image& image, std::uint32_t beat);
[[nodiscard]] std::uint32_t bytes_out(const Image& image, std::uint32_t beat);

}  // namespace causeway::test
