// SPDX-License-Identifier: Apache-2.0
//
// The begin of a device's turn: what it waits for, and who waits.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/attachment_state.hpp"
#include "core/device_fence.hpp"
#include "core/runtime_state.hpp"
#include "core/sync_file_state.hpp"
#include "uapi/sync_file.hpp"

namespace causeway::core {
namespace {

Capability capability_to_wait(FenceKind kind) noexcept {
  switch (kind) {
    case FenceKind::SyncobjPoint: return Capability::WaitsSyncobj;
    case FenceKind::HostEvent: return Capability::WaitsHostEvent;
    case FenceKind::SyncFile:
    case FenceKind::Device: break;
  }
  return Capability::WaitsSyncFile;
}

/// Room for what the end of a turn adds. The one writer's is kept from turn to turn.
Status reserve_room(BufferState& buffer, Usage usage) {
  return writes(usage) ? buffer.fences().keep_turn_room() : buffer.fences().reserve(CW_MAX_SIGNALS);
}
void unreserve_room(BufferState& buffer, Usage usage) noexcept {
  if (!writes(usage)) {
    buffer.fences().unreserve(CW_MAX_SIGNALS);
  }
}

}  // namespace

Error AttachmentState::waited_too_long() const {
  return Error(
      Errc::TimedOut, "begin_access",
      fmt::format("a fence that {} must wait for, and cannot wait for by itself, was still pending at "
                  "the deadline",
                  device_.name()));
}

Status AttachmentState::wait_here(FenceState& fence, Deadline deadline) const {
  auto done = fence.settle_counted(deadline);
  if (!done) {
    return std::move(done.error());
  }
  return *done ? Status() : waited_too_long();
}

Status AttachmentState::check_access(Usage usage, std::span<const Fence> waits) const {
  if (auto sound = check_turn_usage(usage); !sound) {
    return sound;
  }
  if ((bits(usage) & bits(usage_)) != bits(usage)) {
    return Error(Errc::InvalidArgument, "begin_access",
                 fmt::format("{} was attached for {} alone, and {} was asked for; attach it with that usage",
                             device_.name(), writes(usage_) ? "writing" : "reading",
                             writes(usage) ? "writing" : "reading"));
  }
  for (const auto& fence : waits) {
    if (!fence.valid() || fence.state()->runtime() != device_state().runtime()) {
      return Error(Errc::InvalidArgument, "begin_access",
                   "among the fences to wait for is one that is none, or one of another runtime");
    }
  }
  return {};
}

Status AttachmentState::begin_access_at_once(Turn& turn, Deadline deadline, bool& nothing_begun) {
  const Usage usage = turn.usage;
  nothing_begun = !suits_a_turn(usage) || (bits(usage) & ~bits(usage_)) != 0 || !take_turns_at_once(usage);
  if (nothing_begun) {
    return {};
  }
  auto told = tell_device(turn, std::span<const cw_fence>(), deadline);
  if (told) {
    frame_->note_content(usage);
  } else {
    unreserve(usage);
    frame_->release_turns(usage, TurnsOf::Devices);
  }
  return told;
}

Result<FenceRefs> AttachmentState::begin_access(Turn& turn, std::span<const Fence> waits, Deadline deadline) {
  const Usage usage = turn.usage;
  if (auto sound = check_access(usage, waits); !sound) {
    return std::move(sound.error());
  }
  if (auto taken = frame_->take_turns(usage, TurnsOf::Devices, deadline); !taken) {
    return std::move(taken.error());
  }
  if (handle_ == nullptr) {
    frame_->release_turns(usage, TurnsOf::Devices);
    return Error(Errc::WrongState, "begin_access",
                 fmt::format("{} has not got the memory since it was to be imported anew and that failed; "
                             "Mapping::invalidate() may be tried again",
                             device_.name()));
  }
  auto begun = collect_waits(usage, waits, deadline);
  Status failure;
  if (!begun) {
    failure = std::move(begun.error());
  } else if (failure = prepare_memory(usage, deadline); failure) {
    failure = tell_device(turn, *begun, deadline);
    if (!failure) {
      if (bracketed()) {
        if (auto ended = frame_->end_sync(usage); !ended) {
          device_state().runtime()->log(LogLevel::Error, ended.error().message());
        }
      }
      unreserve(usage);
    }
  }
  if (!failure) {
    frame_->release_turns(usage, TurnsOf::Devices);
    return std::move(failure.error());
  }
  frame_->note_content(usage);
  return begun;
}

bool AttachmentState::ready_at_once(BufferState& buffer, Usage usage) const noexcept {
  return buffer.fences().empty() && buffer.owes_nothing() &&
         (!reads(usage) || buffer.fences().content_error() == 0) &&
         !(sync_ == ImplicitSync::Auto && buffer.shares_kernel_fences()) &&
         (writes(usage) ? buffer.fences().has_turn_room()
                        : buffer.fences().reserve(CW_MAX_SIGNALS).has_value());
}

bool AttachmentState::take_turns_at_once(Usage usage) noexcept {
  if (bracketed()) {
    return false;
  }
  const auto& buffers = frame_->in_order();
  std::size_t taken = 0;
  for (BufferState* buffer : buffers) {
    // Empty before, so as not to take a turn in vain, and looked at again after it.
    if (!buffer->fences().empty() || !buffer->access().try_begin(usage, TurnsOf::Devices)) {
      break;
    }
    if (!ready_at_once(*buffer, usage)) {
      buffer->release_turn(usage, TurnsOf::Devices);
      break;
    }
    ++taken;
  }
  if (taken == buffers.size() && handle_ != nullptr) {
    return true;
  }
  while (taken > 0) {
    BufferState* buffer = buffers[--taken];
    if (!writes(usage)) {
      buffer->fences().unreserve(CW_MAX_SIGNALS);
    }
    buffer->release_turn(usage, TurnsOf::Devices);
  }
  return false;
}

Result<FenceRefs> AttachmentState::collect_waits(Usage usage, std::span<const Fence> waits,
                                                 Deadline deadline) {
  FenceRefs all;
  for (const auto& fence : waits) {
    if (fence.state()->pending()) {
      add_wait(all, fence.state());
    }
  }
  for (BufferState* buffer : frame_->in_order()) {
    buffer->fences().collect(waits_for(usage), all, &device_state());
    if (sync_ == ImplicitSync::Auto && buffer->shares_kernel_fences()) {
      if (auto added = add_kernel_wait(*buffer, usage, deadline, all); !added) {
        return std::move(added.error());
      }
    }
    if (reads(usage)) {
      if (auto sound = buffer->check_content(); !sound) {
        return std::move(sound.error());
      }
    }
  }
  return all.empty() ? Result<FenceRefs>(std::move(all)) : split_waits(all, deadline);
}

Status AttachmentState::add_kernel_wait(BufferState& buffer, Usage usage, Deadline deadline,
                                        FenceRefs& waits) {
  auto ready = buffer.poll_kernel(usage, Deadline::now());
  if (!ready) {
    return std::move(ready.error());
  }
  if (*ready || bracketed()) {
    return {};  // nothing to wait for, or it is waited for before SYNC START
  }
  const auto& runtime = device_state().runtime();
  if (device_.has(Capability::WaitsSyncFile)) {
    auto exported = uapi::export_sync_file(runtime->kernel(), buffer.backing().fd, usage);
    if (exported) {
      add_wait(waits, std::make_shared<SyncFileState>(runtime, std::move(*exported), Producer::Unknown));
      return {};
    }
    if (exported.error().code() != Errc::Unsupported) {
      return std::move(exported.error());
    }
  }
  runtime->tally().add_cpu_wait();
  ready = buffer.poll_kernel(usage, deadline);
  if (!ready) {
    return std::move(ready.error());
  }
  return *ready ? Status() : waited_too_long();
}

std::shared_ptr<FenceState> AttachmentState::as_device_takes_it(const std::shared_ptr<FenceState>& fence) {
  if (auto* device_fence = dynamic_cast<DeviceFence*>(fence.get())) {
    if (device_fence->owner() == &device_state()) {
      return fence;  // the device's own: it knows how to wait for that
    }
    if (auto shared = device_fence->taken_by(device_.state())) {
      return shared;
    }
    if (!device_.has(Capability::WaitsSyncFile) && !device_.has(Capability::WaitsHostEvent)) {
      return nullptr;  // not worth asking the other driver
    }
    auto travelling = device_fence->travelling();
    return travelling && device_.has(capability_to_wait((*travelling)->kind())) ? *travelling : nullptr;
  }
  if (fence->kind() == FenceKind::HostEvent && fence->dispatched()) {
    return nullptr;  // another process's: a device would be told only when somebody calls dispatch()
  }
  if (device_.has(capability_to_wait(fence->kind()))) {
    return fence;
  }
  if (fence->kind() == FenceKind::SyncobjPoint && device_.has(Capability::WaitsSyncFile)) {
    if (auto sync_file = fence->dup_sync_file()) {
      return std::make_shared<SyncFileState>(
          fence->runtime(), std::move(*sync_file),
          fence->cache_coherent() ? Producer::CacheCoherent : Producer::Unknown);
    }
  }
  return nullptr;
}

Result<FenceRefs> AttachmentState::split_waits(const FenceRefs& waits, Deadline deadline) {
  FenceRefs for_device;
  for (const auto& fence : waits) {
    // SYNC START must come after everything that was written past the caches, and it comes now.
    const bool too_early = bracketed() && !fence->cache_coherent();
    if (auto taken = too_early ? nullptr : as_device_takes_it(fence)) {
      for_device.push_back(std::move(taken));
    } else if (auto waited = wait_here(*fence, deadline); !waited) {
      return std::move(waited.error());
    }
  }
  return for_device;
}

Status AttachmentState::prepare_memory(Usage usage, Deadline deadline) {
  const auto& buffers = frame_->in_order();
  std::size_t reserved = 0;
  Status failure;
  for (BufferState* buffer : buffers) {
    failure = reserve_room(*buffer, usage);
    if (!failure) {
      break;
    }
    failure = bracketed() ? buffer->expect_debt() : buffer->pay_all_debts(deadline);
    if (failure && !bracketed()) {
      failure = pay_bracket_for_device(*buffer);
    }
    if (!failure) {
      unreserve_room(*buffer, usage);
      break;
    }
    ++reserved;
  }
  if (failure && bracketed()) {
    failure = frame_->start_sync(usage, deadline);
  }
  while (!failure && reserved > 0) {
    BufferState* buffer = buffers[--reserved];
    unreserve_room(*buffer, usage);
    if (bracketed()) {
      buffer->owe_end(usage, {});
    }
  }
  return failure;
}

Status AttachmentState::pay_bracket_for_device(BufferState& buffer) {
  if (!device_.has(Capability::Coherent)) {
    return buffer.pay_bracket();
  }
  if (buffer.owes_bracket()) {
    device_state().runtime()->tally().add_sync_elided_coherent();
  }
  return {};
}

void AttachmentState::unreserve(Usage usage) noexcept {
  for (BufferState* buffer : frame_->in_order()) {
    unreserve_room(*buffer, usage);
    if (bracketed()) {
      buffer->owe_end(Usage::Read, {});
    }
  }
}

Status AttachmentState::tell_device(Turn& turn, const FenceRefs& waits, Deadline deadline) {
  std::vector<cw_fence> lent(waits.size());
  std::vector<HostServices::Loan> loans;
  loans.reserve(waits.size());
  for (std::size_t i = 0; i < waits.size(); ++i) {
    auto loan = device_state().runtime()->services().lend(waits[i], lent[i]);
    if (!loan) {
      return std::move(loan.error());
    }
    loans.push_back(std::move(*loan));
  }
  return tell_device(turn, lent, deadline);
}

Status AttachmentState::tell_device(Turn& turn, std::span<const cw_fence> waits, Deadline deadline) {
  auto begin = plugin::sized<cw_access_begin>();
  begin.usage = bits(turn.usage);
  begin.waits = waits.empty() ? nullptr : waits.data();
  begin.wait_count = static_cast<std::uint32_t>(waits.size());
  begin.deadline_ns = to_nanoseconds(deadline);
  begin.flags = frame_->has_content() ? 0U : CW_ACCESS_NO_CONTENT;
  return device_state().call([&](const cw_backend& table, cw_device* self, cw_error* error) {
    begin.access = turn.access = ++last_access_;
    return table.begin_access(self, handle_, &begin, error);
  });
}

}  // namespace causeway::core
