// SPDX-License-Identifier: Apache-2.0
//
// A device's turn: what it waits for, who waits, and what others wait for afterwards.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/attachment_state.hpp"
#include "core/device_fence.hpp"
#include "core/runtime_state.hpp"
#include "core/sync_file_state.hpp"
#include "uapi/sync_file.hpp"

namespace causeway::core {
namespace {

/// The end of an access has no deadline of its caller's. Where a fence can go nowhere, the CPU waits for it,
/// but not for ever.
constexpr std::chrono::seconds kEndPatience{10};

Error waited_too_long(const Device& device) {
  return Error(
      Errc::TimedOut, "begin_access",
      fmt::format("a fence that {} must wait for, and cannot wait for by itself, was still pending at "
                  "the deadline",
                  device.name()));
}

/// Waits on this thread, counted.
Status wait_here(FenceState& fence, const Device& device, Deadline deadline) {
  if (!fence.pending()) {
    return {};
  }
  fence.runtime()->tally().add_cpu_wait();
  auto done = fence.settle(deadline);
  if (!done) {
    return std::move(done.error());
  }
  return *done ? Status() : waited_too_long(device);
}

Capability capability_to_wait(FenceKind kind) noexcept {
  switch (kind) {
    case FenceKind::SyncobjPoint: return Capability::WaitsSyncobj;
    case FenceKind::HostEvent: return Capability::WaitsHostEvent;
    case FenceKind::SyncFile:
    case FenceKind::Device: break;
  }
  return Capability::WaitsSyncFile;
}

}  // namespace

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

Result<FenceRefs> AttachmentState::begin_access(Usage usage, std::span<const Fence> waits,
                                                Deadline deadline) {
  if (auto sound = check_access(usage, waits); !sound) {
    return std::move(sound.error());
  }
  if (auto taken = frame_->take_turns(usage, deadline); !taken) {
    return std::move(taken.error());
  }
  auto begun = collect_waits(usage, waits, deadline);
  Status failure;
  if (!begun) {
    failure = std::move(begun.error());
  } else if (failure = prepare_memory(usage, deadline); failure) {
    failure = tell_device(usage, *begun, deadline);
    if (!failure) {
      if (bracketed()) {
        if (auto ended = frame_->end_sync(usage); !ended) {
          device_state().runtime()->log(LogLevel::Error, ended.error().message());
        }
      }
      unreserve();
    }
  }
  if (!failure) {
    frame_->release_turns(usage);
    return std::move(failure.error());
  }
  holds_.fetch_add(1, std::memory_order_relaxed);  // the caller's Mapping holds it now
  return begun;
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
    buffer->fences().collect(waits_for(usage), all);
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
  return all.empty() ? Result<FenceRefs>(std::move(all)) : split_waits(std::move(all), deadline);
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
  return *ready ? Status() : waited_too_long(device_);
}

std::shared_ptr<FenceState> AttachmentState::as_device_takes_it(const std::shared_ptr<FenceState>& fence) {
  if (auto* device_fence = dynamic_cast<DeviceFence*>(fence.get())) {
    if (device_fence->device() == &device_state()) {
      return fence;  // the device's own: it knows how to wait for that
    }
    if (!device_.has(Capability::WaitsSyncFile) && !device_.has(Capability::WaitsHostEvent)) {
      return nullptr;  // not worth asking the other driver
    }
    auto travelling = device_fence->travelling();
    return travelling && device_.has(capability_to_wait((*travelling)->kind())) ? *travelling : nullptr;
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

Result<FenceRefs> AttachmentState::split_waits(FenceRefs waits, Deadline deadline) {
  FenceRefs for_device;
  for (auto& fence : waits) {
    // SYNC START must come after everything that was written past the caches, and it comes now.
    const bool too_early = bracketed() && !fence->cache_coherent();
    if (auto taken = too_early ? nullptr : as_device_takes_it(fence)) {
      for_device.push_back(std::move(taken));
    } else if (auto waited = wait_here(*fence, device_, deadline); !waited) {
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
    failure = buffer->fences().reserve(CW_MAX_SIGNALS);
    if (!failure) {
      break;
    }
    failure = bracketed() ? buffer->expect_debt() : buffer->pay_all_debts(deadline);
    if (!failure) {
      buffer->fences().unreserve(CW_MAX_SIGNALS);
      break;
    }
    ++reserved;
  }
  if (failure && bracketed()) {
    failure = frame_->start_sync(usage, deadline);
  }
  while (!failure && reserved > 0) {
    BufferState* buffer = buffers[--reserved];
    buffer->fences().unreserve(CW_MAX_SIGNALS);
    if (bracketed()) {
      buffer->owe_end(usage, {});
    }
  }
  return failure;
}

void AttachmentState::unreserve() noexcept {
  for (BufferState* buffer : frame_->in_order()) {
    buffer->fences().unreserve(CW_MAX_SIGNALS);
    if (bracketed()) {
      buffer->owe_end(Usage::Read, {});
    }
  }
}

Status AttachmentState::tell_device(Usage usage, const FenceRefs& waits, Deadline deadline) {
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
  auto begin = plugin::sized<cw_access_begin>();
  begin.usage = bits(usage);
  begin.waits = lent.empty() ? nullptr : lent.data();
  begin.wait_count = static_cast<std::uint32_t>(lent.size());
  begin.deadline_ns = to_nanoseconds(deadline);
  return device_state().call([&](const cw_backend& table, cw_device* self, cw_error* error) {
    return table.begin_access(self, handle_, &begin, error);
  });
}

Result<FenceRefs> AttachmentState::take_signals(std::span<const Fence> given) {
  auto& services = device_state().runtime()->services();
  std::vector<cw_fence> lent(given.size());
  std::vector<HostServices::Loan> loans;
  FenceRefs signals;
  Status failure;
  for (const auto& fence : given) {
    if (!fence.valid() || fence.state()->runtime() != device_state().runtime()) {
      failure = Error(Errc::InvalidArgument, "Access::end",
                      "among the fences of the device's work is one that is none, or one of another runtime");
      continue;
    }
    auto loan = services.lend(fence.state(), lent[signals.size()]);
    if (!loan) {  // no descriptor is left for it: nobody shall miss it, so this thread waits
      if (auto waited = wait_here(*fence.state(), device_, Deadline::in(kEndPatience)); !waited) {
        failure = std::move(waited);
      }
      continue;
    }
    loans.push_back(std::move(*loan));
    signals.push_back(fence.state());
  }
  std::array<cw_fence, CW_MAX_SIGNALS> made{};
  made.fill(plugin::sized<cw_fence>());
  auto end = plugin::sized<cw_access_end>();
  end.signal_capacity = CW_MAX_SIGNALS;
  end.signals = made.data();
  end.given_count = static_cast<std::uint32_t>(signals.size());
  end.given = signals.empty() ? nullptr : lent.data();
  auto ended = device_state().call([&](const cw_backend& table, cw_device* self, cw_error* error) {
    return table.end_access(self, handle_, &end, error);
  });
  if (!ended) {
    return std::move(ended.error());
  }
  const std::size_t count = std::min<std::size_t>(end.signal_count, CW_MAX_SIGNALS);
  if (count != 0) {
    signals.clear();  // the backend knows the whole of it, what it was given included
  }
  for (std::size_t i = 0; i < count; ++i) {
    auto fence = fence_from_device(device_.state(), made.at(i));
    if (fence) {
      signals.push_back(std::move(*fence));
    } else if (failure) {
      failure = std::move(fence.error());
    }
  }
  if (!failure) {
    return std::move(failure.error());
  }
  signals.erase(std::remove_if(signals.begin(), signals.end(),
                               [](const auto& fence) {
                                 const auto outcome = fence->outcome();
                                 return outcome && outcome->error == 0;
                               }),
                signals.end());
  return signals;
}

Result<FenceRefs> AttachmentState::end_access(Usage usage, std::span<const Fence> given) {
  auto signals = take_signals(given);
  Status result = signals ? Status() : Status(std::move(signals.error()));
  const FenceRefs none;
  const FenceRefs& left = signals ? *signals : none;
  if (auto finished = finish_memory(usage, left); !finished && result) {
    result = std::move(finished);
  }
  const auto as = writes(usage) ? FenceUsage::Write : FenceUsage::Read;
  if (auto published = publish(usage, as, left); !published && result) {
    result = std::move(published);
  }
  if (writes(usage) && !signals) {  // the backend's word is missing on what became of the write
    for (BufferState* buffer : frame_->in_order()) {
      buffer->fences().note_written(result.error().system_errno() != 0 ? result.error().system_errno() : EIO);
    }
  }
  warn_of_missing_fences(left);
  {
    const std::lock_guard lock(work_mutex_);
    work_.erase(
        std::remove_if(work_.begin(), work_.end(), [](const auto& fence) { return !fence->pending(); }),
        work_.end());
    for (const auto& fence : left) {
      add_wait(work_, fence);
    }
  }
  frame_->release_turns(usage);
  let_go();
  if (!result) {
    return std::move(result.error());
  }
  return signals;
}

Status AttachmentState::finish_memory(Usage usage, const FenceRefs& signals) {
  Status first;
  for (BufferState* buffer : frame_->in_order()) {
    if (bracketed()) {
      buffer->owe_end(usage, signals);
      if (signals.empty()) {
        if (auto ended = buffer->end_cpu(usage); !ended && first) {
          first = std::move(ended);
        }
      }
    }
    if (writes(usage) && signals.empty()) {
      buffer->fences().note_written(0);
    }
  }
  return first;
}

Status AttachmentState::publish(Usage usage, FenceUsage as, const FenceRefs& signals) {
  Status first;
  for (BufferState* buffer : frame_->in_order()) {
    std::size_t slots = CW_MAX_SIGNALS;
    for (const auto& fence : signals) {
      if (slots > 0 || buffer->fences().reserve(1)) {
        slots -= slots > 0 ? 1 : 0;
        buffer->fences().add(fence, as);
      } else if (auto waited = wait_here(*fence, device_, Deadline::in(kEndPatience)); !waited && first) {
        first = std::move(waited);
      }
      if (sync_ == ImplicitSync::Auto && buffer->shares_kernel_fences()) {
        auto handed = buffer->hand_to_kernel(*fence, usage, Deadline::in(kEndPatience));
        if (!handed && first) {
          first = std::move(handed);
        }
      }
    }
    buffer->fences().unreserve(slots);
  }
  return first;
}

void AttachmentState::lose_access(Usage usage) noexcept {
  const auto& device = device_.state();
  const auto idle = device->wait_idle(Deadline::now());
  if (!idle) {
    // The turn stays the device's: below, only the backend's part and SYNC are ended.
    for (BufferState* buffer : frame_->in_order()) {
      buffer->lose(device, usage);
    }
  }
  auto signals = take_signals({});
  Status ended = signals ? finish_memory(usage, *signals) : Status(std::move(signals.error()));
  if (signals) {
    // Everybody waits for it, but that it succeeds does not make what it wrote reliable.
    if (auto published = publish(usage, FenceUsage::Kernel, *signals); !published && ended) {
      ended = std::move(published);
    }
  } else {
    unreserve();
  }
  device->runtime()->log(
      LogLevel::Error,
      fmt::format("an access of {} was dropped without its end{}{}", device_.name(),
                  idle ? "" : "; its buffers are lost until the device is idle",
                  ended ? std::string() : "; it could not be ended: " + ended.error().message()));
  if (idle) {
    if (writes(usage)) {
      for (BufferState* buffer : frame_->in_order()) {
        buffer->fences().note_written(ECANCELED);
      }
    }
    frame_->release_turns(usage);
  }
  let_go();
}

void AttachmentState::warn_of_missing_fences(const FenceRefs& signals) {
  if (!signals.empty() || sync_ == ImplicitSync::Off || through_cpu() ||
      device_.has(Capability::ImplicitFences) || device_.has(Capability::ProducesOnly)) {
    return;
  }
  const auto& buffers = frame_->in_order();
  const bool seen_outside = std::any_of(buffers.begin(), buffers.end(), [](const BufferState* buffer) {
    return buffer->shares_kernel_fences();
  });
  if (seen_outside && device_state().first_to_warn()) {
    device_state().runtime()->log(
        LogLevel::Warning,
        fmt::format(
            "{} ({}) attaches no fences to the dma-bufs that it uses, and its access ended without any: "
            "who polls the dma-buf, or relies on implicit synchronisation, does not wait for it; give "
            "Access::end the fences of your submission, or end it after the device is done",
            device_.name(), device_.driver()));
  }
}

}  // namespace causeway::core
