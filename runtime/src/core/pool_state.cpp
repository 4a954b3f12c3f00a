// SPDX-License-Identifier: Apache-2.0
#include "core/pool_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/frame_state.hpp"
#include "core/runtime_state.hpp"

namespace causeway {

FrameLease::FrameLease(std::shared_ptr<core::PoolState> pool, FrameRef ref) noexcept
    : pool_(std::move(pool)), ref_(ref) {}
FrameLease::FrameLease(FrameLease&& other) noexcept : pool_(std::move(other.pool_)), ref_(other.ref_) {}

FrameLease& FrameLease::operator=(FrameLease&& other) noexcept {
  // By way of a temporary, whose end gives back the frame that this object held.
  FrameLease taken(std::move(other));
  std::swap(pool_, taken.pool_);
  std::swap(ref_, taken.ref_);
  return *this;
}

FrameLease::~FrameLease() {
  if (pool_ != nullptr) {
    pool_->give(ref_.index());
  }
}

FramePool::FramePool(std::shared_ptr<core::PoolState> state) noexcept : state_(std::move(state)) {}

std::uint32_t FramePool::size() const noexcept {
  return state_->size();
}
FrameRef FramePool::frame(std::uint32_t i) const noexcept {
  return state_->frame(i);
}
const AllocationPlan& FramePool::plan() const noexcept {
  return state_->plan();
}
const AllocationReport& FramePool::report() const noexcept {
  return state_->report();
}

Result<FrameLease> FramePool::acquire(Deadline deadline) {
  auto index = state_->take(deadline);
  if (!index) {
    return std::move(index.error());
  }
  return FrameLease(state_, state_->frame(*index));
}

namespace core {

PoolState::PoolState(AllocationPlan plan, AllocationReport report, std::vector<Member> members,
                     const std::vector<Device>& devices)
    : plan_(std::move(plan)),
      report_(std::move(report)),
      members_(std::move(members)),
      views_(members_.size()),
      free_(members_.size()) {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    views_[i].fill(&no_mapping_);
    for (std::size_t d = 0; d < devices.size(); ++d) {
      views_[i].at(devices[d].slot()) = &members_[i].mappings[d];
    }
  }
  std::iota(free_.begin(), free_.end(), 0U);
}

Result<std::uint32_t> PoolState::take(Deadline deadline) {
  if (auto here = members_.front().frame.state()->runtime()->check_process("FramePool::acquire"); !here) {
    return std::move(here.error());
  }
  std::unique_lock lock(mutex_);
  const auto some_free = [this] { return !free_.empty(); };
  if (deadline.is_never()) {
    freed_.wait(lock, some_free);
  } else if (!freed_.wait_until(lock, std::max(deadline.when(), Deadline::Clock::time_point{}), some_free)) {
    return Error(Errc::TimedOut, "FramePool::acquire",
                 fmt::format("all {} frames were still on loan at the deadline; let one go, or allocate more",
                             members_.size()));
  }
  const std::uint32_t index = free_.front();
  free_.erase(free_.begin());
  return index;
}

void PoolState::give(std::uint32_t index) noexcept {
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(index);  // within the capacity it was made with
  }
  freed_.notify_one();
}

}  // namespace core
}  // namespace causeway
