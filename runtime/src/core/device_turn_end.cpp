// SPDX-License-Identifier: Apache-2.0
//
// The end of a device's turn: what others wait for afterwards, and what becomes of a turn without an end.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "core/attachment_state.hpp"
#include "core/device_fence.hpp"
#include "core/runtime_state.hpp"

namespace causeway::core {
namespace {

/// The end of an access has no deadline of its caller's. Where a fence can go nowhere, the CPU waits for it,
/// but not for ever.
constexpr std::chrono::seconds kEndPatience{10};

}  // namespace

AttachmentState::Signals AttachmentState::take_signals(Turn turn, std::span<const Fence> given) {
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
    auto state = fence.state();
    if (auto* other = dynamic_cast<DeviceFence*>(state.get());
        other != nullptr && other->owner() != &device_state()) {
      // Its handle is another backend's; this one would take it for its own.
      if (auto travelling = other->travelling()) {
        state = std::move(*travelling);
      } else {
        if (auto waited = wait_here(*state, Deadline::in(kEndPatience)); !waited) {
          failure = std::move(waited);
        }
        continue;
      }
    }
    auto loan = services.lend(state, lent[signals.size()]);
    if (!loan) {  // no descriptor is left for it: nobody shall miss it, so this thread waits
      if (auto waited = wait_here(*state, Deadline::in(kEndPatience)); !waited) {
        failure = std::move(waited);
      }
      continue;
    }
    loans.push_back(std::move(*loan));
    signals.push_back(std::move(state));
  }
  Made made;
  if (auto ended = end_on_device(turn, std::span(lent).first(signals.size()), made); !ended) {
    return {.fences = std::move(signals), .told = false, .status = std::move(ended)};
  }
  return take_made(made, std::move(signals), std::move(failure));
}

Status AttachmentState::end_on_device(Turn turn, std::span<const cw_fence> given, Made& made) {
  made.fences.fill(plugin::sized<cw_fence>());
  auto end = plugin::sized<cw_access_end>();
  end.access = turn.access;
  end.signal_capacity = CW_MAX_SIGNALS;
  end.signals = made.fences.data();
  end.given_count = static_cast<std::uint32_t>(given.size());
  end.given = given.empty() ? nullptr : given.data();
  auto ended = device_state().call([&](const cw_backend& table, cw_device* self, cw_error* error) {
    return table.end_access(self, handle_, &end, error);
  });
  made.count = ended ? std::min<std::size_t>(end.signal_count, CW_MAX_SIGNALS) : 0;
  made.given_included = end.given_included != 0;
  return ended;
}

AttachmentState::Signals AttachmentState::take_made(const Made& made, FenceRefs signals, Status failure) {
  if (made.count != 0 && made.given_included) {
    signals.clear();  // the backend knows the whole of it
  }
  for (std::size_t i = 0; i < made.count; ++i) {
    auto fence = fence_from_device(device_.state(), made.fences.at(i));
    if (fence) {
      signals.push_back(std::move(*fence));
    } else if (failure) {
      failure = std::move(fence.error());
    }
  }
  // A fence that the device has just made is not asked for yet.
  signals.erase(std::remove_if(signals.begin(), signals.end(),
                               [](const auto& fence) {
                                 if (fence->owner() != nullptr) {
                                   return false;
                                 }
                                 const auto outcome = fence->outcome();
                                 return outcome && outcome->error == 0;
                               }),
                signals.end());
  return {.fences = std::move(signals), .told = true, .status = std::move(failure)};
}

bool AttachmentState::ends_plainly() const noexcept {
  return !works_.load(std::memory_order_acquire) && !bracketed() &&
         (sync_ == ImplicitSync::Off || through_cpu() || has(Capability::ImplicitFences) ||
          has(Capability::ProducesOnly));
}

void AttachmentState::end_plainly(Usage usage) noexcept {
  for (BufferState* buffer : frame_->in_order()) {
    if (writes(usage)) {
      buffer->fences().note_written(0);
    } else {
      buffer->fences().unreserve(CW_MAX_SIGNALS);
    }
  }
  frame_->release_turns(usage, TurnsOf::Devices);
}

Result<FenceRefs> AttachmentState::end_access(Turn turn, std::span<const Fence> given) {
  if (!given.empty()) {
    return finish_access(turn.usage, take_signals(turn, given));
  }
  Made made;
  auto ended = end_on_device(turn, {}, made);
  if (!ended) {
    return finish_access(turn.usage, {.fences = {}, .told = false, .status = std::move(ended)});
  }
  if (made.count == 0 && ends_plainly()) {
    end_plainly(turn.usage);
    return FenceRefs();
  }
  return finish_access(turn.usage, take_made(made, {}, {}));
}

Result<FenceRefs> AttachmentState::finish_access(Usage usage, Signals signals) {
  Status result = std::move(signals.status);
  if (auto finished = finish_memory(usage, signals.fences); !finished && result) {
    result = std::move(finished);
  }
  // Where the backend has not said what became of the work, everybody waits for what there is, but that it
  // succeeds does not make what was written reliable.
  const auto as = !signals.told ? FenceUsage::Kernel : writes(usage) ? FenceUsage::Write : FenceUsage::Read;
  if (auto published = publish(usage, as, signals.fences); !published && result) {
    result = std::move(published);
  }
  if (writes(usage) && !signals.told) {  // the backend's word is missing on what became of the write
    for (BufferState* buffer : frame_->in_order()) {
      buffer->fences().note_written(result.error().system_errno() != 0 ? result.error().system_errno() : EIO);
    }
  }
  warn_of_missing_fences(signals.fences);
  keep_work(signals.fences);
  if (signals.told || device_state().wait_until_stopped(Deadline::now())) {
    frame_->release_turns(usage, TurnsOf::Devices);
  } else {
    keep_turn_until_idle(usage);
  }
  if (!result) {
    return std::move(result.error());
  }
  return std::move(signals.fences);
}

void AttachmentState::keep_turn_until_idle(Usage usage) {
  lost_.store(true, std::memory_order_release);
  for (BufferState* buffer : frame_->in_order()) {
    buffer->lose(device_.state(), usage);  // whoever comes next may end the turn: nothing of it comes later
  }
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
    std::size_t slots = CW_MAX_SIGNALS;  // that the begin has reserved
    for (const auto& fence : signals) {
      if (slots > 0 || buffer->fences().reserve(1)) {
        slots -= slots > 0 ? 1 : 0;
        buffer->fences().add(fence, as);
      } else if (auto waited = wait_here(*fence, Deadline::in(kEndPatience)); !waited && first) {
        first = std::move(waited);
      }
      if (sync_ == ImplicitSync::Auto && buffer->shares_kernel_fences()) {
        auto handed = buffer->hand_to_kernel(*fence, usage, Deadline::in(kEndPatience));
        if (!handed && first) {
          first = std::move(handed);
        }
      }
    }
    if (writes(usage)) {
      buffer->fences().restock_turn_room(CW_MAX_SIGNALS - slots);
    } else {
      buffer->fences().unreserve(slots);
    }
  }
  return first;
}

void AttachmentState::lose_access(Turn turn) noexcept {
  const Usage usage = turn.usage;
  const auto& device = device_.state();
  const auto stopped = device->wait_until_stopped(Deadline::now());
  auto signals = take_signals(turn, {});
  Status ended = std::move(signals.status);
  if (auto finished = finish_memory(usage, signals.fences); !finished && ended) {
    ended = std::move(finished);
  }
  // Everybody waits for it, but that it succeeds does not make what it wrote reliable.
  if (auto published = publish(usage, FenceUsage::Kernel, signals.fences); !published && ended) {
    ended = std::move(published);
  }
  keep_work(signals.fences);
  device->runtime()->log(
      LogLevel::Error,
      fmt::format("an access of {} was dropped without its end{}{}", device_.name(),
                  stopped ? "" : "; its buffers are lost until the device is idle",
                  ended ? std::string() : "; it could not be ended: " + ended.error().message()));
  if (!stopped) {
    keep_turn_until_idle(usage);
    return;
  }
  if (writes(usage)) {
    for (BufferState* buffer : frame_->in_order()) {
      buffer->fences().note_written(ECANCELED);
    }
  }
  frame_->release_turns(usage, TurnsOf::Devices);
}

void AttachmentState::keep_work(const FenceRefs& left) {
  if (left.empty() && !works_.load(std::memory_order_acquire)) {
    return;
  }
  const std::lock_guard lock(work_mutex_);
  // Those of the device's own timeline take each other's places; others are asked whether they are done.
  work_.erase(
      std::remove_if(work_.begin(), work_.end(),
                     [](const auto& fence) { return fence->owner() == nullptr && !fence->pending(); }),
      work_.end());
  for (const auto& fence : left) {
    add_wait(work_, fence);
  }
  works_.store(!work_.empty(), std::memory_order_release);
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
