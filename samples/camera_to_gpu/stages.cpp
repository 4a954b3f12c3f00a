// SPDX-License-Identifier: Apache-2.0
#include "stages.hpp"

#include <algorithm>

namespace camera_to_gpu {
namespace {

std::int64_t nanoseconds(Clock::duration span) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(span).count();
}

}  // namespace

void Stages::reserve(std::size_t frames) {
  for (auto* samples : {&fill_, &hand_over_, &compute_, &total_}) {
    samples->reserve(frames);
  }
}

void Stages::add(const FrameTimes& times) {
  fill_.push_back(nanoseconds(times.filled - times.begun));
  hand_over_.push_back(nanoseconds((times.submitted - times.filled) + (times.released - times.returned)));
  compute_.push_back(nanoseconds(times.compute));
  total_.push_back(fill_.back() + hand_over_.back() + compute_.back());
}

double Stages::fps() const noexcept {
  const auto elapsed = std::chrono::duration<double>(elapsed_).count();
  return elapsed > 0 ? static_cast<double>(frames()) / elapsed : 0;
}

Spread Stages::spread(Samples samples) {
  if (samples.empty()) {
    return {};
  }
  // The nearest rank: a value that was really measured, whatever their number.
  const auto rank = [&](std::size_t percent) {
    const auto at = (samples.size() * percent + 99) / 100;
    return samples[at == 0 ? 0 : at - 1];
  };
  std::sort(samples.begin(), samples.end());
  return {.median = rank(50), .p99 = rank(99)};
}

}  // namespace camera_to_gpu
