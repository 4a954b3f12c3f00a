// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <causeway/vulkan_abi.h>
#include <causeway/result.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "context.hpp"
#include "event_points.hpp"
#include "peer_timelines.hpp"
#include "semaphore_pool.hpp"
#include "timeline.hpp"
#include "transfer.hpp"

namespace causeway::vulkan_backend {

/// What the order of accesses needs to know of one attachment.
struct AttachmentOrder {
  std::optional<Transfer> transfer;
  bool kept = false;   ///< by the caller's word nobody else touches the memory
  bool owned = false;  ///< acquired, and not released since
  std::size_t turns = 0;

  TransferCommands commands;     ///< our own queue's
  std::uint64_t last_point = 0;  ///< our own queue's: the last batch that uses commands

  /// A turn of the caller's own queue.
  struct Turn {
    std::uint64_t access = 0;  ///< cw_access_begin.access
    std::vector<VkSemaphoreSubmitInfo> waits;
    std::vector<VkSemaphore> imported;  ///< those of the waits that are ours
    VkSemaphoreSubmitInfo signal{VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO};
    bool holds_nothing = false;  ///< nobody has written to the memory yet
    bool acquires = false;
    bool releases = false;
    bool taken = false;
    bool dropped = false;  ///< it will not be submitted
  };
  std::shared_ptr<Timeline> timeline;  ///< the caller's own queue's; null where those are not enabled
  std::vector<Turn> open;              ///< the first `turns` of them, in the order of their begins
};

class Order;

/// The order of an attachment, which ends with it. Threads: as rule 6 of backend_abi.h.
class OrderedAttachment {
public:
  OrderedAttachment() noexcept = default;
  OrderedAttachment(const OrderedAttachment&) = delete;
  OrderedAttachment& operator=(const OrderedAttachment&) = delete;
  ~OrderedAttachment();
  /// Errors: OutOfMemory, DeviceLost.
  [[nodiscard]] Status join(Order& order, const Context& context, const cw_vulkan_view_v1& view, bool writes);
  [[nodiscard]] AttachmentOrder& state() noexcept { return state_; }

private:
  Order* order_ = nullptr;
  AttachmentOrder state_;
};

/// Who waits for whom on a device: everything between begin_access and end_access, and the fences of it. Two
/// kinds: on a queue that we submit to (OwnQueueOrder), and on one where the caller does (CallerOrder).
///
/// Threads: attach to end as rule 6 of backend_abi.h says; the fences' operations thread-safe.
class Order {
public:
  [[nodiscard]] static Result<std::unique_ptr<Order>> create(const Context& context);

  explicit Order(const Context& context)
      : context_(context),
        timelines_(context),
        peers_(context, timelines_),
        events_(context),
        semaphores_(context) {}
  Order(const Order&) = delete;
  Order& operator=(const Order&) = delete;
  virtual ~Order() = default;

  /// Whether it waits for sync_files on the device.
  [[nodiscard]] bool waits_for_sync_files() const noexcept {
    return waits_by_semaphore() && context_.imports_sync_fd;
  }
  /// Whether it waits for events of programs on the device.
  [[nodiscard]] bool waits_for_events() const noexcept {
    return waits_by_semaphore() && context_.host.can_notify();
  }
  /// Waits on the CPU, uncounted, until the queue waits for no event of a program: what is submitted then is
  /// done in finite time. Errors: TimedOut.
  [[nodiscard]] Status wait_for_events(std::string_view operation, std::int64_t deadline_ns) const {
    return pending_events_.wait_for_none(operation, deadline_ns);
  }
  [[nodiscard]] virtual Status attach(AttachmentOrder& order) = 0;
  virtual void detach(AttachmentOrder& order) noexcept = 0;
  [[nodiscard]] virtual Status begin(AttachmentOrder& order, const cw_access_begin& begin) = 0;
  [[nodiscard]] virtual Status end(AttachmentOrder& order, cw_access_end& end) = 0;
  /// The turn that began last. Errors: Unsupported, WrongState.
  [[nodiscard]] virtual Status take_turn(AttachmentOrder& order, cw_vulkan_turn_v1& turn) = 0;
  /// That turn will not be submitted. Errors: the same.
  [[nodiscard]] virtual Status drop_turn(AttachmentOrder& order) = 0;
  [[nodiscard]] virtual Status wait_idle(std::int64_t deadline_ns) = 0;

  [[nodiscard]] Status fence_wait(const cw_fence& fence, std::int64_t deadline_ns);
  /// Puts a batch without commands on the queue. Errors: Unsupported (no SYNC_FD, not permitted, or the queue
  /// waits for an event of a program), DeviceLost, OutOfMemory.
  [[nodiscard]] Status fence_export(const cw_fence& fence, cw_fence& out);
  /// A fence of this device for the point that another device's fence stands for: its queue waits for it
  /// without the kernel in between. That fence is submitted already (flush). Errors: Unsupported,
  /// OutOfMemory, OutOfFds, DeviceLost.
  [[nodiscard]] Status fence_import(const Order& giver, const cw_fence& fence, cw_fence& out);
  /// What was promised by the fence and put off goes to the queue now. Errors: DeviceLost, OutOfMemory.
  [[nodiscard]] Status flush(const cw_fence& fence);
  void fence_release(const cw_fence& fence) noexcept { timelines_.release(fence.handle); }

protected:
  /// One vkQueueSubmit: waits, command buffers, signals; kept as members, since a repeated frame
  /// allocates nothing.
  struct Batch {
    std::vector<VkSemaphore> waits;
    std::vector<std::uint64_t> wait_values;
    std::vector<VkPipelineStageFlags> stages;
    std::vector<VkSemaphore> signals;
    std::vector<std::uint64_t> signal_values;
    std::vector<VkSemaphore> imported;  ///< those of the waits that are of semaphores_
    void clear();
    void wait(VkSemaphore semaphore, std::uint64_t value);
    void signal(VkSemaphore semaphore, std::uint64_t value);
  };
  /// Whether a batch can wait for what is not of this device.
  [[nodiscard]] virtual bool waits_by_semaphore() const noexcept = 0;
  /// The semaphore and value that stand for a fence, for one wait. imported: it is one of semaphores_. Empty:
  /// the CPU had to wait for it (the driver did not take the sync_file), and has; or it has signalled.
  struct Wait {
    VkSemaphore semaphore = VK_NULL_HANDLE;
    std::uint64_t value = 0;
    bool imported = false;
  };
  [[nodiscard]] Result<std::optional<Wait>> wait_for(const cw_fence& fence, std::int64_t deadline_ns);
  [[nodiscard]] Status submit(const Batch& batch, std::span<const VkCommandBuffer> commands, VkFence fence,
                              std::string_view attempt);
  /// For what is about to be taken from beneath a queue that has not come to this point: it waits no longer
  /// for events of programs.
  void give_up_events(const Timeline& timeline, std::uint64_t point, std::string_view why) noexcept;
  /// Puts on the queue what was promised and put off, up to this fence at least; under mutex_.
  [[nodiscard]] virtual Status flush_locked(const cw_fence& fence) = 0;
  /// Tells when the batches that we submit are done. Errors: OutOfMemory, DeviceLost.
  [[nodiscard]] Result<std::shared_ptr<Timeline>> batch_timeline();

  const Context& context_;
  Timelines timelines_;
  PeerTimelines peers_;
  EventPoints events_;
  PendingEvents pending_events_;  ///< that this queue, or one whose points it waits for, may still wait for
  /// batches_ and what a kind adds: fence_export comes from any thread. Where there are timelines nobody
  /// waits with it held, since asking for a fence's state takes it.
  std::mutex mutex_;
  SemaphorePool semaphores_;

private:
  [[nodiscard]] Result<std::optional<Wait>> wait_on_device(const cw_fence& fence);

  std::shared_ptr<Timeline> batches_;
};

}  // namespace causeway::vulkan_backend
