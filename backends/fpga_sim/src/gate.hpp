// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <causeway/plugin/backend.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "hardware.hpp"

namespace causeway::fpga_sim_backend {

/// The way from a fence's callback to a card that may be gone by then. Threads: thread-safe.
class Waker {
public:
  explicit Waker(Hardware& hardware) : hardware_(&hardware) {}
  /// The hardware's thread looks at what may start.
  void wake() {
    const std::lock_guard lock(mutex_);
    if (hardware_ != nullptr) {
      hardware_->kick();
    }
  }
  /// The card goes.
  void close() {
    const std::lock_guard lock(mutex_);
    hardware_ = nullptr;
  }

private:
  std::mutex mutex_;
  Hardware* hardware_;  // guarded by mutex_
};

/// What a turn waits for: jobs that are submitted within it start when all of it has signalled, and nobody's
/// thread waits. Threads: thread-safe.
class Gate {
public:
  explicit Gate(std::shared_ptr<Waker> waker) : waker_(std::move(waker)) {}

  /// One more event. Errors: the host's.
  [[nodiscard]] static Status add(const std::shared_ptr<Gate>& gate, plugin::Host host,
                                  const cw_fence& event) {
    auto self = std::make_unique<std::shared_ptr<Gate>>(gate);
    gate->closed_.fetch_add(1, std::memory_order_relaxed);
    const auto added = host.notify(event, &Gate::told, self.get());
    if (added && *added) {
      static_cast<void>(self.release());  // the host's, until it tells
      return {};
    }
    gate->closed_.fetch_sub(1, std::memory_order_release);
    return added ? Status() : Status(added.error());
  }
  /// What the events stand for is in memory.
  [[nodiscard]] bool open() const { return closed_.load(std::memory_order_acquire) == 0; }

private:
  // A fence whose work failed lets its waiters go, too; that its bytes are no good is the host's concern.
  static void told(void* user, std::int32_t /*system_errno*/) {
    const std::unique_ptr<std::shared_ptr<Gate>> self(static_cast<std::shared_ptr<Gate>*>(user));
    (*self)->closed_.fetch_sub(1, std::memory_order_release);
    (*self)->waker_->wake();
  }

  const std::shared_ptr<Waker> waker_;
  std::atomic<unsigned> closed_{0};
};

}  // namespace causeway::fpga_sim_backend
