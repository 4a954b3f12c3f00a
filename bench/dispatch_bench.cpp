// SPDX-License-Identifier: Apache-2.0
//
// A kernel of OpenCL over shared memory, against the same kernel over a host pointer by hand.
#include <cstring>

#include "raw_opencl.hpp"
#include "suite.hpp"

namespace causeway::bench {
namespace {

void by_us(Suite& suite, benchmark::State& state, std::uint64_t bytes) {
  const auto pool = aliased_pool(suite.runtime(), bytes, {*suite.opencl()});
  const auto& mapping = pool.frame(0).on(*suite.opencl());
  const RawOpencl opencl(*suite.opencl());
  opencl.bind(opencl::view(mapping).value()->buffers[0]);
  opencl.warm_up();
  for (auto _ : state) {
    auto access = mapping.begin_access(Usage::ReadWrite, Deadline::never()).value();
    opencl.enqueue_last(mapping);
    const auto fences = access.end().value();
    for (const auto& fence : fences) {
      fence.wait(Deadline::never()).value();
    }
  }
}

void raw(Suite& suite, benchmark::State& state, std::uint64_t bytes) {
  const auto fd = raw_memfd(bytes);
  const RawMapping mapping(fd.borrow(), bytes, 0);
  touch_pages(mapping.data(), bytes);
  const RawOpencl opencl(*suite.opencl());
  const auto buffer = opencl.over(mapping.data(), bytes);
  opencl.bind(buffer.get());
  opencl.warm_up();
  for (auto _ : state) {
    opencl.enqueue();
    opencl.finish();
  }
}

void by_write_buffer(Suite& suite, benchmark::State& state, std::uint64_t bytes) {
  const auto fd = raw_memfd(bytes);
  const RawMapping mapping(fd.borrow(), bytes, 0);
  touch_pages(mapping.data(), bytes);
  const RawOpencl opencl(*suite.opencl());
  const auto buffer = opencl.own_buffer(bytes);
  opencl.bind(buffer.get());
  opencl.warm_up();
  for (auto _ : state) {
    opencl.upload(buffer.get(), mapping.data(), bytes);
    opencl.enqueue();
    opencl.finish();
  }
}

}  // namespace

void add_dispatch_rows(Suite& suite) {
  for (const auto bytes : kSizes) {
    const auto row = "Dispatch/OpenCL/" + by_size(bytes);
    if (!suite.opencl()) {
      suite.skip(row, suite.no_opencl());
      continue;
    }
    suite.add_handing_over(row, "us", [&suite, bytes](auto& state) { by_us(suite, state, bytes); });
    suite.add_handing_over(row, "raw", [&suite, bytes](auto& state) { raw(suite, state, bytes); });
    suite.add_handing_over(row, "peer:write-buffer",
                           [&suite, bytes](auto& state) { by_write_buffer(suite, state, bytes); });
  }
}

}  // namespace causeway::bench
