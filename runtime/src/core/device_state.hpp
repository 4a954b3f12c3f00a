// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/deadline.hpp>
#include <causeway/device.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "core/verdict_cache.hpp"

namespace causeway::core {

class RuntimeState;

/// What is behind a Device: the backend's table, its handle, and the turn-taking that rule 6 of the ABI asks
/// for. Threads: thread-safe.
class DeviceState {
public:
  [[nodiscard]] static Result<std::shared_ptr<DeviceState>> open(std::shared_ptr<RuntimeState> runtime,
                                                                 const cw_backend& backend,
                                                                 const OpenOptions& options);

  DeviceState(std::shared_ptr<RuntimeState> runtime, const cw_backend& backend, cw_device* handle,
              std::uint32_t slot, DeviceInfo info);
  DeviceState(const DeviceState&) = delete;
  DeviceState& operator=(const DeviceState&) = delete;
  ~DeviceState();

  [[nodiscard]] const std::shared_ptr<RuntimeState>& runtime() const noexcept { return runtime_; }
  [[nodiscard]] const cw_backend& table() const noexcept { return table_; }
  [[nodiscard]] cw_device* handle() const noexcept { return handle_; }
  [[nodiscard]] std::uint32_t slot() const noexcept { return slot_; }
  [[nodiscard]] const DeviceInfo& info() const noexcept { return info_; }
  [[nodiscard]] bool has(Capability capability) const noexcept {
    return (info_.capabilities & static_cast<std::uint32_t>(capability)) != 0;
  }

  /// Runs one operation of the backend: operation(table, device, error) -> cw_status, alone on this device.
  template <class Operation>
  [[nodiscard]] Status call(Operation&& operation) {
    // Not cleared as a whole, which would cost more than many an operation.
    cw_error failure;
    failure.struct_size = sizeof(failure);
    failure.system_errno = 0;
    failure.operation[0] = '\0';
    failure.text[0] = '\0';
    const std::lock_guard lock(mutex_);
    const std::int32_t status = operation(table_, handle_, &failure);
    return status == CW_OK ? Status() : failed(status, failure);
  }

  /// Whether an operation would begin at once, without waiting for another one.
  [[nodiscard]] bool idle() noexcept {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    return lock.owns_lock();
  }

  /// Which of this process's timelines the device's fences of that kind and handle belong to.
  [[nodiscard]] std::uint64_t fence_context(std::uint32_t kind, std::uint64_t handle);
  /// True for the first caller only: what is said once of each device.
  [[nodiscard]] bool first_to_warn() noexcept { return !warned_.exchange(true, std::memory_order_relaxed); }
  /// What the alias proof has shown of this device's imports.
  [[nodiscard]] VerdictCache& verdicts() noexcept { return verdicts_; }
  /// Waits until the device has done what it was given, or is known to do nothing any more, as it is lost.
  /// Errors: TimedOut, and why it cannot be told.
  [[nodiscard]] Status wait_until_stopped(Deadline deadline);

private:
  [[nodiscard]] Status failed(std::int32_t status, const cw_error& failure) const;

  std::shared_ptr<RuntimeState> runtime_;
  const cw_backend& table_;  // lives in the runtime
  cw_device* handle_;
  std::uint32_t slot_;
  DeviceInfo info_;
  std::mutex mutex_;
  std::mutex contexts_mutex_;
  /// By the kind and the handle of the device's timeline.
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> contexts_;
  std::atomic<bool> warned_{false};
  VerdictCache verdicts_;
};

/// A deadline as the edge has it: nanoseconds on CLOCK_MONOTONIC.
[[nodiscard]] inline std::int64_t to_nanoseconds(Deadline deadline) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.when().time_since_epoch()).count();
}
[[nodiscard]] inline Deadline from_nanoseconds(std::int64_t nanoseconds) noexcept {
  return Deadline(Deadline::Clock::time_point(std::chrono::nanoseconds(nanoseconds)));
}

/// The C struct of the edge as a value of ours.
[[nodiscard]] DeviceInfo device_info_from(const cw_backend& backend, const cw_device_info& info);

}  // namespace causeway::core
