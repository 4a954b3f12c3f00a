// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "batch_fence.hpp"
#include "order.hpp"

namespace causeway::vulkan_backend {

/// On a queue that is ours to submit to: of a device that we opened, or one that its owner gave. begin_access
/// submits the waits and the acquire; whatever the application submits afterwards comes after them, since the
/// second scope of a semaphore's wait and of a barrier includes all that is later in submission order
/// (section 7.4.2, Semaphore Waiting). end_access submits the release and signals the device's timeline,
/// whose first scope is all that was submitted before. It puts that off until somebody asks for the fence, or
/// the next access begins: several ends and a begin are then one submission, and the end of an access costs
/// none.
///
/// A device without timeline semaphores does the same with a VkFence, which end_access waits for: counted.
class OwnQueueOrder final : public Order {
public:
  explicit OwnQueueOrder(const Context& context) : Order(context), fence_(context) {}
  ~OwnQueueOrder() override;
  /// Errors: OutOfMemory, DeviceLost.
  [[nodiscard]] Status prepare();

  [[nodiscard]] Status attach(AttachmentOrder& order) override;
  void detach(AttachmentOrder& order) noexcept override;
  [[nodiscard]] Status begin(AttachmentOrder& order, const cw_access_begin& begin) override;
  [[nodiscard]] Status end(AttachmentOrder& order, cw_access_end& end) override;
  [[nodiscard]] Status take_turn(AttachmentOrder& order, cw_vulkan_turn_v1& turn) override;
  [[nodiscard]] Status drop_turn(AttachmentOrder& order) override;
  [[nodiscard]] Status wait_idle(std::int64_t deadline_ns) override;

private:
  [[nodiscard]] Error no_turns(std::string_view operation) const;
  [[nodiscard]] bool waits_by_semaphore() const noexcept override { return context_.timeline; }
  /// Into batch_. Not under mutex_: the CPU may have to wait for some of them.
  [[nodiscard]] Status gather(const cw_fence* fences, std::uint32_t count, std::int64_t deadline_ns);
  /// Submits the batch and signals the next point of the timeline.
  [[nodiscard]] Status submit_next(Batch& batch, std::span<const VkCommandBuffer> commands,
                                   std::string_view attempt);
  [[nodiscard]] Status flush_locked(const cw_fence& fence) override;
  /// Submits the ends that were put off, and then more commands.
  [[nodiscard]] Status submit_ends(VkCommandBuffer more, std::string_view attempt);
  /// Whether batch_ waits for nothing but what was submitted here before.
  [[nodiscard]] bool waits_for_itself_only() const noexcept;
  /// Without timelines: submits the batch, once the one before it is done, and waits for it.
  [[nodiscard]] Status submit_and_wait(const Batch& batch, std::span<const VkCommandBuffer> commands,
                                       std::int64_t deadline_ns, std::string_view attempt);
  /// The last point that was submitted.
  [[nodiscard]] std::uint64_t submitted() const noexcept {
    return timeline_->promised() - (ends_pending_ ? 1 : 0);
  }
  void drop_imported();
  /// What was submitted here is done, or the device hangs.
  void drain() noexcept;

  VkCommandPool pool_ = VK_NULL_HANDLE;
  BatchFence fence_;  ///< without timelines alone, as the next
  std::uint64_t batches_waited_for_ = 0;
  std::shared_ptr<Timeline> timeline_;
  Batch batch_;                   ///< of the begin or end that runs
  std::uint64_t idle_point_ = 0;  ///< wait_idle waits for it

  /// Ends that were put off: their releases, and the point that stands for all of them.
  bool ends_pending_ = false;
  std::vector<VkCommandBuffer> releases_;
  Batch ends_;
};

}  // namespace causeway::vulkan_backend
