// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/dma_buf.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
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
  /// What was last found behind a descriptor of that number, a guess to be checked: numbers are reused. None,
  /// too, while another thread looks at the same place: nobody waits for a guess.
  [[nodiscard]] std::shared_ptr<BufferState> guess(BorrowedFd fd) noexcept {
    Guess& place = place_of(fd);
    if (place.taken.exchange(true, std::memory_order_acquire)) {
      return nullptr;
    }
    auto found = place.buffer.lock();
    place.taken.store(false, std::memory_order_release);
    return found;
  }
  void remember(BorrowedFd fd, const std::shared_ptr<BufferState>& found);
  /// The brackets that all buffers left out, of those that have gone, too.
  [[nodiscard]] std::uint64_t elided() const noexcept;
  /// All that live, oldest first.
  [[nodiscard]] std::vector<std::shared_ptr<BufferState>> all() const;

private:
  struct Entry {
    std::weak_ptr<BufferState> buffer;
    const BufferState* self;  // there until forget()
    ObjectId id;
  };

  void forget_identity_locked(Entry& entry) noexcept;

  struct Hash {
    std::size_t operator()(const ObjectId& id) const noexcept {
      // Inodes of one file system count up; multiplying spreads them.
      return static_cast<std::size_t>((id.inode ^ (id.device << 32)) * 0x9e3779b97f4a7c15U);
    }
  };
  /// More than a few streams have buffers; two descriptors that share a place only cost a longer way.
  static constexpr std::size_t kGuesses = 256;

  mutable std::mutex mutex_;
  std::map<std::uint64_t, Entry> by_serial_;
  std::uint64_t elided_by_gone_ = 0;
  std::unordered_map<ObjectId, Entry*, Hash> by_id_;  // of by_serial_, whose nodes stay where they are
  struct Guess {
    std::atomic<bool> taken{false};  // by who looks at what follows
    std::weak_ptr<BufferState> buffer;
  };
  [[nodiscard]] Guess& place_of(BorrowedFd fd) noexcept {
    return guesses_[static_cast<std::size_t>(fd.get()) % kGuesses];
  }
  std::array<Guess, kGuesses> guesses_;
};

}  // namespace causeway::core
