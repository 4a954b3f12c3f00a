// SPDX-License-Identifier: Apache-2.0
// Waiting for a filled buffer, and for what else may come first.

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "queue.hpp"

namespace causeway::v4l2_backend {
namespace {

/// While a camera has no buffer its poll(2) tells nothing else, so it is asked this often whether it is gone.
constexpr std::chrono::milliseconds kGoneAfter{100};

}  // namespace

Error BufferQueue::nothing_came(Deadline::Clock::duration waited) const {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(waited).count();
  const std::size_t queued = count(Turn::Queued);
  const std::size_t held = count(Turn::Held);
  if (queued == 0) {
    return Error(
        Errc::TimedOut, "dequeue",
        plugin::words("the camera ", node_.path(), " had no buffer to fill for ", milliseconds, " ms: all ",
                      held, " frames are held by consumers; let one go sooner, or allocate more"));
  }
  const std::string trouble = node_.input_trouble();
  return Error(Errc::TimedOut, "dequeue",
               plugin::words("the camera ", node_.path(), " delivered no frame within ", milliseconds,
                             " ms, with ", queued, queued == 1 ? " buffer" : " buffers", " queued and ", held,
                             " held by consumers", trouble.empty() ? "" : "; its input reports " + trouble,
                             queued == 1 ? "; many drivers need 2 or more to run" : ""));
}

Status BufferQueue::make_bell() {
  if (bell_.valid()) {
    return {};
  }
  const auto& calls = node_.host().syscalls();
  int fd = -1;
  do {
    fd = calls.eventfd(calls.context, 0, EFD_CLOEXEC | EFD_NONBLOCK);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    const int reason = errno;
    return Error(
        errc_from_errno(reason), "eventfd",
        plugin::words("the stream of the camera ", node_.path(), " could not be given a way to be woken"),
        reason);
  }
  bell_ = UniqueFd(fd);
  return {};
}

void BufferQueue::ring() noexcept {
  if (waits_) {
    const std::uint64_t one = 1;
    (void)::write(bell_.get(), &one, sizeof(one));  // full: it rings already
  }
}

void BufferQueue::interrupt() noexcept {
  const std::lock_guard lock(mutex_);
  called_ = true;
  ring();
}

Result<std::optional<Filled>> BufferQueue::take(std::uint64_t& ticket) {
  auto filled = node_.dequeue();
  if (!filled || !filled->has_value()) {
    return filled;
  }
  const Filled& got = **filled;
  if (got.index >= granted_ || slots_.at(got.index).turn != Turn::Queued) {
    return Error(Errc::Io, "VIDIOC_DQBUF",
                 plugin::words("the camera ", node_.path(), " gave back buffer ", got.index,
                               ", which it did not have"));
  }
  auto& slot = slots_.at(got.index);
  slot.turn = Turn::Held;
  ticket = slot.ticket;
  return filled;
}

Result<Filled> BufferQueue::dequeue(Deadline deadline, std::uint64_t& ticket,
                                    std::optional<std::span<pollfd>> with) {
  const auto others = with.value_or(std::span<pollfd>());
  const auto begun = Deadline::Clock::now();
  const auto waited = [&] { return Deadline::Clock::now() - begun; };
  std::unique_lock lock(mutex_);
  while (true) {
    if (!streaming_) {
      return Error(Errc::WrongState, "dequeue",
                   plugin::words("the camera ", node_.path(), " is not streaming"));
    }
    if (with && std::exchange(called_, false)) {
      return Error(Errc::Busy, "dequeue", "somebody asked the stream to look again");
    }
    // Without a buffer poll(2) would report an error: there is nothing to wait for but a consumer. Only that
    // the camera is gone is worth knowing, and nothing tells but to ask now and then.
    const bool has_buffer = count(Turn::Queued) > 0;
    std::array<pollfd, 2 + VIDEO_MAX_FRAME> entries{};
    entries[0] = {.fd = has_buffer ? node_.fd() : -1, .events = POLLIN, .revents = 0};
    entries[1] = {.fd = bell_.get(), .events = POLLIN, .revents = 0};
    const std::size_t other_count = std::min(others.size(), entries.size() - 2);
    std::copy_n(others.begin(), other_count, entries.begin() + 2);
    const Deadline slice = Deadline::in(kGoneAfter);
    const bool sliced = !has_buffer && slice.when() < deadline.when();
    waits_ = true;
    starves_ = !has_buffer;
    lock.unlock();
    const auto ready = node_.wait(std::span(entries).first(2 + other_count), sliced ? slice : deadline);
    lock.lock();
    waits_ = starves_ = false;
    if (!ready) {
      return ready.error();
    }
    if (entries[1].revents != 0) {
      std::uint64_t rings = 0;
      (void)::read(bell_.get(), &rings, sizeof(rings));
    }
    short events = entries[0].revents;
    if (!has_buffer && streaming_ && !*ready) {
      pollfd gone{.fd = node_.fd(), .events = POLLIN, .revents = 0};
      const auto asked = node_.wait({&gone, 1}, Deadline::now());
      events = asked && (gone.revents & POLLHUP) != 0 ? gone.revents : short{0};
    }
    if (events != 0) {
      // Also after POLLERR and POLLHUP: the driver's reason is in the answer to DQBUF.
      auto filled = take(ticket);
      if (!filled) {
        return std::move(filled.error());
      }
      if (filled->has_value()) {
        return **filled;
      }
      if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0 && streaming_) {
        return Error(
            Errc::Io, "ppoll",
            plugin::words("the camera ", node_.path(), " reports an error while streaming (poll events 0x",
                          std::hex, events, "), and gives no reason"));
      }
    }
    bool shown = false;
    for (std::size_t i = 0; i < other_count; ++i) {
      others[i].revents = entries.at(i + 2).revents;
      shown = shown || others[i].revents != 0;
    }
    if (shown) {
      return Error(Errc::Busy, "dequeue", "something else that was waited for has come first");
    }
    if ((!*ready && !sliced) || deadline.left() == Deadline::Clock::duration::zero()) {
      return nothing_came(waited());
    }
  }
}

}  // namespace causeway::v4l2_backend
