// SPDX-License-Identifier: Apache-2.0
#include "core/device_state.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/device_slots.hpp"
#include "core/fence_state.hpp"
#include "core/runtime_state.hpp"

namespace causeway {

namespace {

/// What a handle tells that refers to no device.
const DeviceInfo& info_of(const std::shared_ptr<core::DeviceState>& state) noexcept {
  static const DeviceInfo none;
  return state == nullptr ? none : state->info();
}

}  // namespace

Device::Device(std::shared_ptr<core::DeviceState> state) noexcept
    : state_(std::move(state)), slot_(state_ == nullptr ? kMaxDevices : state_->slot()) {}

const std::string& Device::backend() const noexcept {
  return info_of(state_).backend;
}
const std::string& Device::id() const noexcept {
  return info_of(state_).id;
}
const std::string& Device::name() const noexcept {
  return info_of(state_).name;
}
const std::string& Device::driver() const noexcept {
  return info_of(state_).driver;
}
const std::string& Device::driver_version() const noexcept {
  return info_of(state_).driver_version;
}
bool Device::has(Capability capability) const noexcept {
  return state_ != nullptr && state_->has(capability);
}
const void* Device::interface(const char* interface_name) const {
  return state_ == nullptr ? nullptr : state_->table().get_interface(state_->handle(), interface_name);
}
cw_device* Device::raw() const noexcept {
  return state_ == nullptr ? nullptr : state_->handle();
}

namespace core {

DeviceInfo device_info_from(const cw_backend& backend, const cw_device_info& info) {
  return {.backend = backend.name,
          .id = plugin::take_text(info.id),
          .name = plugin::take_text(info.name),
          .driver = plugin::take_text(info.driver),
          .driver_version = plugin::take_text(info.driver_version),
          .capabilities = info.capabilities};
}

Result<std::shared_ptr<DeviceState>> DeviceState::open(std::shared_ptr<RuntimeState> runtime,
                                                       const cw_backend& backend,
                                                       const OpenOptions& options) {
  if (auto here = runtime->check_process("open_device"); !here) {
    return std::move(here.error());
  }
  const auto slot = take_device_slot();
  if (!slot) {
    return Error(Errc::Busy, "open_device",
                 fmt::format("this process has {} devices open, and can hold no more: let one go",
                             Device::kMaxDevices));
  }
  auto failure = plugin::sized<cw_error>();
  auto request = plugin::sized<cw_open_info>();
  request.id = options.id.c_str();
  request.adopt_interface = options.adopt_interface;
  request.adopt = options.adopt;
  cw_device* handle = nullptr;
  auto info = plugin::sized<cw_device_info>();
  std::int32_t status = backend.open(runtime->host(), &request, &handle, &failure);
  if (status == CW_OK) {
    status = backend.device_info(handle, &info, &failure);
    if (status != CW_OK) {
      backend.close(handle);
    }
  }
  if (status != CW_OK) {
    give_device_slot(*slot);
    return plugin::take_error(status, failure).within(fmt::format("backend {}", backend.name));
  }
  return std::make_shared<DeviceState>(std::move(runtime), backend, handle, *slot,
                                       device_info_from(backend, info));
}

DeviceState::DeviceState(std::shared_ptr<RuntimeState> runtime, const cw_backend& backend, cw_device* handle,
                         std::uint32_t slot, DeviceInfo info)
    : runtime_(std::move(runtime)), table_(backend), handle_(handle), slot_(slot), info_(std::move(info)) {}

DeviceState::~DeviceState() {
  if (runtime_->in_own_process()) {
    table_.close(handle_);
  }
  give_device_slot(slot_);
}

Status DeviceState::failed(std::int32_t status, const cw_error& failure) const {
  return plugin::take_error(status, failure).within(info_.name);
}

std::uint64_t DeviceState::fence_context(std::uint32_t kind, std::uint64_t handle) {
  const std::lock_guard lock(contexts_mutex_);
  const auto [place, added] = contexts_.try_emplace({kind, handle}, 0);
  if (added) {
    place->second = next_fence_context();
  }
  return place->second;
}

Status DeviceState::wait_until_stopped(Deadline deadline) {
  if (table_.wait_idle == nullptr) {
    return {};  // it works only while an operation of its own runs
  }
  auto failure = plugin::sized<cw_error>();
  const auto status = table_.wait_idle(handle_, to_nanoseconds(deadline), &failure);
  return status == CW_OK || status == CW_DEVICE_LOST ? Status()
                                                     : plugin::take_error(status, failure).within(info_.name);
}

}  // namespace core
}  // namespace causeway
