// SPDX-License-Identifier: Apache-2.0
//
// Fences between processes and drivers: into and out of a dma-buf's own reservation, merged, waited for.
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <utility>

#include "suite.hpp"
#include "vgem_fence.hpp"

namespace causeway::bench {
namespace {

UniqueFd export_raw(int dma_buf) {
  dma_buf_export_sync_file request{.flags = DMA_BUF_SYNC_RW, .fd = -1};
  require(::ioctl(dma_buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request) == 0,
          "DMA_BUF_IOCTL_EXPORT_SYNC_FILE failed");
  return UniqueFd(request.fd);
}

DmaBuf a_dma_buf(Suite& suite) {
  return suite.runtime().allocate(4096, suite.dma_buf_exporter()).value();
}

void export_by_us(Suite& suite, benchmark::State& state) {
  const auto buffer = a_dma_buf(suite);
  const auto reservation = buffer.reservation();
  for (auto _ : state) {
    auto exported = reservation.export_sync_file(Usage::ReadWrite, Deadline::now());
    require(exported.has_value(), "export_sync_file failed");
  }
}

void export_by_ioctl(Suite& suite, benchmark::State& state) {
  const auto buffer = a_dma_buf(suite);
  const int fd = buffer.fd().value().get();
  for (auto _ : state) {
    benchmark::DoNotOptimize(export_raw(fd).get());
  }
}

void import_by_us(Suite& suite, benchmark::State& state) {
  const auto buffer = a_dma_buf(suite);
  const auto reservation = buffer.reservation();
  const auto fence = reservation.export_sync_file(Usage::ReadWrite, Deadline::now()).value();
  for (auto _ : state) {
    require(reservation.import_into_kernel(fence, FenceUsage::Write).has_value(),
            "import_into_kernel failed");
  }
}

void import_by_ioctl(Suite& suite, benchmark::State& state) {
  const auto buffer = a_dma_buf(suite);
  const int fd = buffer.fd().value().get();
  const auto fence = export_raw(fd);
  for (auto _ : state) {
    dma_buf_import_sync_file request{.flags = DMA_BUF_SYNC_WRITE, .fd = fence.get()};
    require(::ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &request) == 0,
            "DMA_BUF_IOCTL_IMPORT_SYNC_FILE failed");
  }
}

void merge_by_us(Suite& suite, benchmark::State& state) {
  const VgemFence one;
  const VgemFence other;
  const std::array fences{Fence::from_sync_file(suite.runtime(), one.sync_file()).value(),
                          Fence::from_sync_file(suite.runtime(), other.sync_file()).value()};
  for (auto _ : state) {
    auto merged = Fence::merge(fences);
    require(merged.has_value() && merged->valid(), "Fence::merge failed");
  }
}

void merge_by_ioctl(benchmark::State& state) {
  const VgemFence one;
  const VgemFence other;
  for (auto _ : state) {
    sync_merge_data request{};
    request.fd2 = other.sync_file().get();
    require(::ioctl(one.sync_file().get(), SYNC_IOC_MERGE, &request) == 0, "SYNC_IOC_MERGE failed");
    ::close(request.fence);
  }
}

/// Asking a fence that is pending, without waiting: what a poll loop does each turn.
void wait_by_us(Suite& suite, benchmark::State& state) {
  const VgemFence pending;
  const auto fence = Fence::from_sync_file(suite.runtime(), pending.sync_file()).value();
  for (auto _ : state) {
    require(fence.status() == FenceStatus::Pending, "the fence of vgem is no longer pending");
  }
}

void wait_by_poll(benchmark::State& state) {
  const VgemFence pending;
  for (auto _ : state) {
    pollfd ready{.fd = pending.sync_file().get(), .events = POLLIN, .revents = 0};
    require(::poll(&ready, 1, 0) == 0, "the fence of vgem is no longer pending");
  }
}

}  // namespace

void add_fence_rows(Suite& suite) {
  if (suite.dma_buf_exporter().empty()) {
    suite.skip("Fence/Export", suite.no_dma_buf());
    suite.skip("Fence/Import", suite.no_dma_buf());
  } else {
    suite.add("Fence/Export", "us", [&suite](auto& state) { export_by_us(suite, state); });
    suite.add("Fence/Export", "raw", [&suite](auto& state) { export_by_ioctl(suite, state); });
    suite.add("Fence/Import", "us", [&suite](auto& state) { import_by_us(suite, state); });
    suite.add("Fence/Import", "raw", [&suite](auto& state) { import_by_ioctl(suite, state); });
  }
  if (const auto missing = VgemFence::missing(); !missing.empty()) {
    suite.skip("Fence/Merge", missing);
    suite.skip("Fence/Wait", missing);
  } else {
    suite.add("Fence/Merge", "us", [&suite](auto& state) { merge_by_us(suite, state); });
    suite.add("Fence/Merge", "raw", merge_by_ioctl);
    suite.add("Fence/Wait", "us", [&suite](auto& state) { wait_by_us(suite, state); });
    suite.add("Fence/Wait", "raw", wait_by_poll);
  }
}

}  // namespace causeway::bench
