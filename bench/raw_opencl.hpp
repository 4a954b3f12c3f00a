// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/opencl.hpp>

#include <cstddef>
#include <cstdint>

#include "suite.hpp"

namespace causeway::bench {

/// OpenCL as an expert writes it by hand, and the kernel that both sides run: it adds one to a word in each
/// page of the first 64 KiB. On the context and queue that the suite opened.
///
/// Threads: thread-bound.
class RawOpencl {
public:
  /// A cl_mem, released at its end. Threads: thread-bound.
  class Buffer {
  public:
    explicit Buffer(cl_mem memory) noexcept : memory_(memory) {}
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { clReleaseMemObject(memory_); }
    [[nodiscard]] cl_mem get() const noexcept { return memory_; }

  private:
    cl_mem memory_;
  };

  explicit RawOpencl(const Device& device);
  RawOpencl(const RawOpencl&) = delete;
  RawOpencl& operator=(const RawOpencl&) = delete;
  ~RawOpencl();

  /// Over the caller's memory (CL_MEM_USE_HOST_PTR). Throws std::runtime_error.
  [[nodiscard]] Buffer over(std::byte* address, std::uint64_t bytes) const;
  /// Of OpenCL's own.
  [[nodiscard]] Buffer own_buffer(std::uint64_t bytes) const;

  /// What enqueue() works on from now on.
  void bind(cl_mem memory) const;
  void enqueue() const;
  /// The same as the last command of an access on the mapping, whose end needs no marker then.
  void enqueue_last(const Mapping& mapping) const;
  void finish() const;
  /// Drivers compile a kernel when it first runs.
  void warm_up() const;
  /// The usual ways around shared memory: the whole of it to and from the driver's own, blocking.
  void upload(cl_mem to, const std::byte* from, std::uint64_t bytes) const;
  void download(std::byte* to, cl_mem from, std::uint64_t bytes) const;

private:
  /// end: null, or where its event goes.
  void launch(cl_event* end) const;

  opencl::Handles cl_;
  cl_program program_ = nullptr;
  cl_kernel kernel_ = nullptr;
};

}  // namespace causeway::bench
