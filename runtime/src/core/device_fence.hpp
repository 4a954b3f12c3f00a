// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/device.hpp>

#include <memory>

#include "core/fence_state.hpp"

namespace causeway::core {

class DeviceState;

/// A fence of a device's own kind, which stays with it until somebody else needs one that travels.
/// Threads: thread-safe.
class DeviceFence final : public FenceState {
public:
  /// Takes the fence over: it is released at the end.
  DeviceFence(std::shared_ptr<DeviceState> device, const cw_fence& fence);
  ~DeviceFence() override;

  [[nodiscard]] const DeviceState* owner() const noexcept override { return device_.get(); }
  /// As the device itself takes it back.
  [[nodiscard]] const cw_fence& raw() const noexcept { return fence_; }
  /// The same moment as a fence that travels. Errors: Unsupported (this driver has none).
  [[nodiscard]] Result<std::shared_ptr<FenceState>> travelling();
  /// The same moment as a fence of another device of the same backend, which waits for it by itself; null if
  /// the backend cannot do that between these two.
  [[nodiscard]] std::shared_ptr<FenceState> taken_by(const std::shared_ptr<DeviceState>& other) const;

  [[nodiscard]] Result<Pollable> readiness() override;
  [[nodiscard]] Result<UniqueFd> dup_sync_file() override;

private:
  [[nodiscard]] Result<std::optional<FenceOutcome>> ask(Deadline deadline) override;

  const std::shared_ptr<DeviceState> device_;
  const cw_fence fence_;
  std::mutex travelling_mutex_;
  std::shared_ptr<FenceState> travelling_;  // made at most once
};

/// The fence behind what a backend gave at the end of an access; its descriptor is taken over.
/// Errors: Internal (a kind that is none, or a descriptor that is none).
[[nodiscard]] Result<std::shared_ptr<FenceState>> fence_from_device(
    const std::shared_ptr<DeviceState>& device, const cw_fence& given);

}  // namespace causeway::core
