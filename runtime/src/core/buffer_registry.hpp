// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/dma_buf.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace causeway::core {

class BufferState;

/// The buffers of a runtime: all of them in the order of their making, and the settled ones by identity, so
/// that one memory object is one DmaBuf whatever descriptors it comes by. Holds no buffer alive. Threads:
/// thread-safe.
class BufferRegistry {
public:
  /// A new buffer.
  void add(const std::shared_ptr<BufferState>& buffer);
  /// The buffer, unsettled so far, has storage of this identity from now on; false if another one has it.
  [[nodiscard]] bool settle(BufferState& buffer, ObjectId id);
  /// The buffer's storage is gone, or elsewhere: nothing finds it by identity until it is settled again.
  void unsettle(BufferState& buffer) noexcept;
  /// Called by a buffer's destructor.
  void forget(BufferState& buffer) noexcept;

  [[nodiscard]] std::shared_ptr<BufferState> find(ObjectId id) const;
  /// All that live, oldest first.
  [[nodiscard]] std::vector<std::shared_ptr<BufferState>> all() const;

private:
  struct Entry {
    std::weak_ptr<BufferState> buffer;
    ObjectId id;
  };

  void forget_identity_locked(Entry& entry, std::uint64_t serial) noexcept;

  mutable std::mutex mutex_;
  std::map<std::uint64_t, Entry> by_serial_;
  std::map<ObjectId, std::uint64_t> by_id_;
};

}  // namespace causeway::core
