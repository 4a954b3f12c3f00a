// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace causeway {

/// The moment at which a wait gives up, on CLOCK_MONOTONIC (std::chrono::steady_clock on Linux).
/// One in the past means "do not wait": what is ready is taken, anything else times out.
/// Threads: reentrant (an immutable value).
class Deadline {
public:
  using Clock = std::chrono::steady_clock;

  constexpr explicit Deadline(Clock::time_point when) noexcept : when_(when) {}
  /// span from now; one too long to be counted is never.
  [[nodiscard]] static Deadline in(Clock::duration span) noexcept {
    const auto now = Clock::now();
    return span < Clock::time_point::max() - now ? Deadline(now + span) : never();
  }
  [[nodiscard]] static constexpr Deadline now() noexcept { return Deadline(Clock::time_point::min()); }
  [[nodiscard]] static constexpr Deadline never() noexcept { return Deadline(Clock::time_point::max()); }

  [[nodiscard]] constexpr Clock::time_point when() const noexcept { return when_; }
  [[nodiscard]] constexpr bool is_never() const noexcept { return when_ == Clock::time_point::max(); }
  /// Whether it is now(): known to be in the past without a look at the clock.
  [[nodiscard]] constexpr bool is_now() const noexcept { return when_ == Clock::time_point::min(); }
  /// What is left, at least 0.
  [[nodiscard]] Clock::duration left() const noexcept {
    if (is_never()) {
      return Clock::duration::max();
    }
    if (is_now()) {
      return Clock::duration::zero();
    }
    const auto now = Clock::now();
    return when_ > now ? when_ - now : Clock::duration::zero();
  }

private:
  Clock::time_point when_;
};

}  // namespace causeway
