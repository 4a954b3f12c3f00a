// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fd.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "vfio_device.hpp"

namespace causeway::fpga_vfio_backend {

/// The interrupts of a card (MSI-X or MSI), each an eventfd, and what is expected of each.
///
/// An interrupt's expectations are a timeline: expecting makes the next point, the interrupt reaches it, one
/// point at a time. Whoever waits for a point polls the eventfd himself, so that no thread is needed: of
/// several, one polls and the others wait for him.
///
/// Threads: thread-safe.
class Interrupts {
public:
  /// More than so many are left to the card unused.
  static constexpr std::uint32_t kMost = 32;

  Interrupts(plugin::Host host, const VfioDevice& device) : host_(host), device_(device) {}

  /// Once, before anything else. A card without MSI-X and MSI has none, which is no error.
  [[nodiscard]] Status enable();

  [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(lines_.size()); }
  /// The eventfd of interrupt n, lent. Errors: NotFound.
  [[nodiscard]] Result<int> fd(std::uint32_t n) const;

  /// A point of a timeline that was not known to be reached.
  struct Point {
    std::uint32_t line;
    std::uint64_t value;
  };

  /// Makes the next point of interrupt n. Errors: NotFound, Busy (the last one is not reached).
  [[nodiscard]] Status expect(std::uint32_t n);
  /// The last point of interrupt n. Errors: NotFound, WrongState (none was ever expected).
  [[nodiscard]] Result<Point> last(std::uint32_t n);
  /// The points that are not known to be reached, one an interrupt at most.
  [[nodiscard]] std::vector<Point> pending();
  /// Whether anything was ever expected: whether the program says what the card does.
  [[nodiscard]] bool in_use();

  /// Waits until a point is reached. deadline_ns: CLOCK_MONOTONIC; in the past: looks.
  /// Errors: TimedOut; Io with the errno that fail_pending() gave.
  [[nodiscard]] Status wait(Point point, std::int64_t deadline_ns);
  /// Lets all pending points be reached, as failed; who waits for one wakes up.
  void fail_pending(int system_errno);

private:
  struct Line {
    UniqueFd event{};
    std::uint64_t expected = 0;
    std::uint64_t reached = 0;
    std::map<std::uint64_t, int> failures{};
    bool polled = false;  ///< somebody polls the eventfd, and nobody else may read it
  };

  [[nodiscard]] Result<Line*> find(std::uint32_t n);
  /// Takes the interrupt, if it came, for the point that is pending. The mutex is held, nobody polls.
  void look(Line& line) const;
  [[nodiscard]] Status outcome(const Line& line, Point point) const;

  plugin::Host host_;
  const VfioDevice& device_;
  std::mutex mutex_;
  std::condition_variable poll_ended_;
  std::deque<Line> lines_;  // its number is constant once enabled; the rest is guarded by mutex_
};

}  // namespace causeway::fpga_vfio_backend
