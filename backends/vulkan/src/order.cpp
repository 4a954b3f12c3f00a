// SPDX-License-Identifier: Apache-2.0
#include "order.hpp"

#include <fmt/format.h>

#include <causeway/plugin/descriptor.hpp>
#include <utility>

#include "caller_order.hpp"
#include "own_queue_order.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

Error unknown_fence(const char* operation, const cw_fence& fence) {
  return Error(
      Errc::Internal, operation,
      fmt::format("no fence of this device has the handle {}, at point {}", fence.handle, fence.value));
}

}  // namespace

OrderedAttachment::~OrderedAttachment() {
  if (order_ != nullptr) {
    order_->detach(state_);
  }
}

Status OrderedAttachment::join(Order& order, const Context& context, const cw_vulkan_view_v1& view,
                               bool writes) {
  state_.transfer.emplace(context, view, writes);
  auto status = order.attach(state_);
  if (status) {
    order_ = &order;
  }
  return status;
}

Result<std::unique_ptr<Order>> Order::create(const Context& context) {
  if (!context.submits) {
    return std::unique_ptr<Order>(std::make_unique<CallerOrder>(context));
  }
  auto made = std::make_unique<OwnQueueOrder>(context);
  if (auto status = made->prepare(); !status) {
    return std::move(status.error());
  }
  return std::unique_ptr<Order>(std::move(made));
}

void Order::Batch::clear() {
  waits.clear();
  wait_values.clear();
  stages.clear();
  signals.clear();
  signal_values.clear();
  imported.clear();
}

void Order::Batch::wait(VkSemaphore semaphore, std::uint64_t value) {
  waits.push_back(semaphore);
  wait_values.push_back(value);
  stages.push_back(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
}

void Order::Batch::signal(VkSemaphore semaphore, std::uint64_t value) {
  signals.push_back(semaphore);
  signal_values.push_back(value);
}

Status Order::submit(const Batch& batch, std::span<const VkCommandBuffer> commands, VkFence fence,
                     std::string_view attempt) {
  VkTimelineSemaphoreSubmitInfo values{VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO};
  values.waitSemaphoreValueCount = static_cast<std::uint32_t>(batch.wait_values.size());
  values.pWaitSemaphoreValues = batch.wait_values.data();
  values.signalSemaphoreValueCount = static_cast<std::uint32_t>(batch.signal_values.size());
  values.pSignalSemaphoreValues = batch.signal_values.data();
  VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
  info.pNext = context_.timeline ? &values : nullptr;
  info.waitSemaphoreCount = static_cast<std::uint32_t>(batch.waits.size());
  info.pWaitSemaphores = batch.waits.data();
  info.pWaitDstStageMask = batch.stages.data();
  info.commandBufferCount = static_cast<std::uint32_t>(commands.size());
  info.pCommandBuffers = commands.data();
  info.signalSemaphoreCount = static_cast<std::uint32_t>(batch.signals.size());
  info.pSignalSemaphores = batch.signals.data();
  const QueueLock lock(context_);
  const VkResult result = context_.api.QueueSubmit(context_.queue, 1, &info, fence);
  return result == VK_SUCCESS ? Status() : vk_error("vkQueueSubmit", result, attempt);
}

Result<std::shared_ptr<Timeline>> Order::batch_timeline() {
  if (batches_ == nullptr) {
    auto made = timelines_.create();
    if (!made) {
      return made;
    }
    batches_ = std::move(*made);
  }
  return batches_;
}

Result<std::optional<Order::Wait>> Order::wait_for(const cw_fence& fence, std::int64_t deadline_ns) {
  if (fence.kind == CW_FENCE_DEVICE) {
    const auto timeline = timelines_.find(fence.handle);
    if (timeline == nullptr) {
      return unknown_fence("begin_access", fence);
    }
    return std::optional(Wait{timeline->semaphore(), fence.value, false});
  }
  if ((fence.kind == CW_FENCE_SYNC_FILE && waits_for_sync_files()) ||
      (fence.kind == CW_FENCE_HOST_EVENT && waits_for_events())) {
    auto wait = wait_on_device(fence);
    if (wait || wait.error().code() == Errc::DeviceLost) {
      return wait;
    }
    context_.host.log(CW_LOG_WARNING, "the CPU waits instead of the device: " + wait.error().message());
  }
  if (auto waited = context_.host.wait_fence(fence, deadline_ns); !waited) {
    return std::move(waited.error());
  }
  return std::optional<Wait>();
}

Result<std::optional<Order::Wait>> Order::wait_on_device(const cw_fence& fence) {
  if (fence.kind == CW_FENCE_SYNC_FILE) {
    auto semaphore = semaphores_.import(BorrowedFd(fence.fd));
    if (!semaphore) {
      return std::move(semaphore.error());
    }
    return std::optional(Wait{*semaphore, 0, true});
  }
  auto point = events_.point_for(fence);
  if (!point) {
    return std::move(point.error());
  }
  if (!*point) {
    return std::optional<Wait>();
  }
  pending_events_.add(**point);
  return std::optional(Wait{(*point)->semaphore->handle, (*point)->value, false});
}

Status Order::fence_wait(const cw_fence& fence, std::int64_t deadline_ns) {
  const auto timeline = timelines_.find(fence.handle);
  if (timeline == nullptr) {
    return unknown_fence("fence_wait", fence);
  }
  if (auto status = flush(fence); !status) {
    return status;
  }
  return timeline->wait(fence.value, deadline_ns);
}

void Order::give_up_events(const Timeline& timeline, std::uint64_t point, std::string_view why) noexcept {
  const auto there = timeline.reached(point);
  if (!there || !*there) {
    // The host detaches nothing while it has a pending fence of it, unless it gives up, too.
    events_.give_up(why);
  }
}

Status Order::flush(const cw_fence& fence) {
  const std::lock_guard lock(mutex_);
  return flush_locked(fence);
}

Status Order::fence_import(const Order& giver, const cw_fence& fence, cw_fence& out) {
  const auto theirs = giver.timelines_.find(fence.handle);
  if (theirs == nullptr) {
    return unknown_fence("fence_import", fence);
  }
  auto ours = peers_.import(giver.context_, theirs);
  if (!ours) {
    return std::move(ours.error());
  }
  pending_events_.add_all(giver.pending_events_);
  timelines_.hold(*ours);
  out = cw_fence{sizeof(cw_fence), CW_FENCE_DEVICE, -1, 0, (*ours)->handle(), fence.value};
  return {};
}

Status Order::fence_export(const cw_fence& fence, cw_fence& out) {
  if (!context_.exports_sync_fd || !context_.may_submit) {
    return Error(
        Errc::Unsupported, "fence_export",
        !context_.exports_sync_fd
            ? fmt::format("{} exports no semaphores as SYNC_FD", context_.name())
            : fmt::format("{} was adopted without CW_VULKAN_ADOPT_MAY_SUBMIT, and a sync_file needs a "
                          "submission",
                          context_.name()));
  }
  const auto timeline = timelines_.find(fence.handle);
  if (timeline == nullptr) {
    return unknown_fence("fence_export", fence);
  }
  VkSemaphore semaphore = VK_NULL_HANDLE;
  std::shared_ptr<Timeline> batches;
  std::uint64_t point = 0;
  {
    const std::lock_guard lock(mutex_);
    if (pending_events_.any()) {
      return Error(Errc::Unsupported, "fence_export",
                   fmt::format("the queue of {} waits for an event that a program signals, so what comes "
                               "after that may take for ever, and a sync_file must not",
                               context_.name()));
    }
    if (auto status = flush_locked(fence); !status) {
      return status;
    }
    auto ours = batch_timeline();
    if (!ours) {
      return std::move(ours.error());
    }
    batches = std::move(*ours);
    auto taken = semaphores_.take();
    if (!taken) {
      return std::move(taken.error());
    }
    semaphore = *taken;
    point = batches->promised() + 1;
    Batch batch;
    batch.wait(timeline->semaphore(), fence.value);
    batch.signal(semaphore, 0);
    batch.signal(batches->semaphore(), point);
    if (auto status = submit(batch, {}, VK_NULL_HANDLE, "turning a point into a sync_file"); !status) {
      semaphores_.give_back(semaphore);
      return status;
    }
    batches->promise(point);
  }
  // Without the lock: some drivers (lavapipe) answer only when the work is done.
  const VkSemaphoreGetFdInfoKHR info{VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR, nullptr, semaphore,
                                     VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT};
  int fd = -1;
  const VkResult result = context_.api.GetSemaphoreFdKHR(context_.device, &info, &fd);
  const std::lock_guard lock(mutex_);
  if (result != VK_SUCCESS) {
    // It stays signalled, which no later use could bear; it is destroyed with the pool.
    return vk_error("vkGetSemaphoreFdKHR", result, "exporting a sync_file");
  }
  semaphores_.in_flight(semaphore, std::move(batches), point);  // the export took its signal away
  if (fd < 0) {
    return Error(
        Errc::Unsupported, "vkGetSemaphoreFdKHR",
        "the driver gave no descriptor, as it may for work that is done already: there is nothing to "
        "wait for any more, and Fence::wait() returns at once");
  }
  auto sync_file = plugin::take_from_driver(context_.host, fd);
  out = cw_fence{sizeof(cw_fence), CW_FENCE_SYNC_FILE, sync_file.release(), 0, 0, 0};
  return {};
}

}  // namespace causeway::vulkan_backend
