// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/dma_buf.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

namespace causeway::core {

class BufferState;

/// The buffers of a runtime by identity, so that one memory object is one DmaBuf whatever descriptors it
/// comes by. Holds no buffer alive. Threads: thread-safe.
class BufferRegistry {
public:
  [[nodiscard]] std::shared_ptr<BufferState> find(ObjectId id) const {
    const std::lock_guard lock(mutex_);
    const auto entry = buffers_.find(id);
    return entry == buffers_.end() ? nullptr : entry->second.lock();
  }

  /// The buffer known under id, or the one that make() builds, registered.
  template <class Make>
  [[nodiscard]] std::shared_ptr<BufferState> find_or_add(ObjectId id, Make&& make) {
    const std::lock_guard lock(mutex_);
    auto& entry = buffers_[id];
    auto buffer = entry.lock();
    if (buffer == nullptr) {
      buffer = make();
      entry = buffer;
    }
    return buffer;
  }

  /// Called by a buffer's destructor, which may come after the same object was imported afresh.
  void forget(ObjectId id) noexcept {
    const std::lock_guard lock(mutex_);
    const auto entry = buffers_.find(id);
    if (entry != buffers_.end() && entry->second.expired()) {
      buffers_.erase(entry);
    }
  }

  [[nodiscard]] std::size_t size() const noexcept {
    const std::lock_guard lock(mutex_);
    return buffers_.size();
  }

private:
  mutable std::mutex mutex_;
  std::map<ObjectId, std::weak_ptr<BufferState>> buffers_;
};

}  // namespace causeway::core
