// SPDX-License-Identifier: Apache-2.0
//
// The CPU's bracket around its accesses to a dma-buf, where the hardware needs it and where it does not.
#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <atomic>

#include "suite.hpp"

namespace causeway::bench {
namespace {

void sync(int fd, std::uint64_t flags) {
  dma_buf_sync request{.flags = flags};
  require(::ioctl(fd, DMA_BUF_IOCTL_SYNC, &request) == 0, "DMA_BUF_IOCTL_SYNC failed");
}

void two_ioctls(Suite& suite, benchmark::State& state) {
  const auto buffer = suite.runtime().allocate(kFrameBytes, suite.dma_buf_exporter()).value();
  const int fd = buffer.fd().value().get();
  for (auto _ : state) {
    pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
    require(::poll(&ready, 1, 0) == 1, "the dma-buf is not idle");
    sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
    sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
  }
}

/// What is left of the bracket where nobody but the CPU has touched the memory since.
void state_check(benchmark::State& state) {
  std::atomic<std::uint32_t> owed{0};
  std::atomic<std::int32_t> turn{0};
  for (auto _ : state) {
    std::int32_t nobody = 0;
    bool begun = turn.compare_exchange_strong(nobody, -1, std::memory_order_acquire);
    benchmark::DoNotOptimize(begun);
    benchmark::DoNotOptimize(owed.load(std::memory_order_acquire));
    turn.store(0, std::memory_order_release);
  }
}

/// escaped: the descriptor was handed out, so that nothing may be taken for granted about the caches.
void bracket(Suite& suite, benchmark::State& state, bool escaped) {
  const auto buffer = suite.runtime().allocate(kFrameBytes, suite.dma_buf_exporter()).value();
  if (escaped) {
    benchmark::DoNotOptimize(buffer.fd().value().get());
  }
  const auto mapping = buffer.map_cpu().value();
  for (auto _ : state) {
    auto access = mapping.begin(Usage::ReadWrite, Deadline::now());
    benchmark::DoNotOptimize(access->bytes().data());
    auto ended = access->end();
    benchmark::DoNotOptimize(ended.has_value());
  }
}

}  // namespace

void add_sync_rows(Suite& suite) {
  if (suite.dma_buf_exporter().empty()) {
    suite.skip("Sync/Required", suite.no_dma_buf());
    suite.skip("Sync/Elided", suite.no_dma_buf());
    return;
  }
  suite.add("Sync/Required", "us", [&suite](auto& state) { bracket(suite, state, true); });
  suite.add("Sync/Required", "raw", [&suite](auto& state) { two_ioctls(suite, state); });
  suite.add("Sync/Elided", "us", [&suite](auto& state) { bracket(suite, state, false); });
  suite.add("Sync/Elided", "raw", state_check);
  suite.add("Sync/Elided", "peer:two-ioctls", [&suite](auto& state) { two_ioctls(suite, state); });
}

}  // namespace causeway::bench
