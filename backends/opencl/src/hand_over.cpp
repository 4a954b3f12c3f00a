// SPDX-License-Identifier: Apache-2.0
#include "hand_over.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

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

/// A thread that sleeps until the driver calls. Some drivers call a moment before the event's state shows it,
/// so that a call is a reason to look, no more.
class Wake {
public:
  static void CL_CALLBACK call(cl_event, cl_int, void* data) {
    const std::unique_ptr<std::shared_ptr<Wake>> held(static_cast<std::shared_ptr<Wake>*>(data));
    const std::lock_guard lock((*held)->mutex_);
    (*held)->called_ = true;
    (*held)->changed_.notify_all();
  }
  void wait(std::int64_t most_ns) {
    constexpr std::int64_t kLook = 1'000'000;  // once it has called
    constexpr std::int64_t kLongest = 1'000'000'000;
    std::unique_lock lock(mutex_);
    const bool called_before = called_;
    changed_.wait_for(lock, std::chrono::nanoseconds(std::min(most_ns, called_before ? kLook : kLongest)),
                      [&] { return called_ && !called_before; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool called_ = false;
};

}  // namespace

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

Result<EventHandle> mark_end(const Context& context) {
  cl_event event = nullptr;
  const cl_int result = context.api.EnqueueMarkerWithWaitList(context.queue.get(), 0, nullptr, &event);
  if (result != CL_SUCCESS) {
    return context.error("clEnqueueMarkerWithWaitList", result, "marking the end of an access");
  }
  return submit_up_to(context, EventHandle(context.api, event));
}

Result<EventHandle> submit_up_to(const Context& context, EventHandle end) {
  const cl_int result = context.api.Flush(context.queue.get());
  if (result != CL_SUCCESS) {
    return context.error("clFlush", result, "submitting an access");
  }
  return end;
}

bool needs_no_giving_back(std::span<const ImportedBuffer> buffers, Copies copies) noexcept {
  return copies == Copies::No && std::none_of(buffers.begin(), buffers.end(), [](const auto& buffer) {
           return buffer.path == ImportPath::ExternalMemory;
         });
}

Error settle_after(const Context& context, Error failure) {
  constexpr std::int64_t kPatience = 2'000'000'000;
  constexpr timespec kRest{0, 1'000'000};  // for whoever has the memory that was missing
  const std::int64_t deadline = monotonic_ns() + kPatience;
  auto end = mark_end(context);
  while (!end && end.error().code() != Errc::DeviceLost && monotonic_ns() < deadline) {
    ::nanosleep(&kRest, nullptr);
    end = mark_end(context);
  }
  Status ended = end ? wait_until(context, end->get(), deadline, "the work of an access")
                     : Status(std::move(end.error()));
  if (ended || ended.error().code() == Errc::Io) {
    return failure;  // what the work itself failed with matters no more
  }
  return Error(Errc::DeviceLost, std::string(failure.operation()),
               fmt::format("{}; and what was begun goes on, for all that is known ({}), so {} is taken for "
                           "lost; open it anew",
                           failure.detail(), ended.error().detail(), context.name()));
}

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
    if (auto given_back = give_back(context, buffers, Copies::No); !given_back) {
      return settle_after(context, std::move(begun.error()));  // the first failure is the one to tell
    }
  }
  return begun;
}

Result<EventHandle> give_back(const Context& context, std::span<const ImportedBuffer> buffers,
                              Copies copies) {
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
  return mark_end(context);
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
    auto failure = context.error("the command", state, what);
    // Of the work, and for good: being out of memory is for who could not ask (backend_abi.h, fence_wait).
    return failure.code() == Errc::DeviceLost ? std::move(failure)
                                              : Error(Errc::Io, "the command", failure.detail(), EIO);
  }
  return state == CL_COMPLETE;
}

Status wait_until(const Context& context, cl_event event, std::int64_t deadline_ns, std::string_view what) {
  // OpenCL waits for ever or not at all.
  if (deadline_ns == std::numeric_limits<std::int64_t>::max()) {
    const cl_int result = context.api.WaitForEvents(1, &event);
    if (auto done = is_done(context, event, what); !done) {
      return std::move(done.error());  // says more than what the wait answered
    }
    return result == CL_SUCCESS ? Status() : context.error("clWaitForEvents", result, what);
  }
  // So the driver's own call wakes this thread, or the deadline does.
  auto wake = std::make_shared<Wake>();
  for (bool armed = false;;) {
    auto done = is_done(context, event, what);
    if (!done) {
      return std::move(done.error());
    }
    if (*done) {
      return {};
    }
    const std::int64_t now = monotonic_ns();
    if (deadline_ns <= now) {  // it may lie as far back as numbers go
      return Error(Errc::TimedOut, "clGetEventInfo",
                   fmt::format("{} on {} was not done by the deadline", what, context.name()));
    }
    if (!armed) {
      auto held = std::make_unique<std::shared_ptr<Wake>>(wake);
      const cl_int result = context.api.SetEventCallback(event, CL_COMPLETE, &Wake::call, held.get());
      if (result != CL_SUCCESS) {
        return context.error("clSetEventCallback", result, what);
      }
      static_cast<void>(held.release());  // the callback's
      armed = true;
    }
    wake->wait(deadline_ns - now);
  }
}

}  // namespace causeway::opencl_backend
