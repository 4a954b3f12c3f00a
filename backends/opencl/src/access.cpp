// SPDX-License-Identifier: Apache-2.0
#include "access.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>

namespace causeway::opencl_backend {
namespace {

constexpr std::int64_t kLastWait = 2'000'000'000;

bool makes_events(const plugin::Host& host) noexcept {
  const cw_host& table = *host.raw();
  return table.struct_size >= offsetof(cw_host, event_destroy) + sizeof(table.event_destroy) &&
         table.event_create != nullptr && table.event_signal != nullptr && table.event_destroy != nullptr;
}

/// What a fence's waiter is told of a command that failed (clSetEventCallback).
int errno_of(cl_int state) noexcept {
  if (state >= 0) {
    return 0;
  }
  return state == CL_DEVICE_NOT_AVAILABLE || state == CL_OUT_OF_RESOURCES ? ENODEV : EIO;
}

}  // namespace

/// A fence that is out: the host's event, to be signalled by the driver's. The driver's call holds one
/// reference.
struct Accessor::Completion {
  explicit Completion(plugin::Host services) : host(services) {}

  plugin::Host host;
  cw_fence fence = plugin::sized<cw_fence>();
  EventHandle event;
  std::atomic<bool> called{false};
  std::atomic<bool> given_up{false};  ///< the host may be gone: a late call does nothing

  static void CL_CALLBACK on_complete(cl_event, cl_int state, void* data) {
    const std::unique_ptr<std::shared_ptr<Completion>> held(static_cast<std::shared_ptr<Completion>*>(data));
    Completion& self = **held;
    if (!self.given_up.load(std::memory_order_acquire)) {
      self.host.raw()->event_signal(self.host.raw()->context, &self.fence, errno_of(state));
    }
    self.called.store(true, std::memory_order_release);
  }
};

Accessor::~Accessor() {
  if (!pending_.empty()) {
    context_.api.Flush(context_.queue.get());
  }
  const std::int64_t deadline = monotonic_ns() + kLastWait;
  while (!pending_.empty() && monotonic_ns() < deadline) {
    reap();
    const timespec rest{0, 100'000};
    ::nanosleep(&rest, nullptr);
  }
  for (const auto& completion : pending_) {
    // A driver that never calls. The fence's waiters learn that nothing will come.
    completion->given_up.store(true, std::memory_order_release);
    context_.host.raw()->event_signal(context_.host.raw()->context, &completion->fence, ENODEV);
    context_.host.raw()->event_destroy(context_.host.raw()->context, &completion->fence);
    context_.host.log(
        CW_LOG_WARNING,
        fmt::format("{} did not end an access in the last 2 s before it was closed", context_.name()));
  }
}

void Accessor::reap() {
  std::erase_if(pending_, [this](const std::shared_ptr<Completion>& completion) {
    if (!completion->called.load(std::memory_order_acquire)) {
      return false;
    }
    context_.host.raw()->event_destroy(context_.host.raw()->context, &completion->fence);
    return true;
  });
}

Result<EventHandle> Accessor::wait_for_sync_file(const cw_fence& fence) {
  const auto& extensions = context_.extensions;
  const auto& calls = context_.host.syscalls();
  UniqueFd given(calls.fcntl(calls.context, fence.fd, F_DUPFD_CLOEXEC, 0));
  if (!given.valid()) {
    const int why = errno;
    return Error(errc_from_errno(why), "F_DUPFD_CLOEXEC",
                 "the fence could not be duplicated for the driver, which keeps what it imports", why);
  }
  const std::array<cl_semaphore_properties_khr, 5> properties{
      CL_SEMAPHORE_TYPE_KHR, CL_SEMAPHORE_TYPE_BINARY_KHR, CL_SEMAPHORE_HANDLE_SYNC_FD_KHR,
      static_cast<cl_semaphore_properties_khr>(given.get()), 0};
  cl_int result = CL_SUCCESS;
  cl_semaphore_khr semaphore =
      extensions.CreateSemaphoreWithProperties(context_.context.get(), properties.data(), &result);
  if (semaphore == nullptr || result != CL_SUCCESS) {
    return context_.error("clCreateSemaphoreWithPropertiesKHR", result, "importing a sync_file to wait for");
  }
  // "Transfers ownership ... after a successful import", as for memory.
  static_cast<void>(given.release());
  cl_event event = nullptr;
  result = extensions.EnqueueWaitSemaphores(context_.queue.get(), 1, &semaphore, nullptr, 0, nullptr, &event);
  extensions.ReleaseSemaphore(semaphore);  // the queue holds it until the wait is over
  if (result != CL_SUCCESS) {
    return context_.error("clEnqueueWaitSemaphoresKHR", result, "waiting for a sync_file on the device");
  }
  return EventHandle(context_.api, event);
}

bool Accessor::is_signalled(const cw_fence& fence) const noexcept {
  if (fence.fd < 0 || (fence.kind != CW_FENCE_SYNC_FILE && fence.kind != CW_FENCE_HOST_EVENT)) {
    return false;
  }
  const auto& calls = context_.host.syscalls();
  pollfd look{fence.fd, POLLIN, 0};
  const timespec now{};
  return calls.ppoll(calls.context, &look, 1, &now) == 1 && (look.revents & POLLIN) != 0;
}

Status Accessor::wait_for(const cw_fence& fence, std::vector<cl_event>& events,
                          std::vector<EventHandle>& owned) {
  if (fence.kind == CW_FENCE_NONE || is_signalled(fence)) {
    return {};
  }
  if (fence.kind == CW_FENCE_HOST_EVENT) {
    // One of this device's own fences: the device waits for itself.
    const auto own = std::find_if(pending_.begin(), pending_.end(), [&](const auto& completion) {
      return completion->fence.handle == fence.handle;
    });
    if (own != pending_.end()) {
      events.push_back((*own)->event.get());
      return {};
    }
  }
  if (fence.kind == CW_FENCE_SYNC_FILE && context_.extensions.CreateSemaphoreWithProperties != nullptr &&
      context_.extensions.EnqueueWaitSemaphores != nullptr &&
      context_.extensions.ReleaseSemaphore != nullptr) {
    auto event = wait_for_sync_file(fence);
    if (!event) {
      return std::move(event.error());
    }
    events.push_back(event->get());
    owned.push_back(std::move(*event));
    return {};
  }
  return Error(
      Errc::Unsupported, "begin_access",
      fmt::format("{} cannot wait for a fence of kind {} by itself ({}); the host has to wait for it",
                  context_.name(), fence.kind,
                  context_.extensions.CreateSemaphoreWithProperties != nullptr
                      ? "it waits for sync_files and for its own"
                      : "without cl_khr_external_semaphore_sync_fd it waits for its own only"));
}

Status Accessor::begin(std::span<const ImportedBuffer> buffers, const cw_access_begin& begin) {
  if (begin.wait_count > 0) {
    std::vector<cl_event> events;
    std::vector<EventHandle> owned;
    for (std::uint32_t i = 0; i < begin.wait_count; ++i) {
      if (auto status = wait_for(begin.waits[i], events, owned); !status) {
        return status;
      }
    }
    if (!events.empty()) {
      const cl_int result = context_.api.EnqueueBarrierWithWaitList(
          context_.queue.get(), static_cast<cl_uint>(events.size()), events.data(), nullptr);
      if (result != CL_SUCCESS) {
        return context_.error("clEnqueueBarrierWithWaitList", result,
                              "letting an access wait for its fences");
      }
    }
  }
  reap();  // not before: what was waited for may have been one of them
  return take_over(context_, buffers, copies_);
}

Status Accessor::make_fence(EventHandle& event, cw_fence& out) {
  auto completion = std::make_shared<Completion>(context_.host);
  auto failure = plugin::sized<cw_error>();
  const cw_host& table = *context_.host.raw();
  if (const auto status = table.event_create(table.context, &completion->fence, &failure); status != CW_OK) {
    return plugin::take_error(status, failure);
  }
  auto held = std::make_unique<std::shared_ptr<Completion>>(completion);
  const cl_int result =
      context_.api.SetEventCallback(event.get(), CL_COMPLETE, &Completion::on_complete, held.get());
  if (result != CL_SUCCESS) {
    table.event_destroy(table.context, &completion->fence);
    return context_.error("clSetEventCallback", result, "making a fence of the end of an access");
  }
  static_cast<void>(held.release());  // the callback's
  out = completion->fence;
  completion->event = std::move(event);
  pending_.push_back(std::move(completion));
  return {};
}

Status Accessor::end(std::span<const ImportedBuffer> buffers, cw_access_end& end) {
  constexpr std::string_view kWhat = "the work of an access";
  end.signal_count = 0;
  reap();
  auto marker = give_back(context_, buffers, copies_);
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
  if (end.signal_capacity > 0 && end.signals != nullptr && makes_events(context_.host)) {
    const auto made = make_fence(*marker, end.signals[0]);
    if (made) {
      end.signal_count = 1;
      return {};
    }
    context_.host.log(CW_LOG_DEBUG, "waiting, because no fence can be made: " + made.error().message());
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
