// SPDX-License-Identifier: Apache-2.0
//
// Getting a frame: out of a pool, and fresh.
#include <sys/mman.h>

#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>

#include "clock.hpp"
#include "huge_pages.hpp"
#include "suite.hpp"

namespace causeway::bench {
namespace {

constexpr std::uint32_t kFrames = 8;

/// The fewest instructions that take one of up to 64 frames from many threads, and give it back.
class RawPool {
public:
  [[nodiscard]] std::uint32_t take() noexcept {
    std::uint64_t seen = free_.load(std::memory_order_relaxed);
    while (!free_.compare_exchange_weak(seen, seen & (seen - 1), std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
    }
    return static_cast<std::uint32_t>(std::countr_zero(seen));
  }
  void give(std::uint32_t frame) noexcept {
    free_.fetch_or(std::uint64_t{1} << frame, std::memory_order_release);
  }

private:
  std::atomic<std::uint64_t> free_{(std::uint64_t{1} << kFrames) - 1};
};

void pooled_by_us(Suite& suite, benchmark::State& state) {
  auto pool = suite.runtime()
                  .negotiate(FrameDesc::bytes(4096))
                  .with(suite.null_device(), Usage::ReadWrite)
                  .allocate(kFrames)
                  .value();
  for (auto _ : state) {
    auto lease = pool.acquire(Deadline::now());
    benchmark::DoNotOptimize(lease->operator->()->index());
  }
}

void pooled_raw(benchmark::State& state) {
  RawPool pool;
  for (auto _ : state) {
    const auto frame = pool.take();
    benchmark::DoNotOptimize(frame);
    pool.give(frame);
  }
}

/// From nothing to memory of which every page is there; dropping it is not counted.
void fresh_by_us(Suite& suite, benchmark::State& state) {
  for (auto _ : state) {
    const Stopwatch watch;
    auto buffer = suite.runtime().allocate(kFrameBytes, "memfd").value();
    const auto mapping = buffer.map_cpu().value();
    auto access = mapping.begin(Usage::Write, Deadline::now()).value();
    touch_pages(access.bytes().data(), kFrameBytes);
    access.end().value();
    state.SetIterationTime(watch.seconds());
  }
}

void fresh_by_touching(benchmark::State& state) {
  for (auto _ : state) {
    const Stopwatch watch;
    const auto fd = raw_memfd(kFrameBytes);
    const RawMapping mapping(fd.borrow(), kFrameBytes, 0);
    touch_pages(mapping.data(), kFrameBytes);
    state.SetIterationTime(watch.seconds());
  }
}

void fresh_populated(benchmark::State& state) {
  for (auto _ : state) {
    const Stopwatch watch;
    const auto fd = raw_memfd(kFrameBytes);
    const RawMapping mapping(fd.borrow(), kFrameBytes, MAP_POPULATE);
    touch_pages(mapping.data(), kFrameBytes);
    state.SetIterationTime(watch.seconds());
  }
}

void fresh_collapsed(benchmark::State& state) {
  for (auto _ : state) {
    const Stopwatch watch;
    const auto fd = raw_memfd(kFrameBytes);
    const RawMapping mapping(fd.borrow(), kFrameBytes, 0, kHugePage);
    require(collapse(mapping.data(), kFrameBytes), "the system no longer gives huge pages");
    touch_pages(mapping.data(), kFrameBytes);
    state.SetIterationTime(watch.seconds());
  }
}

}  // namespace

void add_alloc_rows(Suite& suite) {
  suite.add("Alloc/Pooled", "us", [&suite](auto& state) { pooled_by_us(suite, state); });
  suite.add("Alloc/Pooled", "raw", pooled_raw);

  const std::string fresh = "Alloc/Fresh/" + by_size(kFrameBytes);
  suite.add_timed(fresh, "us", [&suite](auto& state) { fresh_by_us(suite, state); });
  suite.add_timed(fresh, "raw:populate", fresh_populated);
  if (huge_pages_work()) {
    suite.add_timed(fresh, "raw:collapse", fresh_collapsed);
  }
  suite.add_timed(fresh, "peer:memfd-and-touch", fresh_by_touching);
}

}  // namespace causeway::bench
