// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "order.hpp"

namespace causeway::vulkan_backend {

/// On the caller's own queue, where nothing is submitted by us: an access has a turn, which says what the
/// caller's submission waits for, takes over, gives back and signals (cw_vulkan_turn_v1). Each attachment
/// has a timeline of its own, so that one submission can signal the ends of several accesses. A caller that
/// takes no turns has no fences: its work is done when an access ends.
class CallerOrder final : public Order {
public:
  using Order::Order;

  [[nodiscard]] Status attach(AttachmentOrder& order) override;
  void detach(AttachmentOrder& order) noexcept override;
  [[nodiscard]] Status begin(AttachmentOrder& order, const cw_access_begin& begin) override;
  [[nodiscard]] Status end(AttachmentOrder& order, cw_access_end& end) override;
  [[nodiscard]] Status take_turn(AttachmentOrder& order, cw_vulkan_turn_v1& turn) override;
  [[nodiscard]] Status drop_turn(AttachmentOrder& order) override;
  /// All that was promised by turns that were taken.
  [[nodiscard]] Status wait_idle(std::int64_t deadline_ns) override;

private:
  [[nodiscard]] bool waits_by_semaphore() const noexcept override {
    return context_.takes_turns && context_.timeline;
  }
  /// Nothing is put off here: the caller submits.
  [[nodiscard]] Status flush_locked(const cw_fence& /*fence*/) override { return {}; }
  /// Whether there is a turn at all. Errors: Unsupported, WrongState.
  [[nodiscard]] Status check_turn(const AttachmentOrder& order, std::string_view operation) const;
  [[nodiscard]] Status prepare_signal(AttachmentOrder& order, AttachmentOrder::Turn& turn);
  /// Once its submission is out: the signal becomes a fence.
  /// The point of a turn that is dropped: the timeline never goes backwards past one that was submitted.
  void take_back(AttachmentOrder& order, const AttachmentOrder::Turn& turn);
  [[nodiscard]] Status publish(AttachmentOrder& order, AttachmentOrder::Turn& turn, cw_access_end& end);
  /// Of the semaphores that it was to wait for.
  void let_go(AttachmentOrder& order, AttachmentOrder::Turn& turn);
};

}  // namespace causeway::vulkan_backend
