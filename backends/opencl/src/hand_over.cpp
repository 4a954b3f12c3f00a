// SPDX-License-Identifier: Apache-2.0
#include "hand_over.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace causeway::opencl_backend {
namespace {

/// The buffers that cl_khr_external_memory wants acquired and released.
struct External {
  std::array<cl_mem, CW_MAX_PLANES> memory{};
  cl_uint count = 0;

  explicit External(std::span<const ImportedBuffer> buffers) {
    for (const auto& buffer : buffers) {
      if (buffer.path == ImportPath::ExternalMemory) {
        memory.at(count++) = buffer.memory.get();
      }
    }
  }
};

/// In a queue that runs out of order, what follows waits for what went before only if it is told to.
Status keep_order(const Context& context) {
  if (!context.out_of_order) {
    return {};
  }
  const cl_int result = context.api.EnqueueBarrierWithWaitList(context.queue.get(), 0, nullptr, nullptr);
  if (result != CL_SUCCESS) {
    return context.error("clEnqueueBarrierWithWaitList", result, "keeping an access in order");
  }
  return {};
}

/// Maps and unmaps whole buffers. With CL_MAP_WRITE_INVALIDATE_REGION what the CPU wrote goes to a device
/// that works on a copy; with CL_MAP_READ what the device wrote comes back (section 5.5.2, Mapping).
Status map_and_unmap(const Context& context, std::span<const ImportedBuffer> buffers, cl_map_flags flags) {
  for (const auto& buffer : buffers) {
    if (buffer.path == ImportPath::ArmImport) {
      continue;  // such memory cannot be mapped, and needs it never (cl_arm_import_memory)
    }
    cl_int result = CL_SUCCESS;
    void* address = context.api.EnqueueMapBuffer(context.queue.get(), buffer.memory.get(), CL_FALSE, flags, 0,
                                                 buffer.size, 0, nullptr, nullptr, &result);
    if (result != CL_SUCCESS) {
      return context.error("clEnqueueMapBuffer", result, "letting the device's copy and the memory meet");
    }
    if (auto status = keep_order(context); !status) {
      return status;
    }
    result = context.api.EnqueueUnmapMemObject(context.queue.get(), buffer.memory.get(), address, 0, nullptr,
                                               nullptr);
    if (result != CL_SUCCESS) {
      return context.error("clEnqueueUnmapMemObject", result,
                           "letting the device's copy and the memory meet");
    }
  }
  return keep_order(context);
}

Result<EventHandle> enqueue_end(const Context& context, std::span<const ImportedBuffer> buffers,
                                Copies copies) {
  const auto& api = context.api;
  Status first_failure = keep_order(context);
  if (copies == Copies::MapAndUnmap && first_failure) {
    first_failure = map_and_unmap(context, buffers, CL_MAP_READ);
  }
  // Whatever failed before: what was acquired is released.
  const External external(buffers);
  if (external.count > 0) {
    const cl_int result = context.extensions.ReleaseExternalMemObjects(
        context.queue.get(), external.count, external.memory.data(), 0, nullptr, nullptr);
    if (result != CL_SUCCESS && first_failure) {
      first_failure = context.error("clEnqueueReleaseExternalMemObjectsKHR", result,
                                    "giving memory back to other devices");
    }
  }
  if (!first_failure) {
    return std::move(first_failure.error());
  }
  cl_event event = nullptr;
  cl_int result = api.EnqueueMarkerWithWaitList(context.queue.get(), 0, nullptr, &event);
  if (result != CL_SUCCESS) {
    return context.error("clEnqueueMarkerWithWaitList", result, "marking the end of an access");
  }
  EventHandle end(api, event);
  result = api.Flush(context.queue.get());
  if (result != CL_SUCCESS) {
    return context.error("clFlush", result, "submitting an access");
  }
  return end;
}

}  // namespace

Status take_over(const Context& context, std::span<const ImportedBuffer> buffers, Copies copies) {
  const External external(buffers);
  if (external.count > 0) {
    const cl_int result = context.extensions.AcquireExternalMemObjects(
        context.queue.get(), external.count, external.memory.data(), 0, nullptr, nullptr);
    if (result != CL_SUCCESS) {
      return context.error("clEnqueueAcquireExternalMemObjectsKHR", result,
                           "taking memory over from other devices");
    }
  }
  Status begun = keep_order(context);
  if (begun && copies == Copies::MapAndUnmap) {
    begun = map_and_unmap(context, buffers, CL_MAP_WRITE_INVALIDATE_REGION);
  }
  if (!begun) {
    static_cast<void>(give_back(context, buffers, Copies::No));  // the first failure is the one to tell
  }
  return begun;
}

Result<EventHandle> give_back(const Context& context, std::span<const ImportedBuffer> buffers,
                              Copies copies) {
  auto end = enqueue_end(context, buffers, copies);
  if (!end) {
    // Work that nobody can wait for must not outlive the access, nor the memory.
    context.api.Finish(context.queue.get());
  }
  return end;
}

std::int64_t monotonic_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Result<bool> is_done(const Context& context, cl_event event, std::string_view what) {
  cl_int state = CL_QUEUED;
  const cl_int result =
      context.api.GetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(state), &state, nullptr);
  if (result != CL_SUCCESS) {
    return context.error("clGetEventInfo", result, what);
  }
  if (state < 0) {
    return context.error("the command", state, what);
  }
  return state == CL_COMPLETE;
}

Status wait_until(const Context& context, cl_event event, std::int64_t deadline_ns, std::string_view what) {
  // OpenCL waits for ever or not at all. Most work is done by the time that it is looked for.
  constexpr std::int64_t kFirstPause = 20'000;
  constexpr std::int64_t kLongestPause = 1'000'000;
  for (std::int64_t pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    auto done = is_done(context, event, what);
    if (!done) {
      return std::move(done.error());
    }
    if (*done) {
      return {};
    }
    const std::int64_t left = deadline_ns - monotonic_ns();
    if (left <= 0) {
      return Error(Errc::TimedOut, "clGetEventInfo",
                   fmt::format("{} on {} was not done by the deadline", what, context.name()));
    }
    const timespec rest{0, static_cast<long>(std::min(pause, left))};
    ::nanosleep(&rest, nullptr);
  }
}

}  // namespace causeway::opencl_backend
