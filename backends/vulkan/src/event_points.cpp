// SPDX-License-Identifier: Apache-2.0
#include "event_points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "time_left.hpp"
#include "timeline.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {

EventPoints::EventPoints(const Context& context)
    : context_(context), shared_(std::make_shared<Shared>(context)) {}

EventPoints::~EventPoints() {
  const std::lock_guard lock(shared_->mutex);
  for (const auto& semaphore : shared_->semaphores) {
    semaphore->signalled = semaphore->asked;  // so an event that tells later finds nothing due
    context_.api.DestroySemaphore(context_.device, semaphore->handle, nullptr);
  }
}

bool EventPoints::Shared::signal_due_locked() noexcept {
  bool all = true;
  for (const auto& semaphore : semaphores) {
    if (semaphore->signalled >= semaphore->due) {
      continue;
    }
    const VkSemaphoreSignalInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, nullptr, semaphore->handle,
                                     semaphore->due};
    if (context.api.SignalSemaphore(context.device, &info) == VK_SUCCESS) {
      semaphore->signalled.store(semaphore->due, std::memory_order_release);
    } else {
      all = false;
    }
  }
  return all;
}

void EventPoints::signal_due(Shared& shared) noexcept {
  {
    const std::lock_guard lock(shared.mutex);
    if (shared.signal_due_locked()) {
      return;
    }
  }
  // Out of memory, so without a string of ours.
  const auto& host = *shared.host.raw();
  host.log(host.context, CW_LOG_ERROR,
           "vkSignalSemaphore failed, so a queue goes on waiting for an event that has signalled; it "
           "is tried again at the next event, and at the next access that waits for one");
}

void EventPoints::on_signal(void* user, std::int32_t /*system_errno*/) {
  const std::unique_ptr<Told> told(static_cast<Told*>(user));
  {
    const std::lock_guard lock(told->shared->mutex);
    auto& semaphore = *told->point.semaphore;
    semaphore.due = std::max(semaphore.due, told->point.value);
  }
  signal_due(*told->shared);
}

Result<EventPoint> EventPoints::take() {
  signal_due(*shared_);
  const std::lock_guard lock(shared_->mutex);
  auto& all = shared_->semaphores;
  auto place =
      std::find_if(all.begin(), all.end(), [](const auto& one) { return one->signalled == one->asked; });
  if (place == all.end()) {
    all.reserve(all.size() + 1);
    auto made = std::make_shared<EventSemaphore>();
    auto handle = make_timeline_semaphore(context_, nullptr);
    if (!handle) {
      return std::move(handle.error());
    }
    made->handle = *handle;
    place = all.insert(all.end(), std::move(made));
  }
  return EventPoint{*place, ++(*place)->asked};
}

Result<std::optional<EventPoint>> EventPoints::point_for(const cw_fence& event) {
  auto point = take();
  if (!point) {
    return std::move(point.error());
  }
  auto told = std::make_unique<Told>(Told{shared_, *point});
  auto added = context_.host.notify(event, &EventPoints::on_signal, told.get());
  if (added && *added) {
    static_cast<void>(told.release());  // the host's, until it tells
    return std::optional(std::move(*point));
  }
  EventPoints::on_signal(told.release(), 0);  // nobody else will, and the semaphore is free again
  return added ? Result<std::optional<EventPoint>>(std::optional<EventPoint>()) : std::move(added.error());
}

void EventPoints::give_up(std::string_view why) noexcept {
  std::size_t pending = 0;
  {
    const std::lock_guard lock(shared_->mutex);
    for (const auto& semaphore : shared_->semaphores) {
      pending += semaphore->signalled < semaphore->asked ? 1U : 0U;
      semaphore->due = semaphore->asked;
    }
  }
  if (pending == 0) {
    return;
  }
  signal_due(*shared_);
  context_.host.log(
      CW_LOG_WARNING,
      fmt::format("{}, and {} still waits for {} event{} of programs: the waits are given up, and what the "
                  "queue does now may come too early",
                  why, context_.name(), pending, pending == 1 ? "" : "s"));
}

void PendingEvents::add(EventPoint event) {
  const std::lock_guard lock(mutex_);
  std::erase_if(events_, [](const EventPoint& one) { return !one.pending(); });
  events_.push_back(std::move(event));
}

void PendingEvents::add_all(const PendingEvents& others) {
  std::vector<EventPoint> theirs;
  {
    const std::lock_guard lock(others.mutex_);
    theirs = others.events_;
  }
  for (auto& event : theirs) {
    if (event.pending()) {
      add(std::move(event));
    }
  }
}

bool PendingEvents::any() const {
  const std::lock_guard lock(mutex_);
  std::erase_if(events_, [](const EventPoint& one) { return !one.pending(); });
  return !events_.empty();
}

Status PendingEvents::wait_for_none(std::string_view operation, std::int64_t deadline_ns) const {
  constexpr timespec kRest{0,
                           200'000};  // they may be of several devices, so there is no one thing to sleep on
  while (any()) {
    if (left_ns(deadline_ns) == 0) {
      return Error(Errc::TimedOut, std::string(operation),
                   "the queue waits for an event of a program that was not signalled by the deadline; signal "
                   "it before a buffer is mapped, or end that access");
    }
    ::nanosleep(&kRest, nullptr);
  }
  return {};
}

}  // namespace causeway::vulkan_backend
