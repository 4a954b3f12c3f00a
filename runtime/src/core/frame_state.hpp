// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/frame.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/buffer_state.hpp"

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

  /// Takes a turn on all objects or on none. deadline: for a device that lost an access to get idle.
  /// Errors: Busy, DeviceLost, WrongState.
  [[nodiscard]] Status take_turns(Usage usage, Deadline deadline) const;
  void release_turns(Usage usage) const noexcept;

  /// For who has the turns: whether anything may be in the memory, and that from now on something may be.
  [[nodiscard]] bool has_content() const noexcept;
  void note_content(Usage usage) const noexcept;

  /// The objects, by their place in in_order(), whose SYNC END is put off at the end of a turn.
  using LazyObjects = std::uint8_t;

  /// The CPU's turn where everything is mapped, and there is nothing to wait for, to open or to pay: a
  /// compare-and-swap and a few loads for each object. False: nothing was begun.
  [[nodiscard]] bool begin_cpu_turn_at_once(Usage usage, LazyObjects& lazy) const noexcept;
  /// The CPU's turn: waits for everybody who works on the objects, and brackets each with SYNC where that is
  /// needed. What it gives is for the turn's end.
  [[nodiscard]] Result<LazyObjects> begin_cpu_turn(Usage usage, Deadline deadline) const;
  /// Gives the turn back, whatever happens; the first failure is answered.
  [[nodiscard]] Status end_cpu_turn(Usage usage, LazyObjects lazy) const;

  /// SYNC START on each object or on none, for who has the turns already. Errors: TimedOut, Io.
  [[nodiscard]] Status start_sync(Usage usage, Deadline deadline) const;
  /// SYNC END on each object, whatever happens; the first failure is answered.
  [[nodiscard]] Status end_sync(Usage usage) const;
  /// Whether any object needs SYNC around accesses by the CPU.
  [[nodiscard]] bool needs_sync() const noexcept;

private:
  [[nodiscard]] static bool is_lazy(LazyObjects lazy, std::size_t i) noexcept {
    return (std::uint32_t{lazy} >> i & 1U) != 0;
  }
  /// SYNC END on those of the first count objects whose END is not put off.
  [[nodiscard]] Status end_brackets(Usage usage, LazyObjects lazy, std::size_t count) const;

  FrameLayout layout_;
  std::vector<DmaBuf> objects_;
  std::vector<BufferState*> in_order_;
};

}  // namespace causeway::core
