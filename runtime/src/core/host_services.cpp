// SPDX-License-Identifier: Apache-2.0
#include "core/host_services.hpp"

#include <causeway/plugin/backend.hpp>

#include <fmt/format.h>

#include <utility>

#include "core/buffer_state.hpp"
#include "core/device_fence.hpp"
#include "core/device_state.hpp"
#include "core/host_fence.hpp"
#include "core/runtime_state.hpp"
#include "core/sync_file_state.hpp"
#include "core/syncobj_fence.hpp"

namespace causeway::core {
namespace {

std::int32_t answer(const Status& status, cw_error* error) noexcept {
  return status ? std::int32_t{CW_OK} : plugin::report(status.error(), error);
}

}  // namespace

HostServices::HostServices(RuntimeState& runtime) noexcept : runtime_(runtime), table_{} {
  table_.struct_size = sizeof(cw_host);
  table_.abi_version = CW_ABI_VERSION;
  table_.context = this;
  table_.syscalls = &runtime.kernel().table();
  table_.log = [](void* context, std::int32_t level, const char* text) {
    static_cast<HostServices*>(context)->runtime_.log(static_cast<LogLevel>(level), text);
  };
  table_.count = [](void* context, std::int32_t counter, std::uint64_t amount) {
    auto& tally = static_cast<HostServices*>(context)->runtime_.tally();
    if (counter == CW_COUNT_COPIED_BYTES) {
      tally.add_copied_bytes(amount);
    } else if (counter == CW_COUNT_CPU_WAITS) {
      tally.add_cpu_wait(amount);
    }
  };
  table_.map_object = [](void* /*context*/, cw_object_ref* object, void** address, cw_error* error) {
    auto mapped = reinterpret_cast<BufferState*>(object)->cpu_address();
    if (!mapped) {
      return plugin::report(mapped.error(), error);
    }
    *address = *mapped;
    return std::int32_t{CW_OK};
  };
  table_.event_create = [](void* context, cw_fence* event, cw_error* error) {
    return answer(static_cast<HostServices*>(context)->create_event(*event), error);
  };
  table_.event_signal = [](void* context, const cw_fence* event, std::int32_t system_errno) {
    return answer(static_cast<HostServices*>(context)->signal_event(*event, system_errno), nullptr);
  };
  table_.event_destroy = [](void* context, const cw_fence* event) {
    static_cast<HostServices*>(context)->destroy_event(*event);
  };
  table_.fence_wait = [](void* context, const cw_fence* fence, std::int64_t deadline_ns, cw_error* error) {
    return answer(static_cast<HostServices*>(context)->wait(*fence, from_nanoseconds(deadline_ns)), error);
  };
  table_.fence_notify = [](void* context, const cw_fence* event, void (*told)(void*, std::int32_t),
                           void* user, std::uint32_t* added, cw_error* error) {
    return answer(static_cast<HostServices*>(context)->notify(*event, told, user, *added), error);
  };
}

HostServices::Loan& HostServices::Loan::operator=(Loan&& other) noexcept {
  std::swap(services_, other.services_);
  std::swap(handle_, other.handle_);
  return *this;
}

HostServices::Loan::~Loan() {
  if (services_ != nullptr) {
    services_->forget_event(handle_);
  }
}

std::uint64_t HostServices::remember(std::shared_ptr<FenceState> fence, bool made) {
  const std::lock_guard lock(events_mutex_);
  events_.emplace(next_event_, Event{.fence = std::move(fence), .made = made});
  return next_event_++;
}

std::shared_ptr<FenceState> HostServices::event(const cw_fence& event) {
  const std::lock_guard lock(events_mutex_);
  const auto found = events_.find(event.handle);
  return found == events_.end() ? nullptr : found->second.fence;
}

std::shared_ptr<FenceState> HostServices::made_event(const cw_fence& event) {
  const std::lock_guard lock(events_mutex_);
  const auto found = events_.find(event.handle);
  return found == events_.end() || !found->second.made ? nullptr : found->second.fence;
}

Status HostServices::create_event(cw_fence& event) {
  auto fence =
      std::make_shared<HostFence>(runtime_.shared_from_this(), FenceState::Place(), Producer::Unknown);
  auto fd = fence->event_fd();
  if (!fd) {
    return std::move(fd.error());
  }
  event = plugin::sized<cw_fence>();
  event.kind = CW_FENCE_HOST_EVENT;
  event.fd = fd->get();
  event.handle = remember(std::move(fence), true);
  return {};
}

Status HostServices::signal_event(const cw_fence& event, int system_errno) {
  const auto known = std::dynamic_pointer_cast<HostFence>(this->event(event));
  if (known == nullptr) {
    return Error(Errc::InvalidArgument, "event_signal", fmt::format("there is no event {}", event.handle));
  }
  return known->signal(system_errno);
}

void HostServices::destroy_event(const cw_fence& event) noexcept {
  // Whoever still waits is told that nobody will signal any more.
  if (const auto known = std::dynamic_pointer_cast<HostFence>(this->event(event));
      known != nullptr && known->pending()) {
    static_cast<void>(known->signal(ECANCELED));  // unless it is signalled at this moment
  }
  forget_event(event.handle);
}

void HostServices::forget_event(std::uint64_t handle) noexcept {
  std::shared_ptr<FenceState> forgotten;  // its end is outside of the lock
  {
    const std::lock_guard lock(events_mutex_);
    const auto found = events_.find(handle);
    if (found == events_.end()) {
      return;
    }
    forgotten = std::move(found->second.fence);
    events_.erase(found);
  }
}

Result<HostServices::Loan> HostServices::lend(const std::shared_ptr<FenceState>& fence, cw_fence& out) {
  out = plugin::sized<cw_fence>();
  out.kind = static_cast<std::uint32_t>(fence->kind());
  out.fd = -1;
  if (const auto* device = dynamic_cast<const DeviceFence*>(fence.get())) {
    out = device->raw();
    return Loan();
  }
  if (const auto* sync_file = dynamic_cast<const SyncFileState*>(fence.get())) {
    out.fd = sync_file->fd().get();
    return Loan();
  }
  if (const auto* point = dynamic_cast<const SyncobjFence*>(fence.get())) {
    out.fd = point->timeline().node().get();
    out.handle = point->timeline().handle();
    out.value = point->value();
    return Loan();
  }
  if (auto* own = dynamic_cast<HostFence*>(fence.get())) {
    auto fd = own->event_fd();
    if (!fd) {
      return std::move(fd.error());
    }
    out.fd = fd->get();
  } else if (const auto* remote = dynamic_cast<const RemoteEvent*>(fence.get())) {
    out.fd = remote->fd().get();
  }
  out.handle = remember(fence, false);
  return Loan(*this, out.handle);
}

Status HostServices::wait(const cw_fence& fence, Deadline deadline) {
  std::shared_ptr<FenceState> known;
  if (fence.kind == CW_FENCE_SYNC_FILE) {
    auto imported =
        SyncFileState::import(runtime_.shared_from_this(), BorrowedFd(fence.fd), Producer::Unknown);
    if (!imported) {
      return std::move(imported.error());
    }
    known = std::move(*imported);
  } else if (fence.kind == CW_FENCE_SYNCOBJ_POINT) {
    auto timeline = SyncobjState::adopt(runtime_.shared_from_this(), BorrowedFd(fence.fd),
                                        static_cast<std::uint32_t>(fence.handle));
    if (!timeline) {
      return std::move(timeline.error());
    }
    auto point = (*timeline)->point(fence.value);
    if (!point) {
      return std::move(point.error());
    }
    known = std::move(*point);
  } else if (fence.kind == CW_FENCE_HOST_EVENT) {
    known = event(fence);
  }
  if (known == nullptr) {
    return Error(
        Errc::InvalidArgument, "fence_wait",
        fmt::format("a fence of kind {} and handle {} is none of this host's", fence.kind, fence.handle));
  }
  if (known->pending()) {
    runtime_.tally().add_cpu_wait();
  }
  auto done = known->settle_quietly(deadline);  // the device's lock is held
  if (!done) {
    return std::move(done.error());
  }
  if (!*done) {
    return Error(Errc::TimedOut, "fence_wait",
                 "a fence that the device had to wait for was still pending at the deadline");
  }
  return {};
}

Status HostServices::notify(const cw_fence& event, void (*told)(void*, std::int32_t), void* user,
                            std::uint32_t& added) {
  added = 0;
  if (event.kind != CW_FENCE_HOST_EVENT) {
    return Error(
        Errc::Unsupported, "fence_notify",
        fmt::format("only events of programs tell by themselves, and this fence is of kind {}; poll it "
                    "or use fence_wait",
                    event.kind));
  }
  const auto known = this->event(event);
  if (known == nullptr) {
    return Error(Errc::InvalidArgument, "fence_notify", fmt::format("there is no event {}", event.handle));
  }
  added = known->add_callback([told, user](int error) { told(user, error); }) ? 1 : 0;
  return {};
}

}  // namespace causeway::core
