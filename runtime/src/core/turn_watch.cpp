// SPDX-License-Identifier: Apache-2.0
#include "core/turn_watch.hpp"

#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "uapi/membarrier.hpp"

namespace causeway::core {
namespace {

/// Guards the list, and each entry's fields. A leaf: nothing is called under it.
constinit std::mutex books;
constinit TurnWatch::Entry* first = nullptr;

}  // namespace

constinit std::atomic<std::uint32_t> TurnWatch::attention_{0};

void TurnWatch::set_up() noexcept {
  static const bool done = [] {
    rely_on_membarrier(uapi::register_membarrier());
    return true;
  }();
  static_cast<void>(done);
}

void TurnWatch::rely_on_membarrier(bool there) noexcept {
  if (there) {
    attention_.fetch_and(~kNoMembarrier, std::memory_order_seq_cst);
  } else {
    attention_.fetch_or(kNoMembarrier, std::memory_order_seq_cst);
  }
}

Status TurnWatch::leave(Entry& entry, std::shared_ptr<const void> kept, const AccessState& turns,
                        TurnsOf whose) noexcept {
  {
    const std::lock_guard lock(books);
    if (entry.kept_ != nullptr) {
      return {};  // whoever left it looks, or the turn's end does; kept goes after the lock
    }
    entry.kept_ = std::move(kept);
    entry.turns_ = &turns;
    entry.whose_ = whose;
    entry.next_ = std::exchange(first, &entry);
    attention_.fetch_add(1, std::memory_order_seq_cst);
  }
  pass_barrier();
  return look_closely(&turns);
}

void TurnWatch::pass_barrier() noexcept {
  if ((attention_.load(std::memory_order_relaxed) & kNoMembarrier) != 0 || uapi::membarrier()) {
    return;
  }
  // A filter of system calls came after the registration. From now on turns' ends look closely; those that
  // have just looked the fast way have their store done long before this thread goes on.
  attention_.fetch_or(kNoMembarrier, std::memory_order_seq_cst);
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

Status TurnWatch::look_closely(const AccessState* turns) noexcept {
  // A read-modify-write, which orders the turn's end before it against who leaves something.
  if ((attention_.fetch_add(0, std::memory_order_seq_cst) & ~kNoMembarrier) == 0) {
    return {};
  }
  Status result;
  std::shared_ptr<const void> kept;
  while (Entry* due = take_due(turns, kept)) {
    if (auto done = due->act(); !done && result) {
      result = std::move(done);
    }
    kept.reset();
  }
  return result;
}

TurnWatch::Entry* TurnWatch::take_due(const AccessState* turns, std::shared_ptr<const void>& kept) noexcept {
  const std::lock_guard lock(books);
  for (Entry** place = &first; *place != nullptr; place = &(*place)->next_) {
    Entry* entry = *place;
    if (entry->turns_ == turns && !entry->turns_->open(entry->whose_)) {
      *place = std::exchange(entry->next_, nullptr);
      kept = std::move(entry->kept_);
      attention_.fetch_sub(1, std::memory_order_relaxed);
      return entry;
    }
  }
  return nullptr;
}

void TurnWatch::lock_for_fork() noexcept {
  books.lock();
}

void TurnWatch::unlock_after_fork() noexcept {
  books.unlock();
}

}  // namespace causeway::core
