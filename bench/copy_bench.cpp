// SPDX-License-Identifier: Apache-2.0
//
// The library's one function that copies, for where a copy cannot be avoided.
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <cstring>
#include <span>

#include "suite.hpp"

namespace causeway::bench {
namespace {

/// Two mappings that are there already, so that the copying alone is measured.
struct Frames {
  UniqueFd from_fd = raw_memfd(kFrameBytes);
  UniqueFd to_fd = raw_memfd(kFrameBytes);
  RawMapping from{from_fd.borrow(), kFrameBytes, 0};
  RawMapping to{to_fd.borrow(), kFrameBytes, 0};
  Frames() {
    touch_pages(from.data(), kFrameBytes);
    touch_pages(to.data(), kFrameBytes);
  }
};

template <class Copy>
void measure(benchmark::State& state, Copy copy) {
  const Frames frames;
  for (auto _ : state) {
    copy(frames.to.data(), frames.from.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kFrameBytes));
}

#ifdef __SSE2__
/// Stores past the caches: nobody reads a whole frame back out of them. 64 bytes, a line, at a time.
void stream(std::byte* to, const std::byte* from) {
  auto* out = reinterpret_cast<__m128i*>(to);
  const auto* in = reinterpret_cast<const __m128i*>(from);
  for (std::uint64_t line = 0; line < kFrameBytes / 64; ++line, in += 4, out += 4) {
    const __m128i a = _mm_load_si128(in);
    const __m128i b = _mm_load_si128(in + 1);
    const __m128i c = _mm_load_si128(in + 2);
    const __m128i d = _mm_load_si128(in + 3);
    _mm_stream_si128(out, a);
    _mm_stream_si128(out + 1, b);
    _mm_stream_si128(out + 2, c);
    _mm_stream_si128(out + 3, d);
  }
  _mm_sfence();
}
#endif

}  // namespace

void add_copy_rows(Suite& suite) {
  const std::string row = "Copy/Fallback/" + by_size(kFrameBytes);
  suite.add(row, "us", [&suite](auto& state) {
    measure(state, [&suite](std::byte* to, const std::byte* from) {
      suite.runtime().copy({to, kFrameBytes}, {from, kFrameBytes});
    });
  });
#ifdef __SSE2__
  suite.add(row, "raw:streaming-stores", [](auto& state) { measure(state, stream); });
#endif
  suite.add(row, "raw:memcpy", [](auto& state) {
    measure(state, [](std::byte* to, const std::byte* from) { std::memcpy(to, from, kFrameBytes); });
  });
}

}  // namespace causeway::bench
