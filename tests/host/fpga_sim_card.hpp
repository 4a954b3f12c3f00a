// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <causeway/causeway.hpp>
#include <causeway/fpga_sim.hpp>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "host/fpga_sim_rtl_bench.hpp"

namespace causeway::test {

inline Deadline soon() {
  return Deadline::in(std::chrono::seconds(30));
}

/// A runtime and a card in it; what the library logs is kept.
class CardTest : public ::testing::Test {
protected:
  void open(unsigned bits, std::uint64_t max_run = std::uint64_t{64} * 1024) {
    auto made = Runtime::create({.log = [this](LogLevel level, std::string_view text) {
      const std::lock_guard lock(mutex_);
      if (level >= LogLevel::Warning) {
        messages_.emplace_back(text);
      }
    }});
    ASSERT_TRUE(made) << made.error().message();
    runtime.emplace(std::move(*made));
    auto opened = fpga_sim::open(*runtime, {.data_bits = bits, .max_run = max_run});
    ASSERT_TRUE(opened) << opened.error().message();
    card.emplace(std::move(*opened));
    beat = bits / 8;
  }
  [[nodiscard]] FramePool frames(const FrameDesc& desc, Usage usage, std::uint32_t count = 1) {
    return runtime->negotiate(desc).with(*card, usage).allocate(count).value();
  }
  [[nodiscard]] std::vector<std::string> messages() {
    const std::lock_guard lock(mutex_);
    return messages_;
  }
  [[nodiscard]] cw_fpga_sim_counters counters() { return fpga_sim::counters(*card).value(); }

  /// The card's turns around one submission.
  [[nodiscard]] Status run(fpga_sim::Job& job, const FrameRef& from, const FrameRef& to) {
    auto reads = from.on(*card).begin_access(Usage::Read, soon()).value();
    auto writes = to.on(*card).begin_access(Usage::Write, soon()).value();
    auto submitted = job.submit();
    auto waited = submitted ? job.wait(soon()) : Status(submitted.error());
    EXPECT_TRUE(reads.end());
    EXPECT_TRUE(writes.end());
    return waited;
  }

  std::mutex mutex_;
  std::vector<std::string> messages_;
  // Destroyed before the messages, since the log function uses them.
  std::optional<Runtime> runtime;
  std::optional<Device> card;
  std::uint32_t beat = 0;
};

/// All bytes of a frame's first object.
inline Bytes bytes_of(const FrameRef& frame) {
  auto access = frame.frame().begin_cpu_access(Usage::Read, soon()).value();
  const auto bytes = access.bytes(0);
  Bytes copy(bytes.begin(), bytes.end());
  access.end().value();
  return copy;
}

inline void fill(const FrameRef& frame, std::uint64_t seed) {
  auto access = frame.frame().begin_cpu_access(Usage::Write, soon()).value();
  Random random(seed);
  for (auto& byte : access.bytes(0)) {
    byte = static_cast<std::byte>(random());
  }
  access.end().value();
}

}  // namespace causeway::test
