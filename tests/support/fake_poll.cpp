// SPDX-License-Identifier: Apache-2.0
//
// ppoll() of the fake kernel: a dma-buf is ready once its fences have signalled (dma_buf_poll()).
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>

#include "support/fake_state.hpp"

namespace causeway::test {

namespace {

using Clock = std::chrono::steady_clock;

// A FakeDevice only answers whether it is ready, so it is asked again and again.
constexpr std::chrono::milliseconds kAskAgain{1};

timespec to_timespec(Clock::duration span) {
  const auto nanoseconds = std::max<std::int64_t>(0, std::chrono::nanoseconds(span).count());
  return {.tv_sec = nanoseconds / 1'000'000'000, .tv_nsec = nanoseconds % 1'000'000'000};
}

// POLLIN: whoever reads need not wait for any writer; POLLOUT: nobody is at it.
short ready_events(const FakeDmaBuf& buffer, short asked) {
  int ready = 0;
  if ((asked & POLLIN) != 0 && buffer.pending(false).empty()) {
    ready |= POLLIN;
  }
  if ((asked & POLLOUT) != 0 && buffer.pending(true).empty()) {
    ready |= POLLOUT;
  }
  return static_cast<short>(ready);
}

}  // namespace

int FakeKernel::Impl::poll(pollfd* fds, nfds_t count, const timespec* timeout) {
  const auto deadline = timeout == nullptr ? Clock::time_point::max()
                                           : Clock::now() + std::chrono::seconds(timeout->tv_sec) +
                                                 std::chrono::nanoseconds(timeout->tv_nsec);
  for (;;) {
    // Each entry of the fake's own is replaced by the real descriptor to wait for.
    std::vector<pollfd> real(fds, fds + count);
    std::vector<OwnFd> waits;
    bool ready_now = false;
    bool ask_again = false;
    {
      const std::lock_guard lock(mutex);
      for (nfds_t i = 0; i < count; ++i) {
        fds[i].revents = 0;
        const auto inode = fds[i].fd >= 0 ? inode_of(fds[i].fd) : std::nullopt;
        if (!inode) {
          continue;
        }
        if (const auto buffer = dma_bufs.find(*inode); buffer != dma_bufs.end()) {
          fds[i].revents = ready_events(*buffer->second, fds[i].events);
          const bool for_write = (fds[i].events & POLLIN) == 0;
          const int wait = sync_files.create("poll", buffer->second->pending(for_write));
          if (wait < 0) {
            return -errno;
          }
          waits.emplace_back(own, wait);
          real[i] = {.fd = wait, .events = POLLIN, .revents = 0};
        } else if (const auto node = nodes.find(*inode); node != nodes.end()) {
          const auto* device = std::get_if<FakeDevice>(&node->second);
          fds[i].revents = device != nullptr && device->poll ? device->poll(fds[i].events) : fds[i].events;
          real[i].fd = -1;
          ask_again = true;
        }
        ready_now = ready_now || fds[i].revents != 0;
      }
    }
    auto left = deadline - Clock::now();
    left = ask_again ? std::min<Clock::duration>(left, kAskAgain) : left;
    const timespec span = to_timespec(ready_now ? Clock::duration::zero() : left);
    const bool for_ever = !ready_now && !ask_again && timeout == nullptr;
    if (::ppoll(real.data(), count, for_ever ? nullptr : &span, nullptr) < 0) {
      return -errno;
    }
    int ready = 0;
    for (nfds_t i = 0; i < count; ++i) {
      if (real[i].fd == fds[i].fd) {
        fds[i].revents = real[i].revents;
      }
      ready += fds[i].revents != 0 ? 1 : 0;
    }
    if (ready > 0 || Clock::now() >= deadline) {
      return ready;
    }
  }
}

}  // namespace causeway::test
