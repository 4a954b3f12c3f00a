// SPDX-License-Identifier: Apache-2.0
#include "core/device_fence.hpp"

#include <causeway/plugin/backend.hpp>

#include <fmt/format.h>

#include <utility>

#include "core/device_state.hpp"
#include "core/host_fence.hpp"
#include "core/runtime_state.hpp"
#include "core/sync_file_state.hpp"
#include "core/syncobj_fence.hpp"
#include "uapi/syncobj.hpp"

namespace causeway::core {
namespace {

Producer producer_of(const DeviceState& device) noexcept {
  return device.has(Capability::AccessesViaCpu) || device.has(Capability::Coherent) ? Producer::CacheCoherent
                                                                                    : Producer::Unknown;
}

/// A point that a device gave: its syncobj is the device's for as long as that is open.
Result<std::shared_ptr<FenceState>> syncobj_point(const std::shared_ptr<DeviceState>& device,
                                                  const cw_fence& given) {
  UniqueFd node(given.fd);
  const auto handle = static_cast<std::uint32_t>(given.handle);
  const auto& runtime = device->runtime();
  if (given.value == 0) {
    // A binary syncobj has another fence tomorrow: the one of now is what was given.
    auto fd = uapi::export_point(runtime->kernel(), node.borrow(), handle, 0);
    if (!fd) {
      return std::move(fd.error()).within(device->info().name);
    }
    return std::shared_ptr<FenceState>(
        std::make_shared<SyncFileState>(runtime, std::move(*fd), producer_of(*device)));
  }
  auto timeline =
      std::make_shared<SyncobjState>(runtime, std::move(node), handle, SyncobjState::Handle::Borrowed,
                                     device->fence_context(given.kind, handle), device);
  return timeline->point(given.value);
}

constexpr std::uint32_t kSaysWhenItCannotAsk = (1U << 16) | 3U;  // ABI 1.3

}  // namespace

DeviceFence::DeviceFence(std::shared_ptr<DeviceState> device, const cw_fence& fence)
    : FenceState(device->runtime(), FenceKind::Device,
                 // A point of the device's own timeline; handles of two devices may be equal.
                 {.context = device->fence_context(CW_FENCE_DEVICE, fence.handle), .sequence = fence.value},
                 producer_of(*device)),
      device_(std::move(device)),
      fence_(fence) {}

DeviceFence::~DeviceFence() {
  if (runtime()->in_own_process()) {
    device_->table().fence_release(device_->handle(), &fence_);
  }
}

Result<std::optional<FenceOutcome>> DeviceFence::ask(Deadline deadline) {
  auto failure = plugin::sized<cw_error>();
  const auto status =
      device_->table().fence_wait(device_->handle(), &fence_, to_nanoseconds(deadline), &failure);
  if (status == CW_TIMED_OUT) {
    return std::optional<FenceOutcome>();
  }
  if (status == CW_OK) {
    return std::optional(FenceOutcome{});
  }
  // Before 1.3 these, too, told of the work.
  const bool tells_of_asking = device_->table().abi_version >= kSaysWhenItCannotAsk;
  if (tells_of_asking && (status == CW_OUT_OF_MEMORY || status == CW_OUT_OF_FDS)) {
    return plugin::take_error(status, failure).within(device_->info().name);  // it could not be asked
  }
  runtime()->log(LogLevel::Error, plugin::take_error(status, failure).within(device_->info().name).message());
  const int code = failure.system_errno != 0 ? failure.system_errno : status == CW_DEVICE_LOST ? ENODEV : EIO;
  return std::optional(FenceOutcome{.error = code, .at = {}});
}

Result<std::shared_ptr<FenceState>> DeviceFence::travelling() {
  const std::lock_guard lock(travelling_mutex_);
  if (travelling_ != nullptr) {
    return travelling_;
  }
  if (device_->table().fence_export == nullptr) {
    return Error(Errc::Unsupported, "Fence::dup_sync_file",
                 fmt::format("the driver of {} makes no sync_files of its work; waiting on the CPU works",
                             device_->info().name));
  }
  auto exported = plugin::sized<cw_fence>();
  exported.fd = -1;
  auto failure = plugin::sized<cw_error>();
  const auto status = device_->table().fence_export(device_->handle(), &fence_, &exported, &failure);
  if (status != CW_OK) {
    return plugin::take_error(status, failure).within(device_->info().name);
  }
  if (exported.kind == CW_FENCE_DEVICE) {
    return Error(Errc::Internal, "fence_export",
                 fmt::format("backend {} was asked for a fence that travels, and gave one of its own again",
                             device_->info().backend));
  }
  auto made = fence_from_device(device_, exported);
  if (!made) {
    return std::move(made.error());
  }
  travelling_ = *made;
  return travelling_;
}

std::shared_ptr<FenceState> DeviceFence::taken_by(const std::shared_ptr<DeviceState>& other) const {
  if (other->table().fence_import == nullptr || other->info().backend != device_->info().backend) {
    return nullptr;
  }
  auto imported = plugin::sized<cw_fence>();
  imported.fd = -1;
  auto failure = plugin::sized<cw_error>();
  const auto status =
      other->table().fence_import(other->handle(), device_->handle(), &fence_, &imported, &failure);
  if (status != CW_OK) {
    if (status != CW_UNSUPPORTED) {
      runtime()->log(LogLevel::Warning,
                     plugin::take_error(status, failure).within(other->info().name).message());
    }
    return nullptr;
  }
  return std::make_shared<DeviceFence>(other, imported);
}

Result<Pollable> DeviceFence::readiness() {
  auto other = travelling();
  if (!other) {
    return std::move(other.error());
  }
  return (*other)->readiness();
}

Result<UniqueFd> DeviceFence::dup_sync_file() {
  auto other = travelling();
  if (!other) {
    return std::move(other.error());
  }
  return (*other)->dup_sync_file();
}

Result<std::shared_ptr<FenceState>> fence_from_device(const std::shared_ptr<DeviceState>& device,
                                                      const cw_fence& given) {
  switch (given.kind) {
    case CW_FENCE_SYNC_FILE: {
      if (given.fd < 0) {
        break;
      }
      return std::shared_ptr<FenceState>(
          std::make_shared<SyncFileState>(device->runtime(), UniqueFd(given.fd), producer_of(*device)));
    }
    case CW_FENCE_SYNCOBJ_POINT: {
      if (given.fd < 0) {
        break;
      }
      return syncobj_point(device, given);
    }
    case CW_FENCE_HOST_EVENT: {
      if (auto made = device->runtime()->services().made_event(given)) {
        made->stands_for(producer_of(*device));
        return made;
      }
      if (auto known = device->runtime()->services().event(given)) {
        return std::shared_ptr<FenceState>(std::move(known));
      }
      break;
    }
    case CW_FENCE_DEVICE: {
      if (device->table().fence_wait == nullptr || device->table().fence_release == nullptr) {
        break;
      }
      return std::shared_ptr<FenceState>(std::make_shared<DeviceFence>(device, given));
    }
    default: break;
  }
  return Error(
      Errc::Internal, "end_access",
      fmt::format("backend {} gave a fence of kind {} with descriptor {} and handle {}, behind which "
                  "there is nothing to wait for",
                  device->info().backend, given.kind, given.fd, given.handle));
}

}  // namespace causeway::core
