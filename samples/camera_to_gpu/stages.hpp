// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace camera_to_gpu {

using Clock = std::chrono::steady_clock;

/// Median and 99th percentile of a stage, in nanoseconds.
struct Spread {
  std::int64_t median = 0;
  std::int64_t p99 = 0;
};

/// The moments of one frame, in their order.
struct FrameTimes {
  Clock::time_point begun;      ///< the source was asked
  Clock::time_point filled;     ///< the source has written the last byte, or the camera has delivered
  Clock::time_point submitted;  ///< just before the computation goes to the queue
  Clock::time_point returned;   ///< the program goes on: the computation is on the queue, or done
  Clock::time_point released;   ///< every turn has ended: the GPU's work is spoken for by fences
  Clock::duration compute{};    ///< what the GPU took, by its own clock
};

/// What the frames of one path took: kept for each frame, summed up at the end.
class Stages {
public:
  void reserve(std::size_t frames);
  void add(const FrameTimes& times);
  /// Frames per second are of the whole loop, what lies between the stages included.
  void add_elapsed(Clock::duration elapsed) { elapsed_ += elapsed; }

  [[nodiscard]] std::size_t frames() const noexcept { return total_.size(); }
  [[nodiscard]] double fps() const noexcept;
  [[nodiscard]] Spread fill() const { return spread(fill_); }
  /// What the CPU does for a frame besides filling it, without the submission itself.
  [[nodiscard]] Spread hand_over() const { return spread(hand_over_); }
  [[nodiscard]] Spread compute() const { return spread(compute_); }
  /// The three together; since frames overlap, the time from one to the next may be shorter.
  [[nodiscard]] Spread total() const { return spread(total_); }

private:
  using Samples = std::vector<std::int64_t>;
  [[nodiscard]] static Spread spread(Samples samples);

  Samples fill_;
  Samples hand_over_;
  Samples compute_;
  Samples total_;
  Clock::duration elapsed_{};
};

}  // namespace camera_to_gpu
