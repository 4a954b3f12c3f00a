// SPDX-License-Identifier: Apache-2.0
#include "core/pool_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/frame_state.hpp"
#include "core/runtime_state.hpp"

namespace causeway {

void FrameLease::give_back() noexcept {
  pool_->give(ref_.index());
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

namespace {

Result<FrameLease> acquire_slowly(core::PoolState& pool, Deadline deadline) {
  if (!pool.in_own_process()) {
    return std::move(pool.runtime().check_process("FramePool::acquire").error());
  }
  if (const auto index = pool.try_take()) {
    return FrameLease(pool, pool.frame(*index));
  }
  auto index = pool.wait_and_take(deadline);
  if (!index) {
    return std::move(index.error());
  }
  return FrameLease(pool, pool.frame(*index));
}

}  // namespace

Result<FrameLease> FramePool::acquire(Deadline deadline) {
  core::PoolState& pool = *state_;
  if (pool.in_own_process()) {
    if (const auto index = pool.take_next(); index != core::FreeFrames::kNone) {
      return Result<FrameLease>(tl::in_place, pool, pool.frame(index));
    }
  }
  return acquire_slowly(pool, deadline);
}

namespace core {

std::shared_ptr<PoolState> PoolState::make(AllocationPlan plan, AllocationReport report,
                                           std::vector<Member> members, const std::vector<Device>& devices) {
  return {new PoolState(std::move(plan), std::move(report), std::move(members), devices),
          [](PoolState* pool) { pool->close(); }};
}

PoolState::PoolState(AllocationPlan plan, AllocationReport report, std::vector<Member> members,
                     const std::vector<Device>& devices)
    : plan_(std::move(plan)),
      report_(std::move(report)),
      members_(std::move(members)),
      views_(members_.size()),
      runtime_(*members_.front().frame.state()->runtime()),
      generation_(runtime_.generation()),
      free_(static_cast<std::uint32_t>(members_.size())) {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    views_[i].fill(&no_mapping_);
    const auto& buffers = members_[i].frame.state()->in_order();
    only_list_.push_back(buffers.size() == 1 ? &buffers.front()->fences() : nullptr);
    for (std::size_t d = 0; d < devices.size(); ++d) {
      views_[i].at(devices[d].slot()) = &members_[i].mappings[d];
    }
  }
}

bool PoolState::quiet(std::uint32_t index, bool ask) const noexcept {
  const auto& buffers = members_[index].frame.state()->in_order();
  return std::all_of(buffers.begin(), buffers.end(), [ask](BufferState* buffer) {
    return ask ? buffer->fences().quiet() : buffer->fences().empty();
  });
}

std::optional<std::uint32_t> PoolState::try_take() noexcept {
  bool any = false;
  if (const auto index = free_.take([&](std::uint32_t frame) {
        any = true;
        return looks_quiet(frame);
      });
      index || !any) {
    return index;
  }
  if (const auto index = free_.take([this](std::uint32_t frame) { return quiet(frame, true); })) {
    return index;
  }
  return free_.take([](std::uint32_t) { return true; });
}

Result<std::uint32_t> PoolState::wait_and_take(Deadline deadline) {
  const auto until = std::max(deadline.when(), Deadline::Clock::time_point{});
  std::unique_lock lock(mutex_);
  if (waiting_++ == 0) {
    free_.await();
  }
  std::optional<std::uint32_t> index;
  bool in_time = true;
  while (!(index = try_take()) && in_time) {
    if (deadline.is_never()) {
      freed_.wait(lock);
    } else {
      in_time = freed_.wait_until(lock, until) == std::cv_status::no_timeout;
    }
  }
  if (--waiting_ == 0) {
    free_.await_no_more();
  }
  if (!index) {
    return Error(Errc::TimedOut, "FramePool::acquire",
                 fmt::format("all {} frames were still on loan at the deadline; let one go, or allocate more",
                             members_.size()));
  }
  return *index;
}

void PoolState::give_otherwise(std::uint32_t index, FreeFrames::Given given) noexcept {
  while (given == FreeFrames::Given::Awaited) {
    if (!runtime_.in_own_process()) {
      return;  // who waits there does so in the parent, and its lock may be held for ever here
    }
    {
      const std::lock_guard lock(mutex_);
      if (waiting_ != 0) {
        // Who waits has a handle, and cannot leave before this lock is given back: the pool lives.
        free_.give_to_waiter(index);
        freed_.notify_one();
        return;
      }
    }
    given = free_.give(index);  // without the lock, which may be gone with the pool
  }
  if (given == FreeFrames::Given::Last) {
    delete this;
  }
}

void PoolState::close() noexcept {
  if (free_.close()) {
    delete this;
  }
}

}  // namespace core
}  // namespace causeway
