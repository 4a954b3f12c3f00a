// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/frame_pool.hpp>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/fence_list.hpp"
#include "core/fork_guard.hpp"
#include "core/free_frames.hpp"

namespace causeway::core {

class RuntimeState;

/// What is behind a FramePool: frames, their mappings, and a flat table from (frame, device slot) to mapping.
/// Threads: thread-safe.
class PoolState {
public:
  /// A frame and its mapping on each device of the negotiation, in their order.
  struct Member {
    Frame frame;
    std::vector<Mapping> mappings;
  };

  /// What is given is shared by the pool's handles. Once they are gone, the pool lives until its last frame
  /// on loan is back.
  [[nodiscard]] static std::shared_ptr<PoolState> make(AllocationPlan plan, AllocationReport report,
                                                       std::vector<Member> members,
                                                       const std::vector<Device>& devices);
  PoolState(const PoolState&) = delete;
  PoolState& operator=(const PoolState&) = delete;

  [[nodiscard]] const AllocationPlan& plan() const noexcept { return plan_; }
  [[nodiscard]] const AllocationReport& report() const noexcept { return report_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(members_.size()); }
  [[nodiscard]] FrameRef frame(std::uint32_t i) const noexcept {
    return {&members_[i].frame, views_[i].data(), i};
  }

  [[nodiscard]] const RuntimeState& runtime() const noexcept { return runtime_; }
  [[nodiscard]] bool in_own_process() const noexcept { return same_process(generation_); }
  /// The next frame in turn, if it is free and nothing is known to be at work on it; else FreeFrames::kNone,
  /// and try_take knows more.
  [[nodiscard]] std::uint32_t take_next() noexcept {
    return free_.take_next([this](std::uint32_t frame) {
      const FenceList* only = only_list_[frame];
      return only != nullptr && only->empty();
    });
  }
  /// A free frame, if there is one.
  [[nodiscard]] std::optional<std::uint32_t> try_take() noexcept;
  /// Waits for one. Errors: TimedOut.
  [[nodiscard]] Result<std::uint32_t> wait_and_take(Deadline deadline);
  /// May destroy the pool.
  void give(std::uint32_t index) noexcept {
    if (const auto given = free_.give(index); given != FreeFrames::Given::Back) {
      give_otherwise(index, given);
    }
  }

private:
  using Views = std::array<const Mapping*, Device::kMaxDevices + 1>;

  PoolState(AllocationPlan plan, AllocationReport report, std::vector<Member> members,
            const std::vector<Device>& devices);
  ~PoolState() = default;
  void give_otherwise(std::uint32_t index, FreeFrames::Given given) noexcept;
  /// The last handle is gone.
  void close() noexcept;
  /// Whether no fence is known on it, be it one that has signalled unnoticed.
  [[nodiscard]] bool looks_quiet(std::uint32_t index) const noexcept {
    const FenceList* only = only_list_[index];
    return only != nullptr ? only->empty() : quiet(index, false);
  }
  /// ask: for those that may have signalled unnoticed.
  [[nodiscard]] bool quiet(std::uint32_t index, bool ask) const noexcept;

  AllocationPlan plan_;
  AllocationReport report_;
  std::vector<Member> members_;
  Mapping no_mapping_;  // what devices see that took no part, and what no device sees
  std::vector<Views> views_;

  std::vector<const FenceList*> only_list_;  // of a frame with one object, so that looking costs two loads

  const RuntimeState& runtime_;
  const std::uint64_t generation_;
  FreeFrames free_;
  std::mutex mutex_;  // of who waits, and who wakes them
  std::condition_variable freed_;
  std::uint32_t waiting_ = 0;
};

}  // namespace causeway::core
