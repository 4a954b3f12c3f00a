// SPDX-License-Identifier: Apache-2.0
#include <causeway/host_event.hpp>

#include <causeway/device.hpp>
#include <causeway/runtime.hpp>

#include <cerrno>
#include <utility>

#include "core/device_state.hpp"
#include "core/host_fence.hpp"
#include "core/runtime_state.hpp"

namespace causeway {

HostEvent::HostEvent(std::shared_ptr<core::HostFence> state) noexcept
    : state_(std::move(state)), fence_(state_) {}
HostEvent::HostEvent(HostEvent&& other) noexcept = default;

HostEvent& HostEvent::operator=(HostEvent&& other) noexcept {
  // By way of a temporary, whose end gives up what this object was to signal.
  HostEvent taken(std::move(other));
  std::swap(state_, taken.state_);
  std::swap(fence_, taken.fence_);
  return *this;
}

HostEvent::~HostEvent() {
  if (state_ != nullptr && state_->pending()) {
    static_cast<void>(state_->signal(ECANCELED));  // unless it is signalled at this moment
  }
}

Result<HostEvent> HostEvent::create(Runtime& runtime, Producer producer) {
  if (auto here = runtime.state()->check_process("HostEvent::create"); !here) {
    return std::move(here.error());
  }
  return HostEvent(std::make_shared<core::HostFence>(runtime.state(), core::FenceState::Place(), producer));
}

Fence HostEvent::of_past(const Device& device, std::optional<std::chrono::steady_clock::time_point> at,
                         int error) {
  if (device.state() == nullptr) {
    return Fence();
  }
  auto fence = std::make_shared<core::HostFence>(device.state()->runtime(), core::FenceState::Place(),
                                                 Producer::Unknown);
  static_cast<void>(fence->end({.error = error, .at = at}));  // nobody else knows of it yet
  return Fence(std::move(fence));
}

Status HostEvent::signal(int error) {
  if (state_ == nullptr) {
    return Error(Errc::WrongState, "HostEvent::signal", "this event was moved away; it signals from there");
  }
  return state_->signal(error);
}

HostTimeline::HostTimeline(std::shared_ptr<core::HostTimelineState> state) noexcept
    : state_(std::move(state)) {}
HostTimeline::HostTimeline(HostTimeline&&) noexcept = default;
HostTimeline& HostTimeline::operator=(HostTimeline&&) noexcept = default;
HostTimeline::~HostTimeline() = default;

Result<HostTimeline> HostTimeline::create(Runtime& runtime, Producer producer) {
  if (auto here = runtime.state()->check_process("HostTimeline::create"); !here) {
    return std::move(here.error());
  }
  return HostTimeline(std::make_shared<core::HostTimelineState>(runtime.state(), producer));
}

std::uint64_t HostTimeline::context() const noexcept {
  return state_ == nullptr ? 0 : state_->context();
}
std::uint64_t HostTimeline::value() const {
  return state_ == nullptr ? 0 : state_->value();
}

namespace {
Error moved_away(const char* operation) {
  return Error(Errc::WrongState, operation, "this timeline was moved away; its points are there");
}
}  // namespace

Result<Fence> HostTimeline::point(std::uint64_t sequence) {
  if (state_ == nullptr) {
    return moved_away("HostTimeline::point");
  }
  auto fence = state_->point(sequence);
  if (!fence) {
    return std::move(fence.error());
  }
  return Fence(std::move(*fence));
}

Status HostTimeline::signal(std::uint64_t sequence, int error) {
  return state_ == nullptr ? moved_away("HostTimeline::signal") : state_->signal(sequence, error);
}

}  // namespace causeway
