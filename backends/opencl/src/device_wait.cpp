// SPDX-License-Identifier: Apache-2.0
#include "device_wait.hpp"

#include <fmt/format.h>

#include <array>
#include <causeway/plugin/descriptor.hpp>
#include <memory>

namespace causeway::opencl_backend {
namespace {

Result<std::optional<EventHandle>> by_semaphore(const Context& context, const cw_fence& fence) {
  const auto& extensions = context.extensions;
  auto given = plugin::duplicate(context.host, fence.fd, "a sync_file");  // the driver keeps it
  if (!given) {
    return std::move(given.error());
  }
  std::array<cl_semaphore_properties_khr, 8> properties{
      CL_SEMAPHORE_TYPE_KHR, CL_SEMAPHORE_TYPE_BINARY_KHR, CL_SEMAPHORE_HANDLE_SYNC_FD_KHR,
      static_cast<cl_semaphore_properties_khr>(given->get())};
  if (context.shared_context) {  // else it would be for all of the context's devices
    properties[4] = CL_DEVICE_HANDLE_LIST_KHR;
    properties[5] = reinterpret_cast<cl_semaphore_properties_khr>(context.facts.device);
    properties[6] = CL_DEVICE_HANDLE_LIST_END_KHR;
  }
  cl_int result = CL_SUCCESS;
  cl_semaphore_khr semaphore =
      extensions.CreateSemaphoreWithProperties(context.context.get(), properties.data(), &result);
  if (semaphore == nullptr || result != CL_SUCCESS) {
    return context.error("clCreateSemaphoreWithPropertiesKHR", result, "importing a sync_file to wait for");
  }
  // "Transfers ownership ... after a successful import", as for memory.
  static_cast<void>(given->release());
  cl_event event = nullptr;
  result = extensions.EnqueueWaitSemaphores(context.queue.get(), 1, &semaphore, nullptr, 0, nullptr, &event);
  extensions.ReleaseSemaphore(semaphore);  // the queue holds it until the wait is over
  if (result != CL_SUCCESS) {
    return context.error("clEnqueueWaitSemaphoresKHR", result, "waiting for a sync_file on the device");
  }
  return std::optional(EventHandle(context.api, event));
}

/// A user event in the hands of the host, until the host's event signals.
struct Told {
  const Api& api;
  EventHandle event;

  // A fence whose work failed lets its waiters go, too; that its bytes are no good is the host's concern.
  static void signal(void* user, std::int32_t /*system_errno*/) {
    const std::unique_ptr<Told> self(static_cast<Told*>(user));
    self->api.SetUserEventStatus(self->event.get(), CL_COMPLETE);
  }
};

Result<std::optional<EventHandle>> by_user_event(const Context& context, const cw_fence& fence) {
  const auto& api = context.api;
  cl_int result = CL_SUCCESS;
  cl_event made = api.CreateUserEvent(context.context.get(), &result);
  if (made == nullptr || result != CL_SUCCESS) {
    return context.error("clCreateUserEvent", result, "making an event to wait for");
  }
  EventHandle event(api, made);
  api.RetainEvent(made);  // the host's call may come, and let go, at any time
  auto told = std::make_unique<Told>(Told{api, EventHandle(api, made)});
  auto added = context.host.notify(fence, &Told::signal, told.get());
  if (!added) {
    return std::move(added.error());
  }
  if (!*added) {
    return std::optional<EventHandle>();
  }
  static_cast<void>(told.release());  // the host's
  return std::optional(std::move(event));
}

}  // namespace

std::uint32_t waits_of(const DeviceFacts& facts, plugin::Host host) noexcept {
  return (facts.sync_fd_semaphores ? CW_CAP_WAITS_SYNC_FILE : 0U) |
         (host.can_notify() ? CW_CAP_WAITS_HOST_EVENT : 0U);
}

bool waits_for(const Context& context, std::uint32_t kind) noexcept {
  return (kind == CW_FENCE_SYNC_FILE && context.facts.sync_fd_semaphores) ||
         (kind == CW_FENCE_HOST_EVENT && context.host.can_notify());
}

Result<std::optional<EventHandle>> wait_on_device(const Context& context, const cw_fence& fence) {
  return fence.kind == CW_FENCE_SYNC_FILE ? by_semaphore(context, fence) : by_user_event(context, fence);
}

Error cannot_wait(const Context& context, std::uint32_t kind) {
  return Error(
      Errc::Unsupported, "begin_access",
      fmt::format("{} cannot wait for a fence of kind {} by itself: it waits for {}events of programs and "
                  "its own fences; the host waits for the others",
                  context.name(), kind, context.facts.sync_fd_semaphores ? "sync_files, " : ""));
}

}  // namespace causeway::opencl_backend
