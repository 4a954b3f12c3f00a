// SPDX-License-Identifier: Apache-2.0
#include <causeway/cpu_access.hpp>

#include <utility>

#include "core/attachment_state.hpp"
#include "core/frame_state.hpp"
#include "core/layout.hpp"
#include "core/runtime_state.hpp"

namespace causeway {

namespace core {

Status check_turn_usage(Usage usage) {
  if (!suits_a_turn(usage)) {
    return Error(Errc::InvalidArgument, "begin_access",
                 "a turn is for Usage::Read, Usage::Write or Usage::ReadWrite, and nothing else");
  }
  return {};
}

Result<CpuAccess> begin_cpu_access_slowly(const FrameState& frame, Usage usage, Deadline deadline) {
  if (auto sound = check_turn_usage(usage); !sound) {
    return std::move(sound.error());
  }
  if (auto here = frame.runtime()->check_process("begin_access"); !here) {
    return std::move(here.error());
  }
  if (FrameState::LazyObjects lazy = 0;
      frame.only() == nullptr && frame.begin_cpu_turns_at_once(usage, lazy)) {
    return CpuAccess(frame, usage, lazy);
  }
  for (BufferState* buffer : frame.in_order()) {
    if (auto address = buffer->cpu_address(); !address) {
      return std::move(address.error());
    }
  }
  return begin_cpu_turn(frame, usage, deadline);
}

Result<CpuAccess> begin_cpu_access(FrameHandle&& frame, Usage usage, Deadline deadline) {
  auto access = begin_cpu_access(*frame, usage, deadline);
  if (access) {
    access->keep(std::move(frame).take());
  }
  return access;
}

Result<CpuAccess> begin_cpu_turn(const FrameState& frame, Usage usage, Deadline deadline) {
  if (auto sound = check_turn_usage(usage); !sound) {
    return std::move(sound.error());
  }
  auto begun = frame.begin_cpu_turn(usage, deadline);
  if (!begun) {
    return std::move(begun.error());
  }
  return CpuAccess(frame, usage, *begun);
}

void FrameHandle::let_go() noexcept {
  if (state_->cpu_turn_open()) {
    const FrameState& frame = *state_;
    frame.leave_to_turn(std::move(state_));
  }
}

}  // namespace core

CpuMapping::CpuMapping(std::shared_ptr<const core::FrameState> frame, std::shared_ptr<void> hold) noexcept
    : frame_(std::move(frame)), hold_(std::move(hold)) {}

Result<CpuAccess> CpuMapping::begin(Usage usage, Deadline deadline) const& {
  return core::begin_cpu_access(*frame_, usage, deadline);
}

Result<CpuAccess> CpuMapping::begin(Usage usage, Deadline deadline) && {
  return core::begin_cpu_access(std::move(frame_), usage, deadline);
}

std::uint64_t CpuMapping::size() const noexcept {
  return frame_->objects().front().size();
}

CpuRange::CpuRange(std::shared_ptr<const core::FrameState> frame, std::span<std::byte> bytes) noexcept
    : frame_(std::move(frame)), bytes_(bytes) {}

CpuRange::CpuRange(CpuRange&& other) noexcept
    : frame_(std::move(other.frame_)), bytes_(std::exchange(other.bytes_, {})) {}

CpuRange& CpuRange::operator=(CpuRange&& other) noexcept {
  // By way of a temporary, whose end unmaps what this object held.
  CpuRange taken(std::move(other));
  std::swap(frame_, taken.frame_);
  std::swap(bytes_, taken.bytes_);
  return *this;
}

CpuRange::~CpuRange() {
  if (!bytes_.empty()) {
    frame_->in_order().front()->unmap_range(bytes_);
  }
}

Result<CpuAccess> CpuRange::begin(Usage usage, Deadline deadline) const {
  if (frame_.state() == nullptr) {
    return Error(Errc::WrongState, "CpuRange::begin", "this range was moved away; it maps nothing");
  }
  if (auto here = frame_->runtime()->check_process("CpuRange::begin"); !here) {
    return std::move(here.error());
  }
  if (writes(usage) && !frame_->in_order().front()->takes_writes(bytes_)) {
    return Error(Errc::Unsupported, "CpuRange::begin",
                 "this part was mapped while the buffer was known by read-only descriptors alone, and "
                 "writing was asked for; map it anew once the buffer came by a descriptor with O_RDWR");
  }
  return core::begin_cpu_turn(*frame_, usage, deadline);
}

CpuAccess& CpuAccess::operator=(CpuAccess&& other) noexcept {
  if (this != &other) {
    if (frame_ != nullptr) {
      abandon();
    }
    frame_ = std::exchange(other.frame_, nullptr);
    usage_ = other.usage_;
    lazy_ = other.lazy_;
    kept_ = std::move(other.kept_);
  }
  return *this;
}

std::span<std::byte> CpuAccess::bytes(std::uint32_t object) const noexcept {
  if (frame_ == nullptr || object >= frame_->objects().size()) {
    return {};
  }
  const auto& buffer = *frame_->objects()[object].state();
  std::byte* address = buffer.mapped_address();
  return {address, address == nullptr ? 0 : buffer.size()};
}

std::span<std::byte> CpuAccess::plane(std::uint32_t p) const noexcept {
  if (frame_ == nullptr || p >= frame_->layout().planes.size()) {
    return {};
  }
  const auto& plane = frame_->layout().planes[p];
  if (bytes(plane.object).empty()) {
    return {};
  }
  return bytes(plane.object).subspan(plane.offset, core::extent_of(frame_->layout(), p).bytes);
}

std::uint32_t CpuAccess::stride(std::uint32_t p) const noexcept {
  return frame_ == nullptr || p >= frame_->layout().planes.size() ? 0 : frame_->layout().planes[p].stride;
}

Status CpuAccess::end() {
  if (frame_ == nullptr) {
    return Error(Errc::WrongState, "CpuAccess::end", "this access was ended before; an access ends once");
  }
  if (!frame_->in_own_process()) {
    return frame_->runtime()->check_process("CpuAccess::end");
  }
  const core::FrameState& frame = *std::exchange(frame_, nullptr);
  return kept_ == nullptr ? frame.end_cpu_turn(usage_, lazy_) : end_and_let_go(frame);
}

Status CpuAccess::end_and_let_go(const core::FrameState& frame) {
  const auto kept = std::move(kept_);
  return frame.end_cpu_turn(usage_, lazy_);
}

void CpuAccess::abandon() noexcept {
  if (!frame_->in_own_process()) {
    std::exchange(frame_, nullptr)->forget_cpu_turn(usage_);  // the turn itself is the parent's
    return;
  }
  const auto runtime = frame_->runtime();
  if (auto ended = end(); !ended) {
    runtime->log(LogLevel::Error,
                 "a CPU access was dropped and could not be ended: " + ended.error().message());
  }
}

}  // namespace causeway
