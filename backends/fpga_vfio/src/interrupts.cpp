// SPDX-License-Identifier: Apache-2.0
#include "interrupts.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace causeway::fpga_vfio_backend {
namespace {

using Clock = std::chrono::steady_clock;
using Nanoseconds = std::chrono::nanoseconds;

// Far enough to be for ever, near enough to be added to a clock.
constexpr auto kForEver = std::chrono::hours(24 * 365);

/// How long until the deadline; zero: it has passed. Any number may come, the smallest one for "look".
Nanoseconds left_until(std::int64_t deadline_ns) {
  const auto now = std::chrono::duration_cast<Nanoseconds>(Clock::now().time_since_epoch()).count();
  return deadline_ns <= now ? Nanoseconds::zero()
                            : std::min<Nanoseconds>(kForEver, Nanoseconds(deadline_ns - now));
}

}  // namespace

Status Interrupts::enable() {
  const auto kind = device_.interrupts();
  if (!kind) {
    return kind.error();
  }
  const auto& calls = host_.syscalls();
  std::vector<int> events;
  for (std::uint32_t i = 0; i < std::min(kind->count, kMost); ++i) {
    UniqueFd event(calls.eventfd(calls.context, 0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event.valid()) {
      const int failure = errno;
      return Error(errc_from_errno(failure), "eventfd",
                   plugin::words("interrupt ", i, " of ", device_.address(), " has no eventfd"), failure);
    }
    events.push_back(event.get());
    lines_.push_back({.event = std::move(event)});
  }
  return events.empty() ? Status() : device_.set_interrupts(kind->index, events);
}

Result<Interrupts::Line*> Interrupts::find(std::uint32_t n) {
  if (n < lines_.size()) {
    return &lines_[n];
  }
  return Error(Errc::NotFound, "fpga_vfio",
               plugin::words("there is no interrupt ", n, "; ", device_.address(),
                             lines_.empty() ? std::string(" has neither MSI-X nor MSI")
                                            : plugin::words(" has those from 0 to ", lines_.size() - 1)));
}

Result<int> Interrupts::fd(std::uint32_t n) const {
  const auto found = const_cast<Interrupts*>(this)->find(n);  // NOLINT: finds, and changes nothing
  if (!found) {
    return found.error();
  }
  return (*found)->event.get();
}

void Interrupts::look(Line& line) const {
  std::uint64_t count = 0;
  if (::read(line.event.get(), &count, sizeof(count)) == sizeof(count)) {
    line.reached = line.expected;
  }
}

Status Interrupts::expect(std::uint32_t n) {
  const auto found = find(n);
  if (!found) {
    return found.error();
  }
  Line& line = **found;
  std::unique_lock lock(mutex_);
  if (line.reached < line.expected && line.polled) {
    return Error(
        Errc::Busy, "fpga_vfio expect",
        plugin::words("interrupt ", n, " of ", device_.address(), " is expected, and somebody waits for it"));
  }
  // Who polls though his point is reached is about to find that out.
  poll_ended_.wait(lock, [&] { return !line.polled; });
  look(line);
  if (line.reached < line.expected) {
    return Error(
        Errc::Busy, "fpga_vfio expect",
        plugin::words("interrupt ", n, " of ", device_.address(),
                      " is expected already, and has not come; wait for it first, or reset the card"));
  }
  ++line.expected;
  return {};
}

Result<Interrupts::Point> Interrupts::last(std::uint32_t n) {
  const auto found = find(n);
  if (!found) {
    return found.error();
  }
  const std::lock_guard lock(mutex_);
  if ((*found)->expected == 0) {
    return Error(Errc::WrongState, "fpga_vfio wait",
                 plugin::words("interrupt ", n, " of ", device_.address(),
                               " was never expected; call expect() before the card is started"));
  }
  return Point{.line = n, .value = (*found)->expected};
}

std::vector<Interrupts::Point> Interrupts::pending() {
  const std::lock_guard lock(mutex_);
  std::vector<Point> points;
  for (std::uint32_t n = 0; n < lines_.size(); ++n) {
    if (lines_[n].reached < lines_[n].expected) {
      points.push_back({.line = n, .value = lines_[n].expected});
    }
  }
  return points;
}

bool Interrupts::in_use() {
  const std::lock_guard lock(mutex_);
  return std::any_of(lines_.begin(), lines_.end(), [](const Line& line) { return line.expected > 0; });
}

Status Interrupts::outcome(const Line& line, Point point) const {
  const auto failed = line.failures.find(point.value);
  if (failed == line.failures.end()) {
    return {};
  }
  return Error(Errc::Io, "fpga_vfio wait",
               plugin::words(device_.address(), " was reset before its interrupt ", point.line, " came"),
               failed->second);
}

Status Interrupts::wait(Point point, std::int64_t deadline_ns) {
  const auto found = find(point.line);
  if (!found) {
    return found.error();
  }
  Line& line = **found;
  const auto& calls = host_.syscalls();
  std::unique_lock lock(mutex_);
  for (bool last_look = false;;) {
    if (line.reached >= point.value) {
      return outcome(line, point);
    }
    const auto left = left_until(deadline_ns);
    if (last_look) {
      return Error(Errc::TimedOut, "fpga_vfio wait",
                   plugin::words("interrupt ", point.line, " of ", device_.address(),
                                 " had not come at the deadline"));
    }
    last_look = left == Nanoseconds::zero();
    if (line.polled) {
      poll_ended_.wait_until(lock, Clock::now() + left);
      continue;
    }
    line.polled = true;
    lock.unlock();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    const timespec span{.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
    pollfd event{.fd = line.event.get(), .events = POLLIN, .revents = 0};
    const int ready = calls.ppoll(calls.context, &event, 1, &span);
    const int failure = ready < 0 ? errno : 0;
    lock.lock();
    line.polled = false;
    if (ready > 0) {
      look(line);
    }
    poll_ended_.notify_all();
    if (failure != 0 && failure != EINTR && failure != EAGAIN) {
      return Error(
          errc_from_errno(failure), "ppoll",
          plugin::words("interrupt ", point.line, " of ", device_.address(), " cannot be waited for"),
          failure);
    }
  }
}

void Interrupts::fail_pending(int system_errno) {
  const std::lock_guard lock(mutex_);
  for (Line& line : lines_) {
    if (line.reached < line.expected) {
      line.failures.emplace(line.expected, system_errno);
      line.reached = line.expected;
      if (line.polled) {
        // Wakes who polls; he takes it back.
        const std::uint64_t one = 1;
        static_cast<void>(::write(line.event.get(), &one, sizeof(one)));
      }
    }
  }
}

}  // namespace causeway::fpga_vfio_backend
