// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/reservation.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "core/fence_state.hpp"

namespace causeway::core {

using FenceRefs = std::vector<std::shared_ptr<FenceState>>;

/// Adds a fence to a list of things to wait for, unless one there covers it; those that it covers go.
void add_wait(FenceRefs& waits, std::shared_ptr<FenceState> fence);

/// The fences of a reservation that this process knows of: struct dma_resv_list.
/// Threads: thread-safe.
class FenceList {
public:
  struct Entry {
    std::shared_ptr<FenceState> fence;
    FenceUsage usage;
  };

  /// Room for more fences, to be used by add or given back by unreserve. Errors: OutOfMemory.
  [[nodiscard]] Status reserve(std::size_t slots);
  void unreserve(std::size_t slots) noexcept;
  /// Room for the fences of one turn (CW_MAX_SIGNALS), kept from turn to turn for who is the only writer, so
  /// that having it costs a load. Errors: OutOfMemory.
  [[nodiscard]] bool has_turn_room() const noexcept { return turn_room_.load(std::memory_order_acquire); }
  [[nodiscard]] Status keep_turn_room();
  /// The writer's turn has added so many fences to that room: it is made up again, or else kept no more.
  void restock_turn_room(std::size_t used) noexcept;
  /// Uses up one reserved slot; cannot fail.
  void add(std::shared_ptr<FenceState> fence, FenceUsage usage) noexcept;

  /// Adds to waits what is pending under usage and those before it, and forgets what has signalled. Fences of
  /// the device that asks are not looked at: its work comes after them in any case.
  void collect(FenceUsage usage, FenceRefs& waits, const DeviceState* asking = nullptr);
  /// The pending ones, oldest first.
  [[nodiscard]] std::vector<Entry> snapshot(FenceUsage usage);
  /// Whether no fence is here, be it one that has signalled unnoticed: one load.
  [[nodiscard]] bool empty() const noexcept { return count_.load(std::memory_order_acquire) == 0; }
  /// Whether none is pending. A device's own fence that is not known to have signalled counts as pending:
  /// asking for it may cost a submission.
  [[nodiscard]] bool quiet() noexcept;
  void prune() { static_cast<void>(snapshot(FenceUsage::Kernel)); }

  /// The errno of the last writer's fence if that failed: what the memory holds cannot be relied upon. 0 once
  /// somebody has written without a failure.
  [[nodiscard]] int content_error() const noexcept { return content_error_.load(std::memory_order_relaxed); }

  /// Somebody wrote without a fence, or with error failed to.
  void note_written(int error) noexcept { content_error_.store(error, std::memory_order_relaxed); }

private:
  /// Moves what has signalled to gone, for the caller to drop without the lock: with a fence may go the last
  /// reference to its device, or an event whose callbacks run then.
  void prune_locked(FenceRefs& gone, const DeviceState* asking = nullptr) noexcept;
  [[nodiscard]] bool reserve_locked(std::size_t slots, FenceRefs& gone) noexcept;
  void retire_locked(const Entry& entry) noexcept;

  std::mutex mutex_;  // guards what follows
  std::vector<Entry> entries_;
  std::size_t reserved_ = 0;
  std::atomic<bool> turn_room_{false};  // CW_MAX_SIGNALS of them are the writer's
  std::atomic<std::size_t> count_{0};   // of entries_, so that an empty list costs a load
  std::atomic<int> content_error_{0};
};

}  // namespace causeway::core
