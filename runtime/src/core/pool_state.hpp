// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/frame_pool.hpp>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace causeway::core {

/// What is behind a FramePool: frames, their mappings, and a flat table from (frame, device slot) to mapping.
/// Threads: thread-safe.
class PoolState {
public:
  /// A frame and its mapping on each device of the negotiation, in their order.
  struct Member {
    Frame frame;
    std::vector<Mapping> mappings;
  };

  PoolState(AllocationPlan plan, AllocationReport report, std::vector<Member> members,
            const std::vector<Device>& devices);
  PoolState(const PoolState&) = delete;
  PoolState& operator=(const PoolState&) = delete;

  [[nodiscard]] const AllocationPlan& plan() const noexcept { return plan_; }
  [[nodiscard]] const AllocationReport& report() const noexcept { return report_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(members_.size()); }
  [[nodiscard]] FrameRef frame(std::uint32_t i) const noexcept {
    return {&members_[i].frame, views_[i].data(), i};
  }

  /// Errors: TimedOut, WrongState (a forked process).
  [[nodiscard]] Result<std::uint32_t> take(Deadline deadline);
  void give(std::uint32_t index) noexcept;

private:
  using Views = std::array<const Mapping*, Device::kMaxDevices + 1>;

  AllocationPlan plan_;
  AllocationReport report_;
  std::vector<Member> members_;
  Mapping no_mapping_;  // what devices see that took no part, and what no device sees
  std::vector<Views> views_;

  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::uint32_t> free_;  // the least recently used at the front
};

}  // namespace causeway::core
