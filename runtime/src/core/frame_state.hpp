// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/frame.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/buffer_state.hpp"
#include "core/fork_guard.hpp"
#include "core/turn_watch.hpp"

namespace causeway::core {

/// What is behind a Frame: the layout, the objects, and each distinct one once, in the order of their
/// serials, in which turns are taken so that two frames over the same objects cannot block each other.
/// Immutable.
class FrameState {
public:
  FrameState(FrameLayout layout, std::vector<DmaBuf> objects);

  /// The plain bytes of one buffer.
  [[nodiscard]] static std::shared_ptr<const FrameState> over(const DmaBuf& buffer);
  [[nodiscard]] static std::unique_ptr<const FrameState> bytes_of(DmaBuf buffer);

  [[nodiscard]] const FrameLayout& layout() const noexcept { return layout_; }
  [[nodiscard]] const std::vector<DmaBuf>& objects() const noexcept { return objects_; }
  [[nodiscard]] const std::vector<BufferState*>& in_order() const noexcept { return in_order_; }
  [[nodiscard]] const std::shared_ptr<RuntimeState>& runtime() const noexcept {
    return in_order_.front()->runtime();
  }

  /// Whether this is the process that the frame was made in: a load.
  [[nodiscard]] bool in_own_process() const noexcept { return same_process(generation_); }

  /// Takes a turn on all objects or on none. deadline: for a device that lost an access to get idle.
  /// Errors: Busy, DeviceLost, WrongState.
  [[nodiscard]] Status take_turns(Usage usage, TurnsOf whose, Deadline deadline) const;
  /// For who has a reference.
  void release_turns(Usage usage, TurnsOf whose) const noexcept;

  /// For who has the turns: whether anything may be in the memory, and that from now on something may be.
  [[nodiscard]] bool has_content() const noexcept {
    return any([](const BufferState& buffer) { return buffer.has_content(); });
  }
  void note_content(Usage usage) const noexcept {
    for (std::size_t i = 0; writes(usage) && i < in_order_.size(); ++i) {
      in_order_[i]->note_content();
    }
  }

  /// The objects, by their place in in_order(), for which the end of a turn issues no SYNC END: it is put
  /// off, or there is none.
  using LazyObjects = std::uint8_t;

  /// The one object, where there is only one; else null.
  [[nodiscard]] BufferState* only() const noexcept { return only_; }
  /// BufferState::begin_cpu_turn_at_once for all objects, or none. False: nothing was begun.
  [[nodiscard]] bool begin_cpu_turns_at_once(Usage usage, LazyObjects& lazy) const noexcept;
  /// The CPU's turn: waits for everybody who works on the objects, and brackets each with SYNC where that is
  /// needed. What it gives is for the turn's end.
  [[nodiscard]] Result<LazyObjects> begin_cpu_turn(Usage usage, Deadline deadline) const;
  /// Gives the turn back, whatever happens; the first failure is answered. Unless the caller has a reference,
  /// this object may be gone then.
  [[nodiscard]] Status end_cpu_turn(Usage usage, LazyObjects lazy) const {
    if (only_ == nullptr || lazy == 0) {
      return end_cpu_turns(usage, lazy);
    }
    if (writes(usage)) {
      only_->fences().note_written(0);
    }
    return only_->end_turn(usage, TurnsOf::Cpu);
  }
  /// The same in a forked child, where the turn is the parent's: only what this process has is let go.
  void forget_cpu_turn(Usage usage) const noexcept;

  /// Whether an access of the CPU to this frame may be open: somebody's access to its last object is.
  [[nodiscard]] bool cpu_turn_open() const noexcept { return in_order_.back()->access().open(TurnsOf::Cpu); }
  /// Leaves a reference to this frame to the end of the CPU's turn.
  void leave_to_turn(std::shared_ptr<const FrameState> reference) const noexcept;

  /// SYNC START on each object or on none, for who has the turns already. Errors: TimedOut, Io.
  [[nodiscard]] Status start_sync(Usage usage, Deadline deadline) const;
  /// SYNC END on each object, whatever happens; the first failure is answered.
  [[nodiscard]] Status end_sync(Usage usage) const;
  /// Whether any object needs SYNC around accesses by the CPU.
  [[nodiscard]] bool needs_sync() const noexcept {
    return any([](const BufferState& buffer) { return buffer.needs_sync(); });
  }

private:
  template <class Predicate>
  [[nodiscard]] bool any(Predicate&& predicate) const noexcept {
    for (const BufferState* buffer : in_order_) {
      if (predicate(*buffer)) {
        return true;
      }
    }
    return false;
  }
  [[nodiscard]] static bool is_lazy(LazyObjects lazy, std::size_t i) noexcept {
    return (std::uint32_t{lazy} >> i & 1U) != 0;
  }
  /// SYNC END on those of the first count objects whose END is not put off.
  [[nodiscard]] Status end_brackets(Usage usage, LazyObjects lazy, std::size_t count) const;
  [[nodiscard]] Status end_cpu_turns(Usage usage, LazyObjects lazy) const;

  FrameLayout layout_;
  std::vector<DmaBuf> objects_;
  std::vector<BufferState*> in_order_;
  BufferState* only_ = nullptr;  // where there is one object alone
  std::uint64_t generation_ = 0;
  mutable TurnWatch::Entry left_;
};

/// Checks that usage is one of the three that a turn can have.
[[nodiscard]] Status check_turn_usage(Usage usage);
[[nodiscard]] inline bool suits_a_turn(Usage usage) noexcept {
  return usage == Usage::Read || usage == Usage::Write || usage == Usage::ReadWrite;
}

/// The CPU's turn on a frame: maps what is not mapped yet, then begins. The turn keeps the frame alive as
/// long as a FrameHandle, through which it was reached, exists or was left to the turn's end.
[[nodiscard]] Result<CpuAccess> begin_cpu_access_slowly(const FrameState& frame, Usage usage,
                                                        Deadline deadline);
[[nodiscard]] inline Result<CpuAccess> begin_cpu_access(const FrameState& frame, Usage usage,
                                                        Deadline deadline) {
  BufferState* const only = frame.only();
  if (only != nullptr && suits_a_turn(usage) && frame.in_own_process()) {
    const auto begun = only->begin_cpu_turn_at_once(usage);
    if (begun != BufferState::BegunAtOnce::No) {
      if (writes(usage)) {
        only->note_content();
      }
      if (begun == BufferState::BegunAtOnce::Lazy) {
        only->tally_elided(usage);
      }
      return Result<CpuAccess>(tl::in_place, frame, usage, FrameState::LazyObjects{1});
    }
  }
  return begin_cpu_access_slowly(frame, usage, deadline);
}
/// The same for a handle that goes: the access keeps its reference.
[[nodiscard]] Result<CpuAccess> begin_cpu_access(FrameHandle&& frame, Usage usage, Deadline deadline);
/// Without a mapping of everything, for who has mapped a part.
[[nodiscard]] Result<CpuAccess> begin_cpu_turn(const FrameState& frame, Usage usage, Deadline deadline);

}  // namespace causeway::core
