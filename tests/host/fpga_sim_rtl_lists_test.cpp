// SPDX-License-Identifier: Apache-2.0
//
// The engine alone, on a memory that answers at random times: after each random scatter list all of the
// memory, and so each descriptor's status, is what a reference in C++ makes of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "host/fpga_sim_rtl_bench.hpp"

namespace causeway::test {
namespace {

constexpr std::size_t kDescriptors = std::size_t{16} * 1024;  // bytes of the arena, at its begin
constexpr std::size_t kHalf = std::size_t{64} * 1024;         // source, then destination

// Cuts total bytes into pieces of whole beats that lie anywhere in a part of the arena, in any order.
std::vector<Piece> scatter(Random& random, std::uint32_t total, std::uint32_t beat, std::uint64_t begin) {
  std::vector<Piece> pieces;
  const std::uint64_t most = pick(random, 1, 40);
  std::uint64_t at = begin;
  for (std::uint32_t left = total; left > 0;) {
    const auto length =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(left, pick(random, 1, most) * beat));
    at += pick(random, 0, 3) * beat;
    pieces.push_back({at, length});
    at += length;
    left -= length;
  }
  // The same places in another order: lengths go along.
  std::shuffle(pieces.begin(), pieces.end(), random);
  return pieces;
}

std::vector<std::uint64_t> places(Random& random, std::size_t count, std::uint64_t begin, std::uint64_t end) {
  std::vector<std::uint64_t> free;
  for (std::uint64_t at = begin; at < end; at += 64) {
    free.push_back(at);
  }
  std::shuffle(free.begin(), free.end(), random);
  free.resize(count);
  return free;
}

Image any_image(Random& random, std::uint32_t beat) {
  Image image{};
  image.mode = static_cast<std::uint32_t>(pick(random, 0, 2));
  image.width = static_cast<std::uint32_t>(pick(random, 1, 3 * beat));
  image.height = static_cast<std::uint32_t>(pick(random, 1, 9));
  const auto stride = [&](std::uint32_t bytes) {
    return ((bytes + beat - 1) / beat + static_cast<std::uint32_t>(pick(random, 0, 2))) * beat;
  };
  image.in_stride = stride(image.width * (image.mode == 2 ? 4 : 1));
  image.out_stride = stride(image.width);
  image.red = static_cast<std::uint32_t>(pick(random, 0, 3));
  image.green = static_cast<std::uint32_t>(pick(random, 0, 3));
  image.blue = static_cast<std::uint32_t>(pick(random, 0, 3));
  return image;
}

Bytes gather(const Bytes& memory, const std::vector<Piece>& pieces) {
  Bytes all;
  for (const auto& piece : pieces) {
    const auto from = memory.begin() + static_cast<std::ptrdiff_t>(piece.address - Arena::kBase);
    all.insert(all.end(), from, from + piece.length);
  }
  return all;
}

void set_status(Bytes& memory, std::uint64_t descriptor, std::uint32_t status) {
  std::memcpy(&memory[descriptor - Arena::kBase + offsetof(rtl::Descriptor, status)], &status,
              sizeof(status));
}

// One list: what the memory must be in the end.
struct List {
  Image image;
  std::vector<Piece> in, out;
  std::vector<std::uint64_t> in_places, out_places;

  List(Random& random, std::uint32_t beat) : image(any_image(random, beat)) {
    const auto source = Arena::kBase + kDescriptors;
    in = scatter(random, bytes_in(image, beat), beat, source);
    out = scatter(random, bytes_out(image, beat), beat, source + kHalf);
    const auto middle = Arena::kBase + kDescriptors / 2;
    in_places = places(random, in.size(), Arena::kBase, middle);
    out_places = places(random, out.size(), middle, source);
  }

  [[nodiscard]] Bytes expected(const Bytes& memory, std::uint32_t beat) const {
    Bytes result = memory;
    Bytes bytes = gather(memory, out);
    reference(image, beat, gather(memory, in), bytes);
    std::size_t at = 0;
    for (const auto& piece : out) {
      std::memcpy(&result[piece.address - Arena::kBase], &bytes[at], piece.length);
      at += piece.length;
    }
    for (std::size_t i = 0; i < in.size(); ++i) {
      set_status(
          result, in_places[i],
          rtl::descriptor::kComplete | in[i].length | (i + 1 == in.size() ? rtl::descriptor::kEof : 0U));
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
      set_status(result, out_places[i],
                 rtl::descriptor::kComplete | out[i].length | (i == 0 ? rtl::descriptor::kSof : 0U) |
                     (i + 1 == out.size() ? rtl::descriptor::kEof : 0U));
    }
    return result;
  }
};

// Where two memories first differ.
std::string difference(const Bytes& seen, const Bytes& expected) {
  const auto at = std::mismatch(seen.begin(), seen.end(), expected.begin());
  if (at.first == seen.end()) {
    return {};
  }
  return "byte " + std::to_string(at.first - seen.begin()) + " is " +
         std::to_string(std::to_integer<int>(*at.first)) + " instead of " +
         std::to_string(std::to_integer<int>(*at.second));
}

struct Case {
  unsigned bits;
  int lists;
  unsigned latency;
  unsigned stalls;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.bits << " bits, latency to " << c.latency << ", " << c.stalls << "% stalls";
}

class RtlLists : public ::testing::TestWithParam<Case> {};

TEST_P(RtlLists, EveryByteAndEveryDescriptorIsTheReferences) {
  const auto [bits, lists, latency, stalls] = GetParam();
  Random random(bits * 1000 + stalls);
  Bench bench(bits, kDescriptors + 2 * kHalf, random(), latency, stalls);
  for (auto& byte : bench.memory.bytes) {
    byte = static_cast<std::byte>(random());
  }
  std::uint64_t descriptors = 0;
  for (int i = 0; i < lists; ++i) {
    const List list(random, bench.beat());
    bench.write_ring(list.in_places, list.in, true);
    bench.write_ring(list.out_places, list.out, false);
    const Bytes expected = list.expected(bench.memory.bytes, bench.beat());
    bench.set_image(list.image);
    bench.start(rtl::Ring::S2mm, list.out_places.front(), list.out_places.back());
    bench.start(rtl::Ring::Mm2s, list.in_places.front(), list.in_places.back());
    ASSERT_TRUE(bench.until_interrupt(3)) << "list " << i;
    ASSERT_EQ(difference(bench.memory.bytes, expected), "")
        << "list " << i << ", kernel " << list.image.mode << ", " << list.image.width << "x"
        << list.image.height;
    for (const auto ring : {rtl::Ring::Mm2s, rtl::Ring::S2mm}) {
      EXPECT_EQ(bench.read(ring, rtl::reg::kStatus) & ~0x00ff0000U,
                rtl::status::kIdle | 8U | rtl::status::kIoc);
      bench.write(ring, rtl::reg::kStatus, rtl::status::kIoc);
    }
    EXPECT_EQ(bench.engine->interrupts(), 0U);
    EXPECT_EQ(bench.engine->read_register(rtl::reg::kKernelStatus), 0U);
    descriptors += list.in.size() + list.out.size();
  }
  EXPECT_EQ(bench.engine->violations(), 0U);
  std::printf("%d lists of %llu descriptors in %llu clocks\n", lists,
              static_cast<unsigned long long>(descriptors),
              static_cast<unsigned long long>(bench.engine->clocks()));
  bench.coverage.print(std::to_string(bits).append(" bits").c_str());
  EXPECT_EQ(bench.coverage.missing(), std::vector<std::string>{});
}

// 10 000 in all: without back-pressure, with some, and with a memory that is seldom ready.
INSTANTIATE_TEST_SUITE_P(Widths, RtlLists,
                         ::testing::Values(Case{64, 3000, 0, 0}, Case{64, 3000, 12, 25},
                                           Case{64, 1000, 40, 80}, Case{512, 1500, 0, 0},
                                           Case{512, 1000, 12, 25}, Case{512, 500, 40, 80}));

// What the bench's report is compared with: how fast this machine simulates.
TEST(RtlSpeed, SimulatedBytesByWidth) {
  for (const unsigned bits : {64U, 512U}) {
    constexpr std::uint32_t kBytes = 2U << 20U;
    constexpr std::uint32_t kPiece = 64 * 1024;
    for (const std::uint32_t mode : {0U, 1U}) {
      Bench bench(bits, 64 * 1024 + 2 * kBytes, 1, 4, 0);
      std::vector<Piece> in;
      std::vector<Piece> out;
      std::vector<std::uint64_t> in_places;
      std::vector<std::uint64_t> out_places;
      for (std::uint32_t at = 0; at < kBytes; at += kPiece) {
        in_places.push_back(Arena::kBase + 64 * in.size());
        out_places.push_back(Arena::kBase + 32 * 1024 + 64 * out.size());
        in.push_back({Arena::kBase + 64 * 1024 + at, kPiece});
        out.push_back({Arena::kBase + 64 * 1024 + kBytes + at, kPiece});
      }
      bench.write_ring(in_places, in, true);
      bench.write_ring(out_places, out, false);
      bench.set_image(
          {.mode = mode, .width = 2048, .height = kBytes / 2048, .in_stride = 2048, .out_stride = 2048});
      bench.start(rtl::Ring::S2mm, out_places.front(), out_places.back());
      const auto begin = std::chrono::steady_clock::now();
      const auto clocks = bench.engine->clocks();
      bench.start(rtl::Ring::Mm2s, in_places.front(), in_places.back());
      ASSERT_TRUE(bench.until_interrupt(3));
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      const auto used = static_cast<double>(bench.engine->clocks() - clocks);
      std::printf("%u bits, %s: %.1f MB/s simulated, %.1f bytes a clock\n", bits,
                  mode == 0 ? "pass" : "sobel", kBytes / took.count() / 1e6, kBytes / used);
      EXPECT_GT(kBytes / used, bits / 8 * 0.75);
    }
  }
}

}  // namespace
}  // namespace causeway::test
