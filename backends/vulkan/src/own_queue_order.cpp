// SPDX-License-Identifier: Apache-2.0
#include "own_queue_order.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <causeway/plugin/access.hpp>
#include <utility>

#include "time_left.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

constexpr std::int64_t kIdleMomentNs = 1'000'000;

}  // namespace

OwnQueueOrder::~OwnQueueOrder() {
  drain();
  if (pool_ != VK_NULL_HANDLE) {
    context_.api.DestroyCommandPool(context_.device, pool_, nullptr);
  }
}

Status OwnQueueOrder::prepare() {
  const VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, nullptr, 0,
                                     context_.queue_family};
  const VkResult result = context_.api.CreateCommandPool(context_.device, &pool, nullptr, &pool_);
  if (result != VK_SUCCESS) {
    pool_ = VK_NULL_HANDLE;
    return vk_error("vkCreateCommandPool", result, "preparing commands for transfers of ownership");
  }
  if (context_.timeline) {
    auto timeline = batch_timeline();
    if (!timeline) {
      return std::move(timeline.error());
    }
    timeline_ = std::move(*timeline);
    return {};
  }
  context_.host.log(
      CW_LOG_WARNING,
      fmt::format("{} has no timeline semaphores: the CPU waits at the end of each access", context_.name()));
  return fence_.prepare(now_ns(), "preparing the end of accesses");
}

Status OwnQueueOrder::attach(AttachmentOrder& order) {
  auto commands = TransferCommands::record(context_, pool_, *order.transfer);
  if (!commands) {
    return std::move(commands.error());
  }
  order.commands = std::move(*commands);
  return {};
}

void OwnQueueOrder::detach(AttachmentOrder& order) noexcept {
  // The host waits for the fences of an attachment before it detaches it. What an access left behind that
  // never came to its end is waited for here (VUID-vkFreeCommandBuffers-pCommandBuffers-00047).
  if (timeline_ != nullptr) {
    std::uint64_t point = order.last_point;
    {
      const std::lock_guard lock(mutex_);
      if (auto status = submit_ends(VK_NULL_HANDLE, "ending an access"); !status) {
        // The next submission tries again, and its commands are gone by then.
        std::erase(releases_, order.commands.release());
        context_.host.log(CW_LOG_ERROR, "memory was not given back to other devices before its detach: " +
                                            status.error().message());
        point = std::min(point, submitted());
      }
    }
    give_up_events(*timeline_, point, "an attachment is detached");
    static_cast<void>(timeline_->wait(point, now_ns() + kEndPatienceNs));
  } else if (order.turns != 0 || fence_.out()) {
    drain();
  }
}

void OwnQueueOrder::drain() noexcept {
  const std::lock_guard lock(mutex_);
  if (timeline_ != nullptr) {
    static_cast<void>(submit_ends(VK_NULL_HANDLE, "ending accesses"));
    give_up_events(*timeline_, submitted(), "the device is closed");
    static_cast<void>(timeline_->wait(submitted(), now_ns() + kEndPatienceNs));
    if (ends_pending_) {  // it could not be submitted, and nobody will come back to it
      timeline_->promise(submitted());
      ends_pending_ = false;
    }
  } else if (fence_.get() != VK_NULL_HANDLE) {
    const std::int64_t deadline = now_ns() + kEndPatienceNs;
    // A device that was lost has nothing to wait for.
    static_cast<void>(submit_and_wait(Batch(), {}, deadline, "ending accesses"));
    fence_.settle(deadline);
  }
}

Status OwnQueueOrder::gather(const cw_fence* fences, std::uint32_t count, std::int64_t deadline_ns) {
  batch_.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    auto wait = wait_for(fences[i], deadline_ns);
    if (!wait) {
      drop_imported();
      return std::move(wait.error());
    }
    if (*wait) {
      if ((*wait)->imported) {
        batch_.imported.push_back((*wait)->semaphore);
      }
      batch_.wait((*wait)->semaphore, (*wait)->value);
    }
  }
  return {};
}

void OwnQueueOrder::drop_imported() {
  for (VkSemaphore semaphore : batch_.imported) {
    semaphores_.discard(semaphore);
  }
  batch_.imported.clear();
}

Status OwnQueueOrder::submit_next(Batch& batch, std::span<const VkCommandBuffer> commands,
                                  std::string_view attempt) {
  const std::uint64_t point = timeline_->promised() + 1;
  batch.signal(timeline_->semaphore(), point);
  if (auto status = submit(batch, commands, VK_NULL_HANDLE, attempt); !status) {
    return status;
  }
  timeline_->promise(point);
  for (VkSemaphore semaphore : batch.imported) {
    semaphores_.in_flight(semaphore, timeline_, point);
  }
  return {};
}

Status OwnQueueOrder::submit_ends(VkCommandBuffer more, std::string_view attempt) {
  if (!ends_pending_) {
    return {};
  }
  const std::size_t releases = releases_.size();
  if (more != VK_NULL_HANDLE) {
    releases_.push_back(more);
  }
  Batch& batch = ends_;
  batch.clear();
  batch.signal(timeline_->semaphore(), timeline_->promised());
  auto status = submit(batch, releases_, VK_NULL_HANDLE, attempt);
  if (!status) {
    releases_.resize(releases);  // the next one tries again
    return status;
  }
  ends_pending_ = false;
  releases_.clear();
  return {};
}

Status OwnQueueOrder::flush_locked(const cw_fence& fence) {
  const bool put_off =
      ends_pending_ && fence.handle == timeline_->handle() && fence.value >= timeline_->promised();
  return put_off ? submit_ends(VK_NULL_HANDLE, "submitting the end of an access") : Status();
}

bool OwnQueueOrder::waits_for_itself_only() const noexcept {
  return std::all_of(batch_.waits.begin(), batch_.waits.end(),
                     [this](VkSemaphore semaphore) { return semaphore == timeline_->semaphore(); });
}

Status OwnQueueOrder::begin(AttachmentOrder& order, const cw_access_begin& begin) {
  if (auto status = gather(begin.waits, begin.wait_count, begin.deadline_ns); !status) {
    return status;
  }
  const std::lock_guard lock(mutex_);
  const bool acquires = order.turns == 0 && !order.owned;
  const VkCommandBuffer taking_over = order.commands.acquire((begin.flags & CW_ACCESS_NO_CONTENT) != 0);
  constexpr auto kAttempt = "submitting what an access waits for";
  Status status;
  if (ends_pending_ && acquires && waits_for_itself_only()) {
    // The releases and this acquire, barriers over all commands, order more than the semaphore would.
    status = submit_ends(taking_over, kAttempt);
  } else if (acquires || !batch_.waits.empty()) {
    const std::array<VkCommandBuffer, 1> acquire{acquires ? taking_over : VK_NULL_HANDLE};
    const std::span<const VkCommandBuffer> commands(acquire.data(), acquires ? 1 : 0);
    status = timeline_ == nullptr ? submit(batch_, commands, VK_NULL_HANDLE, kAttempt)
                                  : submit_ends(VK_NULL_HANDLE, kAttempt);
    if (timeline_ != nullptr && status) {
      status = submit_next(batch_, commands, kAttempt);
    }
  }
  if (!status) {
    drop_imported();
    return status;
  }
  if (acquires || !batch_.waits.empty()) {
    order.last_point = timeline_ != nullptr ? timeline_->promised() : 0;
  }
  order.owned = true;
  ++order.turns;
  return {};
}

Status OwnQueueOrder::end(AttachmentOrder& order, cw_access_end& end) {
  end.signal_count = 0;
  order.turns -= order.turns > 0 ? 1 : 0;
  plugin::include_given(end);
  if (auto status = gather(end.given, end.given_count, now_ns() + kEndPatienceNs); !status) {
    return status;
  }
  const std::lock_guard lock(mutex_);
  const bool releases = order.turns == 0 && order.owned && !order.kept;
  if (timeline_ == nullptr) {
    const std::array<VkCommandBuffer, 1> release{releases ? order.commands.release() : VK_NULL_HANDLE};
    context_.host.count(CW_COUNT_CPU_WAITS, 1);
    const auto before = batches_waited_for_;
    auto status = submit_and_wait(batch_, std::span(release.data(), releases ? 1 : 0),
                                  now_ns() + kEndPatienceNs, "ending an access");
    // Once it is out the memory is given back, even if nobody sees it done in time.
    order.owned = order.owned && !(releases && batches_waited_for_ != before);
    return status;
  }
  if (!batch_.waits.empty()) {  // what the caller submitted elsewhere comes before the release
    auto status = submit_ends(VK_NULL_HANDLE, "submitting the end of an access");
    if (status) {
      status = submit_next(batch_, {}, "waiting for what an access's caller submitted");
    }
    if (!status) {
      drop_imported();
      return status;
    }
  }
  if (!ends_pending_) {
    ends_pending_ = true;
    timeline_->promise(timeline_->promised() + 1);
  }
  if (releases) {
    releases_.push_back(order.commands.release());
  }
  order.owned = order.owned && !releases;
  order.last_point = timeline_->promised();
  timelines_.hold(timeline_);
  end.signals[0] =
      cw_fence{sizeof(cw_fence), CW_FENCE_DEVICE, -1, 0, timeline_->handle(), timeline_->promised()};
  end.signal_count = 1;
  return {};
}

Status OwnQueueOrder::submit_and_wait(const Batch& batch, std::span<const VkCommandBuffer> commands,
                                      std::int64_t deadline_ns, std::string_view attempt) {
  if (auto status = fence_.prepare(deadline_ns, attempt); !status) {
    return status;
  }
  if (auto status = submit(batch, commands, fence_.get(), attempt); !status) {
    return status;
  }
  fence_.went_out();
  ++batches_waited_for_;
  return fence_.wait(deadline_ns, attempt);
}

Error OwnQueueOrder::no_turns(std::string_view operation) const {
  return Error(Errc::Unsupported, std::string(operation),
               fmt::format("on {} Causeway submits the waits and the signal of each access by itself; only a "
                           "device that was adopted with CW_VULKAN_ADOPT_TAKES_TURNS has turns to take",
                           context_.name()));
}

Status OwnQueueOrder::take_turn(AttachmentOrder&, cw_vulkan_turn_v1&) {
  return no_turns("vulkan::turn");
}

Status OwnQueueOrder::drop_turn(AttachmentOrder&) {
  return no_turns("vulkan::drop_turn");
}

Status OwnQueueOrder::wait_idle(std::int64_t deadline_ns) {
  constexpr std::string_view kAttempt = "waiting for the device to be idle";
  // An empty batch takes an idle device a moment, too: without it, who asks without waiting would never
  // learn.
  deadline_ns = std::max(deadline_ns, now_ns() + kIdleMomentNs);
  if (timeline_ == nullptr) {
    const std::lock_guard lock(mutex_);
    return submit_and_wait(Batch(), {}, deadline_ns, kAttempt);
  }
  std::uint64_t point = 0;
  {
    const std::lock_guard lock(mutex_);
    // One batch speaks for all before it. While it is out, and none came after it, no other is needed.
    const auto there = timeline_->reached(idle_point_);
    if (!there) {
      return there.error();
    }
    if (*there || idle_point_ != timeline_->promised()) {
      if (auto status = submit_ends(VK_NULL_HANDLE, kAttempt); !status) {
        return status;
      }
      Batch empty;
      if (auto status = submit_next(empty, {}, kAttempt); !status) {
        return status;
      }
      idle_point_ = timeline_->promised();
    }
    point = idle_point_;
  }
  return timeline_->wait(point, deadline_ns);
}

}  // namespace causeway::vulkan_backend
