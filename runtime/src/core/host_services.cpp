// SPDX-License-Identifier: Apache-2.0
#include "core/host_services.hpp"

#include <causeway/plugin/backend.hpp>

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <utility>

#include "core/buffer_state.hpp"
#include "core/runtime_state.hpp"

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
}

Status HostServices::create_event(cw_fence& event) {
  auto fd = runtime_.kernel().eventfd();
  if (!fd) {
    return std::move(fd.error());
  }
  const std::lock_guard lock(events_mutex_);
  const std::uint64_t handle = next_event_++;
  event = plugin::sized<cw_fence>();
  event.kind = CW_FENCE_HOST_EVENT;
  event.fd = fd->get();
  event.handle = handle;
  events_.emplace(handle, Event{.fd = std::move(*fd)});
  return {};
}

Status HostServices::signal_event(const cw_fence& event, int system_errno) {
  const std::lock_guard lock(events_mutex_);
  const auto found = events_.find(event.handle);
  if (found == events_.end()) {
    return Error(Errc::InvalidArgument, "event_signal", fmt::format("there is no event {}", event.handle));
  }
  if (found->second.signalled) {
    return Error(Errc::WrongState, "event_signal",
                 fmt::format("event {} was signalled before", event.handle));
  }
  found->second.signalled = true;
  found->second.system_errno = system_errno;
  ::eventfd_write(found->second.fd.get(), 1);  // cannot fail: the counter is 0
  return {};
}

void HostServices::destroy_event(const cw_fence& event) noexcept {
  const std::lock_guard lock(events_mutex_);
  events_.erase(event.handle);
}

}  // namespace causeway::core
