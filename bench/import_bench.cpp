// SPDX-License-Identifier: Apache-2.0
//
// Memory comes in: as an object that is known, as a descriptor that was seen before, for the first time.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "raw_opencl.hpp"
#include "raw_vulkan.hpp"
#include "suite.hpp"

namespace causeway::bench {
namespace {

constexpr std::size_t kKnown = 8;  // as a stream has buffers

#ifdef F_DUPFD_QUERY
constexpr int kDupfdQuery = F_DUPFD_QUERY;
#else
constexpr int kDupfdQuery = 1024 + 3;  // since Linux 6.10; older C libraries lack the name
#endif

std::vector<DmaBuf> some_buffers(Suite& suite) {
  std::vector<DmaBuf> buffers;
  for (std::size_t i = 0; i < kKnown; ++i) {
    buffers.push_back(suite.runtime().allocate(4096, "memfd").value());
  }
  return buffers;
}

void hit_ref_by_us(Suite& suite, benchmark::State& state) {
  const auto buffers = some_buffers(suite);
  std::size_t next = 0;
  for (auto _ : state) {
    DmaBuf held = buffers[next++ % kKnown];  // NOLINT(performance-unnecessary-copy-initialization)
    benchmark::DoNotOptimize(held);
  }
}

void hit_ref_raw(benchmark::State& state) {
  struct Slot {
    std::uint32_t generation = 1;
    std::atomic<std::uint32_t> references{1};
  };
  std::array<Slot, kKnown> slots;
  std::size_t next = 0;
  for (auto _ : state) {
    Slot& slot = slots[next++ % kKnown];
    benchmark::DoNotOptimize(slot.generation);
    slot.references.fetch_add(1, std::memory_order_relaxed);
    benchmark::DoNotOptimize(slot);
    slot.references.fetch_sub(1, std::memory_order_acq_rel);
  }
}

void hit_fd_by_us(Suite& suite, benchmark::State& state) {
  const auto fd = raw_memfd(4096);
  const auto known = DmaBuf::from_fd(suite.runtime(), fd.borrow()).value();
  const auto again = raw_memfd(4096);
  require(DmaBuf::from_fd(suite.runtime(), fd.borrow()).value() == known &&
              !(DmaBuf::from_fd(suite.runtime(), again.borrow()).value() == known),
          "the descriptor was not recognised");
  for (auto _ : state) {
    auto found = DmaBuf::from_fd(suite.runtime(), fd.borrow());
    benchmark::DoNotOptimize(found);
  }
}

void hit_fd_by_fstat(benchmark::State& state) {
  const auto fd = raw_memfd(4096);
  for (auto _ : state) {
    struct stat status {};
    require(::fstat(fd.get(), &status) == 0, "fstat failed");
    benchmark::DoNotOptimize(status.st_ino);
  }
}

void hit_fd_by_query(benchmark::State& state) {
  const auto fd = raw_memfd(4096);
  const UniqueFd known(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  for (auto _ : state) {
    require(::fcntl(fd.get(), kDupfdQuery, known.get()) == 1, "F_DUPFD_QUERY failed");
  }
}

bool has_query() {
  const auto fd = raw_memfd(4096);
  return ::fcntl(fd.get(), kDupfdQuery, fd.get()) == 1;
}

/// Import, use on a device, and let go again, of memory that nobody has met before.
void cold_by_us(Suite& suite, benchmark::State& state, const Device& device, std::uint64_t bytes) {
  const auto fd = raw_memfd(bytes);
  const RawMapping there(fd.borrow(), bytes, MAP_POPULATE);  // the pages exist, as a producer's would
  for (auto _ : state) {
    const auto buffer = DmaBuf::from_fd(suite.runtime(), fd.borrow()).value();
    auto attachment = buffer.attach(device, Usage::StorageRead | Usage::AsBuffer).value();
    const auto mapping = attachment.map(Direction::Bidirectional).value();
    require(mapping.verdict() == AliasVerdict::Aliased, "this is no zero-copy: the import is not aliased");
  }
}

void cold_vulkan(Suite& suite, benchmark::State& state, std::uint64_t bytes) {
  RawVulkan vulkan(*suite.vulkan());
  const auto fd = raw_memfd(bytes);
  const RawMapping there(fd.borrow(), bytes, MAP_POPULATE);
  for (auto _ : state) {
    const auto buffer = vulkan.import(fd.borrow(), bytes);
    benchmark::DoNotOptimize(buffer->get());
  }
}

void cold_opencl(Suite& suite, benchmark::State& state, std::uint64_t bytes) {
  const RawOpencl opencl(*suite.opencl());
  const auto fd = raw_memfd(bytes);
  const RawMapping there(fd.borrow(), bytes, MAP_POPULATE);
  for (auto _ : state) {
    const RawMapping mapping(fd.borrow(), bytes, MAP_POPULATE);
    const auto buffer = opencl.over(mapping.data(), bytes);
    benchmark::DoNotOptimize(buffer.get());
  }
}

}  // namespace

void add_import_rows(Suite& suite) {
  suite.add("Import/HitRef", "us", [&suite](auto& state) { hit_ref_by_us(suite, state); });
  suite.add("Import/HitRef", "raw", hit_ref_raw);
  suite.add("Import/HitFd", "us", [&suite](auto& state) { hit_fd_by_us(suite, state); });
  suite.add("Import/HitFd", "raw:fstat", hit_fd_by_fstat);
  if (has_query()) {
    suite.add("Import/HitFd", "raw:F_DUPFD_QUERY", hit_fd_by_query);
  }
  for (const auto bytes : kSizes) {
    const auto dma_buf = "Import/Cold/dma-buf/" + by_size(bytes);
    const auto pointer = "Import/Cold/host-pointer/" + by_size(bytes);
    if (suite.vulkan() && suite.vulkan()->has(Capability::ImportsMemfd)) {
      suite.add(dma_buf, "us",
                [&suite, bytes](auto& state) { cold_by_us(suite, state, *suite.vulkan(), bytes); });
      suite.add(dma_buf, "raw", [&suite, bytes](auto& state) { cold_vulkan(suite, state, bytes); });
    } else {
      suite.skip(dma_buf,
                 suite.vulkan() ? "The Vulkan driver takes no memfd for a dma-buf." : suite.no_vulkan());
    }
    if (suite.opencl()) {
      suite.add(pointer, "us",
                [&suite, bytes](auto& state) { cold_by_us(suite, state, *suite.opencl(), bytes); });
      suite.add(pointer, "raw", [&suite, bytes](auto& state) { cold_opencl(suite, state, bytes); });
    } else {
      suite.skip(pointer, suite.no_opencl());
    }
  }
  if (suite.vulkan() && suite.vulkan()->has(Capability::ImportsMemfd)) {
    // What a program does that keeps no record of what it has imported.
    for (const auto* row : {"Import/HitRef", "Import/HitFd"}) {
      suite.add(row, "peer:re-import", [&suite](auto& state) { cold_vulkan(suite, state, 4096); });
    }
  }
}

}  // namespace causeway::bench
