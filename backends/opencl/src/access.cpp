// SPDX-License-Identifier: Apache-2.0
#include "access.hpp"

#include <causeway/plugin/access.hpp>
#include <utility>
#include <vector>

#include "device_wait.hpp"

namespace causeway::opencl_backend {
namespace {

constexpr std::int64_t kEndPatience = 10'000'000'000;  // an end has no deadline of its caller's

}  // namespace

Result<std::optional<EventHandle>> Accessor::wait_for_one(const cw_fence& fence, std::int64_t deadline_ns) {
  if (!waits_for(context_, fence.kind)) {
    return cannot_wait(context_, fence.kind);
  }
  auto event = wait_on_device(context_, fence);
  if (event || event.error().code() == Errc::DeviceLost) {
    return event;
  }
  context_.host.log(CW_LOG_WARNING, "the CPU waits instead of the device: " + event.error().message());
  if (auto waited = context_.host.wait_fence(fence, deadline_ns); !waited) {
    return std::move(waited.error());
  }
  return std::optional<EventHandle>();
}

Status Accessor::wait_for(std::span<const cw_fence> fences, std::int64_t deadline_ns) {
  std::vector<EventHandle> events;
  bool own = false;
  for (const auto& fence : fences) {
    if (fence.kind == CW_FENCE_DEVICE) {
      own = true;  // work of this very queue
      continue;
    }
    auto event = wait_for_one(fence, deadline_ns);
    if (!event) {
      return std::move(event.error());
    }
    if (*event) {
      events.push_back(std::move(**event));
    }
  }
  if (own) {
    if (auto status = keep_order(context_); !status) {
      return status;
    }
  }
  if (events.empty()) {
    return {};
  }
  std::vector<cl_event> list;
  list.reserve(events.size());
  for (const auto& event : events) {
    list.push_back(event.get());
  }
  const cl_int result = context_.api.EnqueueBarrierWithWaitList(
      context_.queue.get(), static_cast<cl_uint>(list.size()), list.data(), nullptr);
  if (result != CL_SUCCESS) {
    return context_.error("clEnqueueBarrierWithWaitList", result, "letting an access wait for its fences");
  }
  return {};
}

Status Accessor::begin(std::span<const ImportedBuffer> buffers, const cw_access_begin& begin) {
  if (auto status = wait_for({begin.waits, begin.wait_count}, begin.deadline_ns); !status) {
    return status;
  }
  if (auto status = take_over(context_, buffers, copies_); !status) {
    return status;
  }
  alone_ = open_++ == 0;
  return {};
}

Status Accessor::end(std::span<const ImportedBuffer> buffers, cw_access_end& end, EventHandle last) {
  constexpr std::string_view kWhat = "the work of an access";
  end.signal_count = 0;
  open_ -= open_ > 0 ? 1 : 0;
  // What the caller's own submissions elsewhere signal is part of this end.
  plugin::include_given(end);
  if (auto status = wait_for({end.given, end.given_count}, monotonic_ns() + kEndPatience); !status) {
    static_cast<void>(give_back(context_, buffers, copies_));
    return status;
  }
  // Points of the timeline have to end in their order. A marker comes after all before it; a command of the
  // caller's does, too, if the queue keeps its order and nobody else's access has begun or ended meanwhile.
  const bool as_it_is = last && alone_ && end.given_count == 0 && !context_.out_of_order &&
                        needs_no_giving_back(buffers, copies_);
  auto marker = as_it_is ? submit_up_to(context_, std::move(last)) : give_back(context_, buffers, copies_);
  if (!marker) {
    return std::move(marker.error());
  }
  auto done = is_done(context_, marker->get(), kWhat);
  if (!done) {
    return std::move(done.error());
  }
  if (*done) {
    return {};
  }
  if (end.signal_capacity > 0 && end.signals != nullptr) {
    end.signals[0] = timeline_.add(std::move(*marker));
    end.signal_count = 1;
    return {};
  }
  // The work is on its way and nobody else can wait for it.
  context_.host.count(CW_COUNT_CPU_WAITS, 1);
  cl_event event = marker->get();
  const cl_int result = context_.api.WaitForEvents(1, &event);
  if (auto ended = is_done(context_, event, kWhat); !ended) {
    return std::move(ended.error());
  }
  return result == CL_SUCCESS ? Status() : context_.error("clWaitForEvents", result, kWhat);
}

}  // namespace causeway::opencl_backend
