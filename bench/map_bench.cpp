// SPDX-License-Identifier: Apache-2.0
//
// A device's view and the CPU's: where they are there already, and for the first time.
#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "clock.hpp"
#include "huge_pages.hpp"
#include "suite.hpp"

namespace causeway::bench {
namespace {

void device_hit_by_us(Suite& suite, benchmark::State& state) {
  const auto pool = aliased_pool(suite.runtime(), 4096, {suite.null_device()});
  const auto frame = pool.frame(0);
  const Device& device = suite.null_device();
  for (auto _ : state) {
    benchmark::DoNotOptimize(&frame.on(device));
  }
}

void hit_raw(benchmark::State& state) {
  std::array<const void*, Device::kMaxDevices> views{};
  views.fill(&views);
  std::size_t slot = 5;
  benchmark::DoNotOptimize(slot);
  for (auto _ : state) {
    benchmark::DoNotOptimize(views[slot]);
    benchmark::ClobberMemory();
  }
}

void cpu_hit_by_us(Suite& suite, benchmark::State& state) {
  const auto buffer = suite.runtime().allocate(4096, "memfd").value();
  const auto kept = buffer.map_cpu().value();
  for (auto _ : state) {
    auto mapping = buffer.map_cpu();
    benchmark::DoNotOptimize(mapping);
  }
}

/// The first mapping of memory whose pages exist, and a write to each of them. What is left out: making the
/// memory, and letting go of it.
void cold_small_by_us(Suite& suite, benchmark::State& state, std::uint64_t bytes) {
  const auto fd = raw_memfd(bytes);
  const RawMapping there(fd.borrow(), bytes, MAP_POPULATE);
  for (auto _ : state) {
    const auto buffer = DmaBuf::from_fd(suite.runtime(), fd.borrow()).value();
    const Stopwatch watch;
    const auto mapping = buffer.map_cpu().value();
    auto access = mapping.begin(Usage::Write, Deadline::now()).value();
    touch_pages(access.bytes().data(), bytes);
    access.end().value();
    state.SetIterationTime(watch.seconds());
  }
}

void cold_huge_by_us(Suite& suite, benchmark::State& state, std::uint64_t bytes) {
  for (auto _ : state) {
    const auto buffer = suite.runtime().allocate(bytes, "memfd").value();
    {
      const auto there = buffer.mmap(0, bytes).value();
      touch_pages(there.bytes().data(), bytes);
    }
    const Stopwatch watch;
    const auto mapping = buffer.map_cpu().value();
    auto access = mapping.begin(Usage::Write, Deadline::now()).value();
    touch_pages(access.bytes().data(), bytes);
    access.end().value();
    state.SetIterationTime(watch.seconds());
  }
}

enum class Policy { Touch, Populate, ReadAhead };

/// A read of one byte in each 64 KiB makes the kernel map the pages around it (fault-around).
void read_ahead(const std::byte* data, std::uint64_t bytes) {
  for (std::uint64_t at = 0; at < bytes; at += 65536) {
    benchmark::DoNotOptimize(*static_cast<const volatile std::byte*>(data + at));
  }
}

/// A memfd of which every page is there.
UniqueFd present_memfd(std::uint64_t bytes, bool huge) {
  auto fd = raw_memfd(bytes);
  const RawMapping there(fd.borrow(), bytes, 0, huge ? kHugePage : std::uint64_t{4096});
  if (huge) {
    require(collapse(there.data(), bytes), "the system no longer gives huge pages");
  }
  touch_pages(there.data(), bytes);
  return fd;
}

void cold_raw(benchmark::State& state, std::uint64_t bytes, Policy policy, bool huge) {
  const auto alignment = huge ? kHugePage : std::uint64_t{4096};
  auto fd = present_memfd(bytes, huge);
  for (auto _ : state) {
    if (huge) {
      // Memory as fresh as on our side, which has no other way to such pages: what the CPU's caches hold of
      // it decides how long it takes to touch.
      fd.reset();
      fd = present_memfd(bytes, huge);
    }
    const Stopwatch watch;
    const RawMapping mapping(fd.borrow(), bytes, policy == Policy::Populate ? MAP_POPULATE : 0, alignment);
    if (policy == Policy::ReadAhead) {
      read_ahead(mapping.data(), bytes);
    }
    touch_pages(mapping.data(), bytes);
    state.SetIterationTime(watch.seconds());
  }
}

}  // namespace

void add_map_rows(Suite& suite) {
  suite.add("Map/Hit/device", "us", [&suite](auto& state) { device_hit_by_us(suite, state); });
  suite.add("Map/Hit/device", "raw", hit_raw);
  suite.add("Map/Hit/cpu", "us", [&suite](auto& state) { cpu_hit_by_us(suite, state); });
  suite.add("Map/Hit/cpu", "raw", hit_raw);

  for (const auto bytes : kSizes) {
    const auto small = "Map/Cold/4KiB-pages/" + by_size(bytes);
    suite.add_timed(small, "us", [&suite, bytes](auto& state) { cold_small_by_us(suite, state, bytes); });
    suite.add_timed(small, "raw:populate",
                    [bytes](auto& state) { cold_raw(state, bytes, Policy::Populate, false); });
    suite.add_timed(small, "raw:read-then-write",
                    [bytes](auto& state) { cold_raw(state, bytes, Policy::ReadAhead, false); });
    suite.add_timed(small, "peer:mmap-and-touch",
                    [bytes](auto& state) { cold_raw(state, bytes, Policy::Touch, false); });
    if (bytes < kHugePage) {
      continue;
    }
    const auto large = "Map/Cold/2MiB-pages/" + by_size(bytes);
    if (!huge_pages_work()) {
      suite.skip(large, "The kernel refuses MADV_COLLAPSE for shared memory here.");
      continue;
    }
    suite.add_timed(large, "us", [&suite, bytes](auto& state) { cold_huge_by_us(suite, state, bytes); });
    suite.add_timed(large, "raw:populate",
                    [bytes](auto& state) { cold_raw(state, bytes, Policy::Populate, true); });
    suite.add_timed(large, "raw:touch",
                    [bytes](auto& state) { cold_raw(state, bytes, Policy::Touch, true); });
    suite.add_timed(large, "peer:4KiB-pages",
                    [bytes](auto& state) { cold_raw(state, bytes, Policy::Touch, false); });
  }
}

}  // namespace causeway::bench
