// SPDX-License-Identifier: Apache-2.0
#include "core/buffer_registry.hpp"

#include "core/buffer_state.hpp"

namespace causeway::core {

void BufferRegistry::add(const std::shared_ptr<BufferState>& buffer) {
  const std::lock_guard lock(mutex_);
  by_serial_.emplace(buffer->serial(), Entry{.buffer = buffer, .self = buffer.get(), .id = {}});
}

bool BufferRegistry::settle(BufferState& buffer, ObjectId id) {
  const std::lock_guard lock(mutex_);
  Entry& entry = by_serial_.at(buffer.serial());
  const auto [place, fresh] = by_id_.try_emplace(id, &entry);
  if (!fresh && place->second != &entry) {
    if (!place->second->buffer.expired()) {
      return false;
    }
    place->second = &entry;  // the other one is in the middle of its destructor
  }
  entry.id = id;
  return true;
}

void BufferRegistry::unsettle(BufferState& buffer) noexcept {
  const std::lock_guard lock(mutex_);
  if (const auto entry = by_serial_.find(buffer.serial()); entry != by_serial_.end()) {
    forget_identity_locked(entry->second);
  }
}

void BufferRegistry::forget(BufferState& buffer) noexcept {
  const std::lock_guard lock(mutex_);
  const auto entry = by_serial_.find(buffer.serial());
  if (entry == by_serial_.end()) {
    return;
  }
  forget_identity_locked(entry->second);
  elided_by_gone_ += buffer.elided();
  by_serial_.erase(entry);
}

std::uint64_t BufferRegistry::elided() const noexcept {
  const std::lock_guard lock(mutex_);
  std::uint64_t all = elided_by_gone_;
  for (const auto& [serial, entry] : by_serial_) {
    all += entry.self->elided();
  }
  return all;
}

void BufferRegistry::forget_identity_locked(Entry& entry) noexcept {
  const auto named = by_id_.find(entry.id);
  if (named != by_id_.end() && named->second == &entry) {
    by_id_.erase(named);
  }
  entry.id = {};
}

std::shared_ptr<BufferState> BufferRegistry::find(ObjectId id) const {
  const std::lock_guard lock(mutex_);
  const auto named = by_id_.find(id);
  // A buffer in the middle of its destructor is found expired: whoever asks gets a new one in its place.
  return named == by_id_.end() ? nullptr : named->second->buffer.lock();
}

void BufferRegistry::remember(BorrowedFd fd, const std::shared_ptr<BufferState>& found) {
  std::weak_ptr<BufferState> former = found;
  Guess& place = place_of(fd);
  if (!place.taken.exchange(true, std::memory_order_acquire)) {
    place.buffer.swap(former);
    place.taken.store(false, std::memory_order_release);
  }
}

std::vector<std::shared_ptr<BufferState>> BufferRegistry::all() const {
  std::vector<std::shared_ptr<BufferState>> living;
  const std::lock_guard lock(mutex_);
  for (const auto& [serial, entry] : by_serial_) {
    if (auto buffer = entry.buffer.lock()) {
      living.push_back(std::move(buffer));
    }
  }
  return living;
}

}  // namespace causeway::core
