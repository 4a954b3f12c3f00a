// SPDX-License-Identifier: Apache-2.0
#include "timeline.hpp"

#include <fmt/format.h>

#include <causeway/plugin/descriptor.hpp>
#include <utility>
#include <vector>

#include "time_left.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

/// Destroying what a submission will still signal is worse than waiting a little.
constexpr std::uint64_t kLastWait = 2'000'000'000;

VkResult wait_for(const Context& context, VkSemaphore semaphore, std::uint64_t point, std::uint64_t timeout) {
  const VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO, nullptr, 0, 1, &semaphore, &point};
  return context.api.WaitSemaphores(context.device, &info, timeout);
}

}  // namespace

Result<VkSemaphore> make_timeline_semaphore(const Context& context, const void* next) {
  const VkSemaphoreTypeCreateInfo type{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, next,
                                       VK_SEMAPHORE_TYPE_TIMELINE, 0};
  const VkSemaphoreCreateInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, &type, 0};
  VkSemaphore semaphore = VK_NULL_HANDLE;
  const VkResult result = context.api.CreateSemaphore(context.device, &info, nullptr, &semaphore);
  if (result != VK_SUCCESS) {
    return vk_error("vkCreateSemaphore", result, "making a timeline semaphore");
  }
  return semaphore;
}

Timeline::~Timeline() {
  if (semaphore_ == VK_NULL_HANDLE) {
    return;
  }
  wait_for(context_, semaphore_, promised_, kLastWait);
  context_.api.DestroySemaphore(context_.device, semaphore_, nullptr);
}

Result<bool> Timeline::reached(std::uint64_t point) const {
  std::uint64_t value = 0;
  const VkResult result = context_.api.GetSemaphoreCounterValue(context_.device, semaphore_, &value);
  if (result != VK_SUCCESS) {
    return vk_error("vkGetSemaphoreCounterValue", result, "asking how far the device is");
  }
  return value >= point;
}

Status Timeline::wait(std::uint64_t point, std::int64_t deadline_ns) const {
  const auto left = left_ns(deadline_ns);
  VkResult result = VK_TIMEOUT;
  if (left == 0) {  // only asked: some drivers go to sleep in vkWaitSemaphores even then
    const auto there = reached(point);
    if (!there) {
      return there.error();
    }
    result = *there ? VK_SUCCESS : VK_TIMEOUT;
  } else {
    result = wait_for(context_, semaphore_, point, left);
  }
  if (result == VK_TIMEOUT) {
    return Error(
        Errc::TimedOut, "vkWaitSemaphores",
        fmt::format("the work behind point {} of {} was not done by the deadline", point, context_.name()));
  }
  if (result != VK_SUCCESS) {
    return vk_error("vkWaitSemaphores", result, fmt::format("waiting for point {}", point));
  }
  return {};
}

Status Timeline::make() {
  const VkExportSemaphoreCreateInfo shared{VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO, nullptr,
                                           VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT};
  auto semaphore = make_timeline_semaphore(context_, context_.shares_timelines ? &shared : nullptr);
  if (!semaphore) {
    return std::move(semaphore.error());
  }
  semaphore_ = *semaphore;
  return {};
}

Result<UniqueFd> Timeline::share() const {
  const VkSemaphoreGetFdInfoKHR info{VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR, nullptr, semaphore_,
                                     VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT};
  int fd = -1;
  const VkResult result = context_.api.GetSemaphoreFdKHR(context_.device, &info, &fd);
  if (result != VK_SUCCESS) {
    return vk_error("vkGetSemaphoreFdKHR", result, "exporting a timeline semaphore to another device");
  }
  return plugin::take_from_driver(context_.host, fd);
}

Status Timeline::become(UniqueFd shared) {
  // OPAQUE_FD knows the permanent import: the semaphore is from now on the one of the other device
  // (VkImportSemaphoreFdInfoKHR). The descriptor is the driver's on success alone.
  const VkImportSemaphoreFdInfoKHR info{
      VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,  nullptr,     semaphore_, 0,
      VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT, shared.get()};
  const VkResult result = context_.api.ImportSemaphoreFdKHR(context_.device, &info);
  if (result != VK_SUCCESS) {
    if (context_.semaphore_habit.after_other_kind() != FdHabit::Answer::Leaves) {
      context_.host.log(
          CW_LOG_WARNING,
          fmt::format("vkImportSemaphoreFdKHR on {} failed with {}, and it is not known whether "
                      "this driver closed descriptor {}; it is left alone",
                      context_.name(), to_string(result), shared.get()));
      static_cast<void>(shared.release());
    }
    return vk_error("vkImportSemaphoreFdKHR", result, "importing another device's timeline semaphore");
  }
  static_cast<void>(shared.release());
  foreign_ = true;
  return {};
}

Result<std::shared_ptr<Timeline>> Timelines::create() {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [](const auto& one) { return one.second.timeline.expired(); });
  auto made = std::make_shared<Timeline>(context_, next_handle_);
  if (auto status = made->make(); !status) {
    return std::move(status.error());
  }
  entries_[next_handle_++].timeline = made;
  return made;
}

std::shared_ptr<Timeline> Timelines::find(std::uint64_t handle) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(handle);
  return found != entries_.end() ? found->second.timeline.lock() : nullptr;
}

void Timelines::hold(const std::shared_ptr<Timeline>& timeline) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_.at(timeline->handle());
  entry.kept = timeline;
  ++entry.fences;
}

void Timelines::release(std::uint64_t handle) noexcept {
  std::shared_ptr<Timeline> last;  // its end may wait, outside of the lock
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(handle);
  if (found != entries_.end() && found->second.fences > 0 && --found->second.fences == 0) {
    last = std::move(found->second.kept);
  }
}

Status Timelines::wait_all(std::int64_t deadline_ns) const {
  std::vector<std::shared_ptr<Timeline>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [handle, entry] : entries_) {
      if (auto timeline = entry.timeline.lock()) {
        all.push_back(std::move(timeline));
      }
    }
  }
  std::erase_if(all, [](const auto& timeline) { return timeline->foreign(); });
  for (const auto& timeline : all) {
    if (auto status = timeline->wait(timeline->promised(), deadline_ns); !status) {
      return status;
    }
  }
  return {};
}

}  // namespace causeway::vulkan_backend
