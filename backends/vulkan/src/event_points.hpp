// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "context.hpp"

namespace causeway::vulkan_backend {

/// A timeline semaphore that this process signals (vkSignalSemaphore), for one event after the other.
struct EventSemaphore {
  VkSemaphore handle = VK_NULL_HANDLE;
  std::uint64_t asked = 0;                   ///< the last point that an event was given
  std::uint64_t due = 0;                     ///< the last point whose event has signalled
  std::atomic<std::uint64_t> signalled = 0;  ///< where the semaphore stands
};

/// An event of a program as a queue waits for it. Threads: thread-safe.
struct EventPoint {
  std::shared_ptr<EventSemaphore> semaphore;
  std::uint64_t value = 0;
  [[nodiscard]] bool pending() const noexcept {
    return semaphore->signalled.load(std::memory_order_acquire) < value;
  }
};

/// Events of programs as points of timeline semaphores, so that a queue waits for them and no thread does. A
/// batch may be submitted before the point that it waits for is signalled (section 7.4.1, Semaphore
/// Signaling: timeline semaphores permit wait-before-signal). The host tells on the thread that signals the
/// event, and that thread signals the semaphore, which asks for no synchronisation with queues
/// (vkSignalSemaphore has no externally synchronized parameter).
///
/// A semaphore stands for one event at a time, since the points of one timeline have an order, and events
/// have none; it is used again once its event has signalled. An event whose work failed is signalled, too:
/// who waits for it goes on, and that the bytes are no good is what the host tells.
///
/// Threads: thread-safe.
class EventPoints {
public:
  explicit EventPoints(const Context& context);
  EventPoints(const EventPoints&) = delete;
  EventPoints& operator=(const EventPoints&) = delete;
  /// No batch waits for one of the semaphores any more; give_up() sees to that.
  ~EventPoints();

  /// The point that this event will signal; empty if the event has signalled already. Errors: OutOfMemory,
  /// Unsupported (the host's), DeviceLost.
  [[nodiscard]] Result<std::optional<EventPoint>> point_for(const cw_fence& event);
  /// Signals what is pending although nobody has told so, and logs why: what waits for it must end now. An
  /// event that tells later tells nobody.
  void give_up(std::string_view why) noexcept;

private:
  /// What outlives this object for as long as an event may tell.
  struct Shared {
    explicit Shared(const Context& of) : context(of), host(of.host) {}

    const Context& context;  ///< only for what is due: nothing is, once this object is gone
    const plugin::Host host;
    std::mutex mutex;
    std::vector<std::shared_ptr<EventSemaphore>> semaphores;
    /// False: a semaphore that is due could not be signalled.
    [[nodiscard]] bool signal_due_locked() noexcept;
  };
  struct Told {
    std::shared_ptr<Shared> shared;
    EventPoint point;
  };
  /// What of the semaphores is due, and a word where that failed, which is tried again each time.
  static void signal_due(Shared& shared) noexcept;
  static void on_signal(void* user, std::int32_t system_errno);
  [[nodiscard]] Result<EventPoint> take();

  const Context& context_;
  const std::shared_ptr<Shared> shared_;
};

/// What the batches on a queue may be waiting for: events of programs, its own device's and those of devices
/// whose points it waits for. While one is pending, nothing that is submitted later ends in finite time by
/// the device's doing alone. So no sync_file is made of it, for which the kernel might wait for ever
/// (VUID-VkSemaphoreGetFdInfoKHR-handleType-03254 forbids it as well), and no probe is put behind it.
///
/// Threads: thread-safe.
class PendingEvents {
public:
  void add(EventPoint event);
  /// Those that are pending behind another queue.
  void add_all(const PendingEvents& others);
  [[nodiscard]] bool any() const;
  /// Waits on the CPU, uncounted. Errors: TimedOut.
  [[nodiscard]] Status wait_for_none(std::string_view operation, std::int64_t deadline_ns) const;

private:
  mutable std::mutex mutex_;
  mutable std::vector<EventPoint> events_;  // guarded by mutex_; those that have signalled leave
};

}  // namespace causeway::vulkan_backend
