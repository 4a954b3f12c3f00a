// SPDX-License-Identifier: Apache-2.0
#include "core/copy_bytes.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace causeway::core {
namespace {

#ifdef __SSE2__

constexpr std::size_t kLine = 64;
/// What one CPU has of the last cache, at most: where several of them make up a large one, the system tells
/// their sum (384 MiB on an EPYC with 32 for each core complex), and a virtual machine perhaps nothing.
constexpr std::size_t kMostCache = std::size_t{32} << 20;

std::size_t half_of_the_last_cache() noexcept {
  const long told = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  return (told > 0 ? std::min(static_cast<std::size_t>(told), kMostCache) : kMostCache) / 2;
}

/// Whole lines to an aligned target, a line at a time, as it fills one buffer of the CPU's. Wider stores
/// (AVX) were no faster: memory is what it waits for.
void stream_lines(std::byte* to, const std::byte* from, std::size_t lines) noexcept {
  auto* out = reinterpret_cast<__m128i*>(to);
  const auto* in = reinterpret_cast<const __m128i*>(from);
  for (; lines > 0; --lines, in += 4, out += 4) {
    const __m128i a = _mm_loadu_si128(in);
    const __m128i b = _mm_loadu_si128(in + 1);
    const __m128i c = _mm_loadu_si128(in + 2);
    const __m128i d = _mm_loadu_si128(in + 3);
    _mm_stream_si128(out, a);
    _mm_stream_si128(out + 1, b);
    _mm_stream_si128(out + 2, c);
    _mm_stream_si128(out + 3, d);
  }
  _mm_sfence();  // such stores are not ordered by what tells others of them
}

#endif

}  // namespace

#ifdef __SSE2__

std::size_t streams_from() noexcept {
  static const std::size_t size = half_of_the_last_cache();
  return size;
}

void copy_bytes(std::byte* to, const std::byte* from, std::size_t size) noexcept {
  if (size < streams_from()) {
    std::memcpy(to, from, size);
    return;
  }
  const std::size_t head = (kLine - reinterpret_cast<std::uintptr_t>(to) % kLine) % kLine;
  std::memcpy(to, from, head);
  const std::size_t lines = (size - head) / kLine;
  stream_lines(to + head, from + head, lines);
  const std::size_t done = head + lines * kLine;
  std::memcpy(to + done, from + done, size - done);
}

#else

std::size_t streams_from() noexcept {
  return std::numeric_limits<std::size_t>::max();
}

void copy_bytes(std::byte* to, const std::byte* from, std::size_t size) noexcept {
  std::memcpy(to, from, size);
}

#endif

}  // namespace causeway::core
