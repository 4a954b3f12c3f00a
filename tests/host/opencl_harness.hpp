// SPDX-License-Identifier: Apache-2.0
#pragma once

// The OpenCL backend's table in the hands of a test: a small host with events, and devices of two drivers:
// PoCL, which is real, and the fake of support/fake_opencl_icd.hpp.

#include <causeway/opencl_abi.h>
#include <gtest/gtest.h>

#include <causeway/plugin/backend.hpp>
#include <cstddef>
#include <span>
#include <string>

#include "support/table_device.hpp"
#include "support/table_host.hpp"

extern "C" const cw_backend* causeway_opencl_backend(std::uint32_t host_version);

namespace causeway::test {

inline const cw_backend& opencl_table() {
  return *causeway_opencl_backend(CW_ABI_VERSION);
}

/// A host whose events the device waits for by itself: it is asked to wait for none, unless a test permits
/// it, and then counts it among the backend's own waits.
class OpenclHost : public TableHost {
public:
  OpenclHost();
  bool may_wait = false;
  OpenclHost(const OpenclHost&) = delete;
  OpenclHost& operator=(const OpenclHost&) = delete;
  ~OpenclHost();
};

/// What open() takes for the device of the driver PoCL.
[[nodiscard]] std::string pocl_id();

/// An opened device of OpenCL's.
class OpenclDevice : public TableDevice {
public:
  OpenclDevice(const OpenclHost& host, const std::string& id, std::uint32_t path = CW_OPENCL_ANY);
  OpenclDevice(const OpenclHost& host, const cw_opencl_adopt_v1& adopt);

  [[nodiscard]] cw_opencl_handles_v1 handles() const;
  /// The operations on fences of the device's own.
  [[nodiscard]] Outcome wait(const cw_fence& fence, std::int64_t deadline_ns = soon_ns()) const;
  [[nodiscard]] bool is_done(const cw_fence& fence) const { return static_cast<bool>(wait(fence, 0)); }
  [[nodiscard]] Outcome export_fence(const cw_fence& fence, cw_fence& out) const;
  void release(const cw_fence& fence) const { table().fence_release(raw(), &fence); }
  [[nodiscard]] Outcome wait_idle(std::int64_t deadline_ns = soon_ns()) const;
};

/// Memory attached to it. Its probes are kernels.
class OpenclAttached : public TableAttachment {
public:
  using TableAttachment::TableAttachment;
  [[nodiscard]] const cw_opencl_view_v1& view() const {
    return *static_cast<const cw_opencl_view_v1*>(mapping().native);
  }
  [[nodiscard]] Outcome begin(std::span<const cw_fence> waits = {}) const;
  /// fence: gets what came out; of kind NONE if the work is done. Without it there is no room for one.
  [[nodiscard]] Outcome end(cw_fence* fence = nullptr, std::span<const cw_fence> given = {}) const;
};

template <class T>
[[nodiscard]] cl_int set_argument(cl_kernel kernel, cl_uint index, const T& value) {
  // NOLINTNEXTLINE(bugprone-sizeof-expression): a cl_mem is passed as the handle that it is
  return clSetKernelArg(kernel, index, sizeof(value), &value);
}

/// Runs a kernel of the caller's own on a view's queue, and waits for it. source has one kernel, "work".
void run_kernel(const cw_opencl_view_v1& view, const char* source, std::span<const cl_mem> memory,
                std::size_t width, std::size_t height = 1);

}  // namespace causeway::test
