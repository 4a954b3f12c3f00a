// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>

#include <causeway/deadline.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace causeway::core {

class FenceState;
class RuntimeState;

/// What a runtime offers to its backends: the cw_host table and what stands behind it.
/// Threads: thread-safe.
class HostServices {
public:
  explicit HostServices(RuntimeState& runtime) noexcept;
  HostServices(const HostServices&) = delete;
  HostServices& operator=(const HostServices&) = delete;
  ~HostServices() = default;

  [[nodiscard]] const cw_host& table() const noexcept { return table_; }

  /// The fence behind an event that a backend made, or that it was lent; null if there is none.
  [[nodiscard]] std::shared_ptr<FenceState> event(const cw_fence& event);
  /// The same, if a backend made it and hands it out: it stands for that device's work.
  [[nodiscard]] std::shared_ptr<FenceState> made_event(const cw_fence& event);

  /// A fence as it crosses the edge for one call: what a backend may hand back to cw_host meanwhile. The
  /// descriptor in it is lent. Errors: OutOfFds (an event's descriptor is made when first needed).
  class Loan {
  public:
    Loan() noexcept = default;
    Loan(HostServices& services, std::uint64_t handle) noexcept : services_(&services), handle_(handle) {}
    Loan(Loan&& other) noexcept
        : services_(std::exchange(other.services_, nullptr)), handle_(other.handle_) {}
    Loan& operator=(Loan&& other) noexcept;
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan();

  private:
    HostServices* services_ = nullptr;
    std::uint64_t handle_ = 0;
  };
  [[nodiscard]] Result<Loan> lend(const std::shared_ptr<FenceState>& fence, cw_fence& out);

private:
  Status create_event(cw_fence& event);
  Status signal_event(const cw_fence& event, int system_errno);
  void destroy_event(const cw_fence& event) noexcept;
  void forget_event(std::uint64_t handle) noexcept;
  Status wait(const cw_fence& fence, Deadline deadline);
  Status notify(const cw_fence& event, void (*told)(void*, std::int32_t), void* user, std::uint32_t& added);
  std::uint64_t remember(std::shared_ptr<FenceState> fence, bool made);

  RuntimeState& runtime_;
  cw_host table_;
  std::mutex events_mutex_;
  struct Event {
    std::shared_ptr<FenceState> fence;
    bool made;  ///< by a backend; else it was lent to one
  };
  std::map<std::uint64_t, Event> events_;
  std::uint64_t next_event_ = 1;
};

}  // namespace causeway::core
