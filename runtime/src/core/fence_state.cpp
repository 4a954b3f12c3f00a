// SPDX-License-Identifier: Apache-2.0
#include "core/fence_state.hpp"

#include <algorithm>

#include "core/runtime_state.hpp"

namespace causeway::core {

std::uint64_t next_fence_context() noexcept {
  static std::atomic<std::uint64_t> context{1};
  return context.fetch_add(1, std::memory_order_relaxed);
}

FenceState::FenceState(std::shared_ptr<RuntimeState> runtime, FenceKind kind, Place place,
                       Producer producer) noexcept
    : runtime_(std::move(runtime)), kind_(kind), place_(place), producer_(producer) {}

FenceState::~FenceState() = default;

FenceOutcome FenceState::known_outcome() const {
  const std::lock_guard lock(mutex_);
  return outcome_;
}

std::optional<FenceOutcome> FenceState::outcome() {
  if (!settled_.load(std::memory_order_acquire)) {
    if (!runtime_->in_own_process()) {
      return {};  // whom to ask serves the parent
    }
    auto asked = ask(Deadline::now());
    if (!asked || !*asked) {
      return {};  // who could not look (no memory, say) has not seen it end; settle() tells the failure
    }
    record(**asked);
  }
  return known_outcome();
}

Result<bool> FenceState::settle_quietly(Deadline deadline) {
  if (!settled_.load(std::memory_order_acquire)) {
    if (auto here = runtime_->check_process("Fence::wait"); !here) {
      return std::move(here.error());
    }
    auto asked = ask(deadline);
    if (!asked) {
      return std::move(asked.error());
    }
    if (!*asked) {
      return false;
    }
    record(**asked);
  }
  return true;
}

Result<bool> FenceState::settle(Deadline deadline) {
  auto settled = settle_quietly(deadline);
  if (settled && *settled && dispatched()) {
    run_callbacks();
  }
  return settled;
}

Result<bool> FenceState::settle_counted(Deadline deadline) {
  if (pending()) {
    runtime_->tally().add_cpu_wait();
  }
  return settle(deadline);
}

Result<UniqueFd> FenceState::dup_event() {
  return Error(Errc::Unsupported, "Fence::dup_event",
               "only an event of a program has such a descriptor; this fence crosses to other processes as a "
               "sync_file (dup_sync_file)");
}

bool FenceState::record(FenceOutcome outcome) {
  const std::lock_guard lock(mutex_);
  if (settled_.load(std::memory_order_relaxed)) {
    return false;
  }
  outcome_ = outcome;
  settled_.store(true, std::memory_order_release);
  return true;
}

void FenceState::run_callbacks() {
  std::vector<std::pair<Fence::CallbackId, Fence::Callback>> due;
  int error = 0;
  {
    const std::lock_guard lock(mutex_);
    due.swap(callbacks_);
    error = outcome_.error;
  }
  for (const auto& [id, callback] : due) {
    callback(error);
  }
}

std::optional<Fence::CallbackId> FenceState::add_callback(Fence::Callback callback) {
  if (!pending()) {
    return {};
  }
  Fence::CallbackId id = 0;
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (settled_.load(std::memory_order_relaxed)) {
      return {};
    }
    first = callbacks_.empty();
    id = next_callback_++;
    callbacks_.emplace_back(id, std::move(callback));
  }
  if (first && dispatched()) {
    runtime_->dispatcher().add(shared_from_this());
  }
  return id;
}

bool FenceState::remove_callback(Fence::CallbackId id) {
  Fence::Callback removed;  // destroyed after the lock is given back: it may own anything
  const std::lock_guard lock(mutex_);
  const auto place = std::find_if(callbacks_.begin(), callbacks_.end(),
                                  [id](const auto& entry) { return entry.first == id; });
  if (place == callbacks_.end()) {
    return false;
  }
  removed = std::move(place->second);
  callbacks_.erase(place);
  return true;
}

bool FenceState::dispatch() {
  if (!outcome()) {
    return false;
  }
  run_callbacks();
  return true;
}

Error fence_failure(int system_errno) {
  const char* what = system_errno == EOWNERDEAD ? "whoever was to signal this fence is gone"
                     : system_errno == ECANCELED
                         ? "the work behind this fence was given up before it was done"
                         : "the work behind this fence failed; what it was to write cannot be relied upon";
  return Error(Errc::Io, "Fence::wait", what, system_errno);
}

}  // namespace causeway::core
