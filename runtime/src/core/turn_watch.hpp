// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>

#include <atomic>
#include <cstdint>
#include <memory>

#include "core/access_state.hpp"

namespace causeway::core {

/// What is left to the end of a turn: a last reference to what the turn is on, or a SYNC END that became due
/// in the middle of it.
///
/// A turn of the CPU holds no reference, and its end is a plain store, after which nothing of the buffer may
/// be touched any more. Who lets a handle go while such a turn is open leaves its reference here; the turn's
/// end then lets it go. Neither side can miss the other: the end stores, and then loads one word of the
/// process; who leaves something writes that word, has all threads pass a barrier (membarrier(2)), and then
/// looks at the turn. Where there is no membarrier, the end's load is a read-modify-write. docs/adr/0011 has
/// the whole of it.
///
/// Threads: thread-safe.
class TurnWatch {
public:
  /// Something to be done; a part of the object that it is about.
  class Entry {
  public:
    Entry() = default;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    virtual ~Entry() = default;

  protected:
    /// What is due, besides letting the reference go. The object lives.
    [[nodiscard]] virtual Status act() noexcept { return {}; }

  private:
    friend class TurnWatch;
    std::shared_ptr<const void> kept_;  // null: it waits for nothing
    const AccessState* turns_ = nullptr;
    TurnsOf whose_ = TurnsOf::Cpu;
    Entry* next_ = nullptr;
  };

  /// Called when a runtime is made, before there are turns.
  static void set_up() noexcept;
  /// Whether this kernel has membarrier(2). For set_up(), and for tests while no turn is open.
  static void rely_on_membarrier(bool there) noexcept;

  /// Leaves entry, and with it kept, which keeps it and turns alive, to the end of such turns; does it at
  /// once if none is open. If it is left already, kept is only let go. Gives what act() gave, if it ran.
  static Status leave(Entry& entry, std::shared_ptr<const void> kept, const AccessState& turns,
                      TurnsOf whose) noexcept;

  /// For who has just ended a turn that was counted in turns; which may be gone by now. Gives the failure of
  /// what was left to it.
  [[nodiscard]] static Status look(const AccessState* turns) noexcept {
    // The compiler must not load before the turn's end is stored; the CPU may, which membarrier() is for.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return attention_.load(std::memory_order_acquire) == 0 ? Status() : look_closely(turns);
  }

  /// Around a fork, so that the child finds the books whole.
  static void lock_for_fork() noexcept;
  static void unlock_after_fork() noexcept;

private:
  [[nodiscard]] static Status look_closely(const AccessState* turns) noexcept;
  /// Takes one entry whose turns are over off the list, and its reference with it.
  [[nodiscard]] static Entry* take_due(const AccessState* turns, std::shared_ptr<const void>& kept) noexcept;
  static void pass_barrier() noexcept;

  static constexpr std::uint32_t kNoMembarrier = std::uint32_t{1} << 31;
  /// How many entries there are, and whether turns' ends have to look closely in any case. It lives as long
  /// as the process, so that it may be looked at when nothing else may.
  static constinit std::atomic<std::uint32_t> attention_;
};

}  // namespace causeway::core
