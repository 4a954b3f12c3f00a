// SPDX-License-Identifier: Apache-2.0
#include "core/fence_list.hpp"

#include <causeway/plugin/backend_abi.h>

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

namespace causeway::core {

void add_wait(FenceRefs& waits, std::shared_ptr<FenceState> fence) {
  for (auto& known : waits) {
    if (known->covers(*fence)) {
      return;
    }
    if (fence->covers(*known)) {
      known = std::move(fence);
      return;
    }
  }
  waits.push_back(std::move(fence));
}

Status FenceList::reserve(std::size_t slots) {
  FenceRefs gone;
  const std::lock_guard lock(mutex_);
  if (!reserve_locked(slots, gone)) {
    return Error(Errc::OutOfMemory, "Reservation::reserve",
                 fmt::format("room for {} fences could not be had", slots));
  }
  return {};
}

bool FenceList::reserve_locked(std::size_t slots, FenceRefs& gone) noexcept {
  if (slots > entries_.max_size() - entries_.size() - reserved_) {
    return false;
  }
  if (entries_.size() + reserved_ + slots > entries_.capacity()) {
    prune_locked(gone);
  }
  try {
    entries_.reserve(entries_.size() + reserved_ + slots);
  } catch (const std::bad_alloc&) {
    return false;
  }
  reserved_ += slots;
  return true;
}

Status FenceList::keep_turn_room() {
  if (has_turn_room()) {
    return {};
  }
  auto reserved = reserve(CW_MAX_SIGNALS);
  if (reserved) {
    turn_room_.store(true, std::memory_order_release);
  }
  return reserved;
}

void FenceList::restock_turn_room(std::size_t used) noexcept {
  if (used == 0) {
    return;
  }
  FenceRefs gone;
  const std::lock_guard lock(mutex_);
  if (!reserve_locked(used, gone)) {
    reserved_ -= CW_MAX_SIGNALS - used;
    turn_room_.store(false, std::memory_order_release);
  }
}

void FenceList::unreserve(std::size_t slots) noexcept {
  const std::lock_guard lock(mutex_);
  reserved_ -= slots;
}

void FenceList::add(std::shared_ptr<FenceState> fence, FenceUsage usage) noexcept {
  std::shared_ptr<FenceState> former;  // dropped without the lock, as in prune_locked
  const std::lock_guard lock(mutex_);
  --reserved_;
  // dma_resv_add_fence(): the new one takes a place that is no longer needed. One that it covers is found
  // without asking anybody.
  auto place = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.usage >= usage && fence->covers(*entry.fence);
  });
  if (place == entries_.end()) {
    place = std::find_if(entries_.begin(), entries_.end(),
                         [](const Entry& entry) { return !entry.fence->pending(); });
    if (place != entries_.end()) {
      retire_locked(*place);
    }
  }
  if (place != entries_.end()) {
    former = std::exchange(place->fence, std::move(fence));
    place->usage = usage;
    return;
  }
  entries_.push_back({std::move(fence), usage});  // within the capacity that was reserved
  count_.store(entries_.size(), std::memory_order_release);
}

void FenceList::retire_locked(const Entry& entry) noexcept {
  if (entry.usage != FenceUsage::Write) {
    return;
  }
  if (const auto outcome = entry.fence->outcome()) {
    content_error_.store(outcome->error, std::memory_order_relaxed);
  }
}

void FenceList::prune_locked(FenceRefs& gone, const DeviceState* asking) noexcept {
  const auto done = [&](const Entry& entry) {
    const bool own = asking != nullptr && entry.fence->owner() == asking;
    return !own && !entry.fence->pending();
  };
  std::size_t kept = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (done(entries_[i])) {
      try {
        gone.push_back(entries_[i].fence);
        retire_locked(entries_[i]);
        continue;
      } catch (const std::bad_alloc&) {  // it stays until the next time
      }
    }
    if (kept != i) {
      entries_[kept] = std::move(entries_[i]);
    }
    ++kept;
  }
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(kept), entries_.end());
  count_.store(kept, std::memory_order_release);
}

void FenceList::collect(FenceUsage usage, FenceRefs& waits, const DeviceState* asking) {
  if (count_.load(std::memory_order_acquire) == 0) {
    return;
  }
  FenceRefs gone;
  const std::lock_guard lock(mutex_);
  prune_locked(gone, asking);
  for (const auto& entry : entries_) {
    if (entry.usage <= usage) {
      add_wait(waits, entry.fence);
    }
  }
}

bool FenceList::quiet() noexcept {
  if (empty()) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  return std::all_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
    return entry.fence->known_done() || (entry.fence->owner() == nullptr && !entry.fence->pending());
  });
}

std::vector<FenceList::Entry> FenceList::snapshot(FenceUsage usage) {
  std::vector<Entry> found;
  FenceRefs gone;
  // Locked even if it looks empty: who hands the descriptor out and who adds a fence must see one another.
  const std::lock_guard lock(mutex_);
  prune_locked(gone);
  std::copy_if(entries_.begin(), entries_.end(), std::back_inserter(found),
               [usage](const Entry& entry) { return entry.usage <= usage; });
  return found;
}

}  // namespace causeway::core
