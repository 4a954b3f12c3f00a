// SPDX-License-Identifier: Apache-2.0
//
// A buffer and the fences on it: waiting for them, handing them to the kernel, and what is put off until they
// have signalled.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <new>
#include <utility>

#include "core/buffer_state.hpp"
#include "core/device_state.hpp"
#include "core/runtime_state.hpp"
#include "core/sync_file_state.hpp"
#include "uapi/dma_buf.hpp"
#include "uapi/sync_file.hpp"

namespace causeway::core {
namespace {

Error still_used(const BufferState& buffer, Usage usage) {
  return Error(Errc::TimedOut, "begin_access",
               fmt::format("a device still {} buffer \"{}\" at the deadline",
                           writes(usage) ? "uses" : "writes to", buffer.name()));
}

}  // namespace

Result<bool> BufferState::poll_kernel(Usage usage, Deadline deadline) const {
  if (!backing().is_dma_buf) {
    return true;  // shared memory has no fences of the kernel
  }
  // POLLIN: the writers are done; POLLOUT: everybody is (dma-buf.rst, "Implicit Fence Poll Support").
  const short event = writes(usage) ? POLLOUT : POLLIN;
  return runtime_->kernel().poll(backing().fd, event, deadline);
}

Status BufferState::wait_for_kernel(Usage usage, Deadline deadline) {
  auto ready = poll_kernel(usage, Deadline::now());
  if (ready && !*ready) {
    runtime_->tally().add_cpu_wait();
    ready = poll_kernel(usage, deadline);
  }
  if (!ready) {
    return std::move(ready.error());
  }
  return *ready ? Status() : still_used(*this, usage);
}

Result<bool> BufferState::fences_done(Usage usage) {
  if (!settled()) {
    return true;  // nobody can have worked on storage that is not there
  }
  FenceRefs waits;
  fences_.collect(waits_for(usage), waits);
  if (!waits.empty()) {
    return false;
  }
  return poll_kernel(usage, Deadline::now());
}

Status BufferState::wait_for_fences(Usage usage, Deadline deadline) {
  if (fences_.empty()) {
    return {};
  }
  FenceRefs waits;
  fences_.collect(waits_for(usage), waits);
  for (const auto& fence : waits) {
    auto done = fence->settle_counted(deadline);
    if (!done) {
      return std::move(done.error());
    }
    if (!*done) {
      return still_used(*this, usage);
    }
  }
  fences_.prune();
  return {};
}

Status BufferState::check_content() const {
  const int error = fences_.content_error();
  if (error == 0) {
    return {};
  }
  return Error(Errc::Io, "begin_access",
               fmt::format("the last writer of buffer \"{}\" failed, so that what it holds cannot be relied "
                           "upon; write it anew before it is read",
                           name_),
               error);
}

Status BufferState::hand_to_kernel(FenceState& fence, Usage usage, Deadline deadline) {
  if (!fence.pending()) {
    return {};
  }
  if (runtime_->kernel_takes_fences().load(std::memory_order_relaxed)) {
    auto sync_file = fence.dup_sync_file();
    if (sync_file) {
      auto imported = uapi::import_sync_file(runtime_->kernel(), backing().fd, sync_file->borrow(), usage);
      if (imported) {
        return imported;
      }
      if (imported.error().code() == Errc::Unsupported) {
        runtime_->kernel_takes_fences().store(false, std::memory_order_relaxed);
      }
    }
  }
  auto done = fence.settle_counted(deadline);
  if (!done) {
    return std::move(done.error());
  }
  return *done ? Status() : still_used(*this, usage);
}

Status BufferState::hand_fences_to_kernel(Deadline deadline) {
  for (const auto& [fence, usage] : fences_.snapshot(FenceUsage::Read)) {
    const auto as = usage == FenceUsage::Read ? Usage::Read : Usage::Write;
    const bool waited_for = !backing().is_dma_buf;
    auto handed = waited_for ? wait_for_fences(Usage::Write, deadline) : hand_to_kernel(*fence, as, deadline);
    if (!handed) {
      return Error(
          Errc::Busy, "DmaBuf::fd",
          fmt::format("a fence on buffer \"{}\" is pending that {}, and who gets the descriptor would "
                      "not wait for it; give a deadline, or wait for the reservation first",
                      name_, waited_for ? "shared memory cannot carry" : "the kernel cannot carry"));
    }
  }
  if (auto paid = pay_before_leaving(deadline); !paid) {
    return std::move(paid.error()).within("before the descriptor is given out");
  }
  return {};
}

Status BufferState::expect_debt() {
  const std::lock_guard lock(mutex_);
  try {
    debts_.reserve(debts_.size() + expected_debts_ + 1);
  } catch (const std::bad_alloc&) {
    return Error(Errc::OutOfMemory, "begin_access", "room for what its end may owe could not be had");
  }
  ++expected_debts_;
  return {};
}

void BufferState::owe_end(Usage usage, FenceRefs until) noexcept {
  const std::lock_guard lock(mutex_);
  --expected_debts_;
  if (!until.empty()) {
    debts_.push_back({usage, std::move(until)});  // within what expect_debt() reserved
    debts_there_.store(debts_.size(), std::memory_order_release);
    runtime_->tally().add_sync_owed();
  }
}

Status BufferState::pay_debts() {
  if (debts_there_.load(std::memory_order_acquire) == 0) {
    return {};
  }
  // One at a time: whoever finds a debt gone relies on its END having been issued.
  const std::lock_guard paying(paying_mutex_);
  Status first;
  for (std::size_t i = 0;;) {
    Usage usage{};
    {
      const std::lock_guard lock(mutex_);
      const auto due =
          std::find_if(debts_.begin() + static_cast<std::ptrdiff_t>(i), debts_.end(), [](const Debt& debt) {
            return std::none_of(debt.until.begin(), debt.until.end(),
                                [](const auto& fence) { return fence->pending(); });
          });
      if (due == debts_.end()) {
        return first;
      }
      i = static_cast<std::size_t>(due - debts_.begin());
      usage = due->usage;
    }
    if (auto ended = end_cpu(usage); !ended) {
      ++i;  // it is owed still
      if (first) {
        first = std::move(ended);
      }
      continue;
    }
    runtime_->tally().add_sync_paid();
    Debt paid;  // its fences are dropped without the lock
    const std::lock_guard lock(mutex_);
    paid = std::move(debts_[i]);  // others only add behind it
    debts_.erase(debts_.begin() + static_cast<std::ptrdiff_t>(i));
    debts_there_.store(debts_.size(), std::memory_order_release);
  }
}

Status BufferState::pay_before_leaving(Deadline deadline) {
  if (auto paid = pay_all_debts(deadline); !paid) {
    return paid;
  }
  return access_.idle() ? pay_bracket() : Status();
}

Status BufferState::pay_all_debts(Deadline deadline) {
  if (debts_there_.load(std::memory_order_acquire) == 0) {
    return {};
  }
  FenceRefs waits;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& debt : debts_) {
      waits.insert(waits.end(), debt.until.begin(), debt.until.end());
    }
  }
  for (const auto& fence : waits) {
    auto done = fence->settle_counted(deadline);
    if (!done) {
      return std::move(done.error());
    }
    if (!*done) {
      return still_used(*this, Usage::Write);
    }
  }
  return pay_debts();
}

void BufferState::settle_debts_at_end() noexcept {
  // Nobody can look at the memory any more through this object, and no attachment is left: the brackets are
  // closed so that the kernel's books are even.
  if (runtime_->in_own_process()) {
    if (auto ended = pay_bracket(); !ended) {
      runtime_->log(LogLevel::Error, ended.error().message());
    }
  }
  for (const auto& debt : debts_) {
    if (!runtime_->in_own_process()) {
      break;  // they are the parent's
    }
    if (auto ended = end_cpu(debt.usage); ended) {
      runtime_->tally().add_sync_paid();
    } else {
      runtime_->log(LogLevel::Error, ended.error().message());
    }
  }
  debts_.clear();
}

void BufferState::lose(std::shared_ptr<DeviceState> device, Usage usage) {
  const std::lock_guard lock(mutex_);
  lost_.push_back({std::move(device), usage});
}

Status BufferState::recover_lost(Deadline deadline) {
  std::vector<LostTurn> lost;
  {
    const std::lock_guard lock(mutex_);
    lost.swap(lost_);
  }
  Status failure;
  std::vector<LostTurn> left;
  for (auto& turn : lost) {
    if (auto stopped = turn.device->wait_until_stopped(deadline); !stopped) {
      failure =
          Error(Errc::DeviceLost, "begin_access",
                fmt::format("an access of {} to buffer \"{}\" was dropped without its end, and the device "
                            "is not known to be idle: {}",
                            turn.device->info().name, name_, stopped.error().message()));
      left.push_back(std::move(turn));
      continue;
    }
    if (writes(turn.usage)) {
      fences_.note_written(ECANCELED);
    }
    release_turn(turn.usage, TurnsOf::Devices);
  }
  const std::lock_guard lock(mutex_);
  lost_.insert(lost_.end(), std::make_move_iterator(left.begin()), std::make_move_iterator(left.end()));
  return failure;
}

}  // namespace causeway::core
