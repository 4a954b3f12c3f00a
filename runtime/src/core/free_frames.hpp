// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace causeway::core {

/// Which frames of a pool are free: a bit each, taken and given by one compare-and-swap. The same words tell
/// whether somebody waits, and, once the pool has no handle any more, when its last frame is back, so that a
/// frame on loan keeps its pool alive without a reference count.
///
/// Threads: thread-safe.
class FreeFrames {
public:
  /// All are free.
  explicit FreeFrames(std::uint32_t count)
      : words_(count == 0 ? 1 : (count + kFramesOfWord - 1) / kFramesOfWord),
        more_(words_ == 1 ? nullptr : new std::atomic<std::uint64_t>[words_]),
        free_(words_ == 1 ? &one_ : more_.get()),
        open_words_(words_),
        count_(count) {
    for (std::uint32_t w = 0; w < words_; ++w) {
      free_[w].store(frames_of(w), std::memory_order_relaxed);
    }
  }

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  /// The next one in turn, if it is free, suits(frame), and nobody else takes one at this moment; else kNone,
  /// which says nothing. For the pools that most are: of one word.
  template <class Suits>
  [[nodiscard]] std::uint32_t take_next(Suits&& suits) noexcept {
    std::uint64_t seen = one_.load(std::memory_order_relaxed);
    const std::uint64_t free = seen & kFrames;
    if (free == 0) {
      return kNone;
    }
    const std::uint64_t ahead = free & (~std::uint64_t{0} << next_.load(std::memory_order_relaxed));
    const std::uint64_t left = ahead != 0 ? ahead : free;
    const auto frame = static_cast<std::uint32_t>(std::countr_zero(left));
    if (!suits(frame) ||
        !one_.compare_exchange_strong(seen, seen & ~(std::uint64_t{1} << frame), std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
      return kNone;
    }
    next_.store(frame + 1 == count_ ? 0 : frame + 1, std::memory_order_relaxed);
    return frame;
  }

  /// A free frame that suits(frame), the one after the last taken first, so that they are taken in turn; none
  /// if no free one suits.
  template <class Suits>
  [[nodiscard]] std::optional<std::uint32_t> take(Suits&& suits) noexcept {
    const std::uint32_t start = next_.load(std::memory_order_relaxed);
    std::uint32_t w = words_ == 1 ? 0 : start / kFramesOfWord;
    std::uint32_t from = start - w * kFramesOfWord;
    // The first word is looked at twice, as there may be free ones before the start, too.
    for (std::uint32_t looks = 0; looks <= words_; ++looks) {
      const std::uint32_t frame = take_from(w, from, suits);
      if (frame != kNone) {
        next_.store(frame + 1 == count_ ? 0 : frame + 1, std::memory_order_relaxed);
        return frame;
      }
      from = 0;
      w = w + 1 == words_ ? 0 : w + 1;
    }
    return {};
  }

  enum class Given : std::uint8_t {
    Back,     ///< it is free again
    Awaited,  ///< not done: somebody waits for it, and has to be woken; see give_to_waiter
    Last,     ///< all are back and the pool is closed: the caller destroys it
  };
  /// Nothing here may be touched after Back, unless the caller keeps the pool alive by other means.
  [[nodiscard]] Given give(std::uint32_t frame) noexcept {
    const std::uint32_t w = words_ == 1 ? 0 : frame / kFramesOfWord;
    const std::uint64_t bit = std::uint64_t{1} << (frame - w * kFramesOfWord);
    const std::uint64_t all = frames_of(w);  // later there may be no pool to ask
    std::uint64_t seen = free_[w].load(std::memory_order_relaxed);
    do {
      if ((seen & kAwaited) != 0) {
        return Given::Awaited;
      }
    } while (!free_[w].compare_exchange_weak(seen, seen | bit, std::memory_order_acq_rel,
                                             std::memory_order_relaxed));
    const bool done = (seen & kClosed) != 0 && ((seen | bit) & kFrames) == all;
    return done && word_is_done() ? Given::Last : Given::Back;
  }

  /// Announces that somebody waits, or that nobody does any more. While it is announced a pool is not closed,
  /// since who waits has a handle. The caller's lock orders these three.
  void await() noexcept {
    for (std::uint32_t w = 0; w < words_; ++w) {
      free_[w].fetch_or(kAwaited, std::memory_order_acq_rel);
    }
  }
  void await_no_more() noexcept {
    for (std::uint32_t w = 0; w < words_; ++w) {
      free_[w].fetch_and(~kAwaited, std::memory_order_acq_rel);
    }
  }
  void give_to_waiter(std::uint32_t frame) noexcept {
    free_[frame / kFramesOfWord].fetch_or(std::uint64_t{1} << (frame % kFramesOfWord),
                                          std::memory_order_acq_rel);
  }

  /// Nobody can take any more. True if all frames are back: then the caller destroys the pool; else it is who
  /// gives the last one back.
  [[nodiscard]] bool close() noexcept {
    const std::uint32_t words = words_;
    bool last = false;
    for (std::uint32_t w = 0; w < words; ++w) {  // before the last word is closed the pool cannot be gone
      const std::uint64_t all = frames_of(w);
      const std::uint64_t seen = free_[w].fetch_or(kClosed, std::memory_order_acq_rel);
      last = (seen & kFrames) == all && word_is_done();
    }
    return last;
  }

private:
  static constexpr std::uint32_t kFramesOfWord = 62;
  static constexpr std::uint64_t kAwaited = std::uint64_t{1} << 62;
  static constexpr std::uint64_t kClosed = std::uint64_t{1} << 63;
  static constexpr std::uint64_t kFrames = kAwaited - 1;

  [[nodiscard]] std::uint64_t frames_of(std::uint32_t w) const noexcept {
    const std::uint32_t left = count_ - w * kFramesOfWord;
    return left >= kFramesOfWord ? kFrames : (std::uint64_t{1} << left) - 1;
  }

  template <class Suits>
  [[nodiscard]] std::uint32_t take_from(std::uint32_t w, std::uint32_t from, Suits& suits) noexcept {
    std::uint64_t seen = free_[w].load(std::memory_order_relaxed);
    std::uint64_t left = seen & kFrames & (~std::uint64_t{0} << from);
    while (left != 0) {
      const auto place = static_cast<std::uint32_t>(std::countr_zero(left));
      const std::uint64_t bit = std::uint64_t{1} << place;
      const std::uint32_t frame = w * kFramesOfWord + place;
      if (!suits(frame)) {
        left &= ~bit;
        continue;
      }
      if (free_[w].compare_exchange_weak(seen, seen & ~bit, std::memory_order_acq_rel,
                                         std::memory_order_relaxed)) {
        return frame;
      }
      left &= seen;  // what others took meanwhile; what they gave is for the next look
    }
    return kNone;
  }

  /// For the one who has seen a closed word full: whether it was the last one.
  [[nodiscard]] bool word_is_done() noexcept {
    return open_words_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

  const std::uint32_t words_;
  std::atomic<std::uint64_t> one_{0};  // the word, where one is enough; else no frame is free here
  const std::unique_ptr<std::atomic<std::uint64_t>[]> more_;
  std::atomic<std::uint64_t>* const free_;
  std::atomic<std::uint32_t> open_words_;  // that are not closed with all their frames back
  const std::uint32_t count_;
  std::atomic<std::uint32_t> next_{0};
};

}  // namespace causeway::core
