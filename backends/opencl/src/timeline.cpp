// SPDX-License-Identifier: Apache-2.0
#include "timeline.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <thread>
#include <utility>

#include "hand_over.hpp"

namespace causeway::opencl_backend {
namespace {

constexpr std::uint64_t kQueue = 1;  // the one timeline of a device
constexpr std::int64_t kLastWait = 2'000'000'000;
constexpr timespec kRest{0, 100'000};
constexpr std::string_view kWhat = "the work of an access";

/// What a fence's waiter is told of a command that failed (clSetEventCallback).
int errno_of(cl_int state) noexcept {
  if (state >= 0) {
    return 0;
  }
  return state == CL_DEVICE_NOT_AVAILABLE || state == CL_OUT_OF_RESOURCES ? ENODEV : EIO;
}

}  // namespace

/// An event of the host that the driver's end of a command signals. The driver's call holds one reference.
struct Timeline::Completion {
  Completion(plugin::Host services, const cw_fence& made) : host(services), fence(made) {}

  plugin::Host host;
  cw_fence fence;
  std::mutex mutex;
  bool given_up = false;    ///< guarded by mutex; the host may be gone: a late call does nothing
  std::thread::id calling;  ///< guarded by mutex; the driver's thread, once it has come in time
  std::atomic<bool> called{false};

  static void CL_CALLBACK on_complete(cl_event, cl_int state, void* data) {
    const std::unique_ptr<std::shared_ptr<Completion>> held(static_cast<std::shared_ptr<Completion>*>(data));
    Completion& self = **held;
    if (self.comes_in_time()) {
      self.host.signal_event(self.fence, errno_of(state));  // runs what waits for it, so without a lock
    }
    self.called.store(true, std::memory_order_release);
  }
  bool comes_in_time() {
    const std::lock_guard lock(mutex);
    calling = given_up ? std::thread::id() : std::this_thread::get_id();
    return !given_up;
  }
  /// From now on a call does nothing. False: it has come, and is over, or it is what this thread is in.
  bool give_up() {
    std::thread::id in_call;
    {
      const std::lock_guard lock(mutex);
      given_up = true;
      in_call = calling;
    }
    if (in_call == std::thread::id()) {
      return true;
    }
    while (in_call != std::this_thread::get_id() && !called.load(std::memory_order_acquire)) {
      ::nanosleep(&kRest, nullptr);
    }
    return false;
  }
};

Timeline::~Timeline() {
  const std::int64_t deadline = monotonic_ns() + kLastWait;
  for (reap(); !orphans_.empty() && monotonic_ns() < deadline; reap()) {
    context_.api.Flush(context_.queue.get());
    ::nanosleep(&kRest, nullptr);
  }
  for (const auto& completion : orphans_) {
    if (completion->give_up()) {
      // A driver that never calls. The fence's waiters learn that nothing will come.
      context_.host.signal_event(completion->fence, ENODEV);
      context_.host.log(
          CW_LOG_WARNING,
          fmt::format("{} did not end an access in the last 2 s before it was closed", context_.name()));
    }
    context_.host.destroy_event(completion->fence);
  }
}

cw_fence Timeline::add(EventHandle event) {
  const std::lock_guard lock(mutex_);
  auto fence = plugin::sized<cw_fence>();
  fence.kind = CW_FENCE_DEVICE;
  fence.fd = -1;
  fence.handle = kQueue;
  fence.value = ++last_;
  points_.emplace(last_, Point{std::make_shared<EventHandle>(std::move(event)), nullptr});
  return fence;
}

Result<std::shared_ptr<EventHandle>> Timeline::event_of(const cw_fence& fence) {
  const std::lock_guard lock(mutex_);
  const auto found = points_.find(fence.value);
  if (fence.kind != CW_FENCE_DEVICE || fence.handle != kQueue || found == points_.end()) {
    return Error(Errc::InvalidArgument, "fence_wait",
                 fmt::format("a fence of kind {}, handle {} and value {} is none of {}, or was released",
                             fence.kind, fence.handle, fence.value, context_.name()));
  }
  return found->second.event;
}

Status Timeline::wait(const cw_fence& fence, std::int64_t deadline_ns) {
  const auto event = event_of(fence);
  return event ? wait_until(context_, (*event)->get(), deadline_ns, kWhat) : Status(event.error());
}

Status Timeline::export_fence(const cw_fence& fence, cw_fence& out) {
  auto event = event_of(fence);
  if (!event) {
    return std::move(event.error());
  }
  if (sync_files_.able()) {
    auto made = sync_files_.make((*event)->get());
    if (made) {
      out.kind = CW_FENCE_SYNC_FILE;
      out.fd = made->release();
      return {};
    }
    if (made.error().code() == Errc::DeviceLost) {
      return std::move(made.error());
    }
    context_.host.log(CW_LOG_DEBUG, "no sync_file, so an event instead: " + made.error().message());
  }
  return export_event(fence, (*event)->get(), out);
}

Status Timeline::export_event(const cw_fence& fence, cl_event event, cw_fence& out) {
  auto made = context_.host.create_event();
  if (!made) {
    return std::move(made.error());
  }
  auto completion = std::make_shared<Completion>(context_.host, *made);
  auto held = std::make_unique<std::shared_ptr<Completion>>(completion);
  const cl_int result =
      context_.api.SetEventCallback(event, CL_COMPLETE, &Completion::on_complete, held.get());
  if (result != CL_SUCCESS) {
    context_.host.destroy_event(*made);
    return context_.error("clSetEventCallback", result, "making an event of the end of an access");
  }
  static_cast<void>(held.release());  // the callback's
  out = *made;
  const std::lock_guard lock(mutex_);
  auto& place = points_[fence.value].exported;
  if (place != nullptr) {
    orphans_.push_back(std::move(place));  // exported twice: the earlier one is still signalled
  }
  place = std::move(completion);
  return {};
}

void Timeline::release(const cw_fence& fence) {
  const std::lock_guard lock(mutex_);
  const auto found = points_.find(fence.value);
  if (found == points_.end()) {
    return;
  }
  if (found->second.exported != nullptr) {
    orphans_.push_back(std::move(found->second.exported));
  }
  points_.erase(found);
  reap();
}

void Timeline::reap() {
  std::erase_if(orphans_, [this](const std::shared_ptr<Completion>& completion) {
    if (!completion->called.load(std::memory_order_acquire)) {
      return false;
    }
    context_.host.destroy_event(completion->fence);
    return true;
  });
}

}  // namespace causeway::opencl_backend
