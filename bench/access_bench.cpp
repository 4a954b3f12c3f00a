// SPDX-License-Identifier: Apache-2.0
//
// A turn, begun and ended, with nothing to wait for: what each frame costs on each device.
#include <atomic>
#include <cstdint>

#include "suite.hpp"

namespace causeway::bench {
namespace {

/// One writer, or several readers, excluded by an atomic in and an atomic out.
class RawTurn {
public:
  [[nodiscard]] bool begin() noexcept {
    std::int32_t expected = 0;
    return turn_.compare_exchange_strong(expected, -1, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void end() noexcept { turn_.store(0, std::memory_order_release); }

private:
  std::atomic<std::int32_t> turn_{0};
};

void raw(benchmark::State& state) {
  RawTurn turn;
  for (auto _ : state) {
    bool begun = turn.begin();
    benchmark::DoNotOptimize(begun);
    turn.end();
  }
}

void of_a_device(Suite& suite, benchmark::State& state) {
  auto pool = aliased_pool(suite.runtime(), 4096, {suite.null_device()});
  const auto& mapping = pool.frame(0).on(suite.null_device());
  for (auto _ : state) {
    auto access = mapping.begin_access(Usage::Write, Deadline::now());
    benchmark::DoNotOptimize(access.has_value());
    auto ended = access->end();
    benchmark::DoNotOptimize(ended.has_value());
  }
}

void of_the_cpu(Suite& suite, benchmark::State& state) {
  const auto buffer = suite.runtime().allocate(4096, "memfd").value();
  const auto mapping = buffer.map_cpu().value();
  for (auto _ : state) {
    auto access = mapping.begin(Usage::Write, Deadline::now());
    benchmark::DoNotOptimize(access->bytes().data());
    auto ended = access->end();
    benchmark::DoNotOptimize(ended.has_value());
  }
}

}  // namespace

void add_access_rows(Suite& suite) {
  suite.add("Access/Device", "us", [&suite](auto& state) { of_a_device(suite, state); });
  suite.add("Access/Device", "raw", raw);
  suite.add("Access/Cpu", "us", [&suite](auto& state) { of_the_cpu(suite, state); });
  suite.add("Access/Cpu", "raw", raw);
}

}  // namespace causeway::bench
