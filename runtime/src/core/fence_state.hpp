// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fence.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace causeway::core {

class DeviceState;
class RuntimeState;

/// How a fence ended.
struct FenceOutcome {
  int error = 0;  ///< the errno of work that failed, else 0
  std::optional<Deadline::Clock::time_point> at;
};

/// A timeline that no other of this process is.
[[nodiscard]] std::uint64_t next_fence_context() noexcept;

/// What is behind a Fence: its place on a timeline, how it ended, and who wants to be told.
///
/// Noticing that it has ended (record) and telling so (run_callbacks) are apart, since callbacks run on
/// certain threads only and with no lock held.
///
/// Threads: thread-safe.
class FenceState : public std::enable_shared_from_this<FenceState> {
public:
  struct Place {
    std::uint64_t context = next_fence_context();
    std::uint64_t sequence = 1;
  };

  FenceState(std::shared_ptr<RuntimeState> runtime, FenceKind kind, Place place, Producer producer) noexcept;
  FenceState(const FenceState&) = delete;
  FenceState& operator=(const FenceState&) = delete;
  virtual ~FenceState();

  [[nodiscard]] FenceKind kind() const noexcept { return kind_; }
  [[nodiscard]] const Place& place() const noexcept { return place_; }
  [[nodiscard]] const std::shared_ptr<RuntimeState>& runtime() const noexcept { return runtime_; }
  /// The device that it is a fence of, if it is of a device's own kind. Asking for such a fence may cost a
  /// submission; that device itself waits for it for nothing.
  [[nodiscard]] virtual const DeviceState* owner() const noexcept { return nullptr; }
  /// What it stands for wrote through the CPU's caches.
  [[nodiscard]] bool cache_coherent() const noexcept {
    return producer_.load(std::memory_order_relaxed) == Producer::CacheCoherent;
  }
  /// Who it stands for is known only now: a backend's event, when it is handed out as the end of an access.
  void stands_for(Producer producer) noexcept { producer_.store(producer, std::memory_order_relaxed); }

  /// How it ended; none while it is pending. Asks the kernel or the device if need be, never waits.
  [[nodiscard]] std::optional<FenceOutcome> outcome();
  /// Whether it was seen to have ended: one load, nobody is asked.
  [[nodiscard]] bool known_done() const noexcept { return settled_.load(std::memory_order_acquire); }
  [[nodiscard]] bool pending() { return !outcome().has_value(); }
  /// Waits until it has ended, however that was; false if the deadline came first. Runs callbacks that wait
  /// for this thread. Errors: Io (it cannot be waited for).
  [[nodiscard]] Result<bool> settle(Deadline deadline);
  /// The same, counted as a wait of the CPU if it is pending.
  [[nodiscard]] Result<bool> settle_counted(Deadline deadline);
  /// The same as settle(), for who holds locks: callbacks that wait for a thread are left to the dispatcher.
  [[nodiscard]] Result<bool> settle_quietly(Deadline deadline);

  [[nodiscard]] virtual Result<Pollable> readiness() = 0;
  [[nodiscard]] virtual Result<UniqueFd> dup_sync_file() = 0;
  [[nodiscard]] virtual Result<UniqueFd> dup_event();

  [[nodiscard]] std::optional<Fence::CallbackId> add_callback(Fence::Callback callback);
  bool remove_callback(Fence::CallbackId id);
  /// For the dispatcher: looks whether it has ended, and then runs the callbacks on this thread. True if so.
  bool dispatch();

  /// Whether waiting for this one is waiting for the other, too.
  [[nodiscard]] bool covers(const FenceState& other) const noexcept {
    return place_.context == other.place_.context && place_.sequence >= other.place_.sequence;
  }
  /// Whether its callbacks wait for Runtime::dispatch(); else whoever signals it runs them.
  [[nodiscard]] virtual bool dispatched() const noexcept { return true; }

protected:
  /// Waits until the deadline, which may be in the past. None: still pending then.
  [[nodiscard]] virtual Result<std::optional<FenceOutcome>> ask(Deadline deadline) = 0;
  /// Notes how it ended. False if that was known before. (Under mutex_, if the caller holds it.)
  bool record(FenceOutcome outcome);
  void run_callbacks();

private:
  [[nodiscard]] FenceOutcome known_outcome() const;

  const std::shared_ptr<RuntimeState> runtime_;
  const FenceKind kind_;
  const Place place_;
  std::atomic<Producer> producer_;

  mutable std::mutex mutex_;  // guards what follows
  FenceOutcome outcome_;
  std::vector<std::pair<Fence::CallbackId, Fence::Callback>> callbacks_;
  Fence::CallbackId next_callback_ = 1;
  std::atomic<bool> settled_{false};  // outcome_ is there
};

/// The sentence of a fence that failed.
[[nodiscard]] Error fence_failure(int system_errno);

}  // namespace causeway::core
