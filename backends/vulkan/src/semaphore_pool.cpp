// SPDX-License-Identifier: Apache-2.0
#include "semaphore_pool.hpp"

#include <fmt/format.h>

#include <causeway/plugin/descriptor.hpp>
#include <utility>

#include "time_left.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {

SemaphorePool::~SemaphorePool() {
  const std::int64_t deadline = now_ns() + kEndPatienceNs;  // for all of them
  for (const auto& flight : flights_) {
    static_cast<void>(flight.timeline->wait(flight.point, deadline));
  }
  for (VkSemaphore semaphore : all_) {
    context_.api.DestroySemaphore(context_.device, semaphore, nullptr);
  }
}

void SemaphorePool::land_locked() {
  std::erase_if(flights_, [this](const Flight& flight) {
    const auto there = flight.timeline->reached(flight.point);
    if (!there || !*there) {
      return false;
    }
    free_.push_back(flight.semaphore);  // has room: see take()
    return true;
  });
}

Result<VkSemaphore> SemaphorePool::take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    land_locked();
  }
  if (!free_.empty()) {
    VkSemaphore semaphore = free_.back();
    free_.pop_back();
    return semaphore;
  }
  // Room for this one wherever it will stand, so that nothing afterwards can fail for want of memory.
  all_.reserve(all_.size() + 1);
  free_.reserve(all_.size() + 1);
  flights_.reserve(all_.size() + 1);
  const VkExportSemaphoreCreateInfo exportable{VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO, nullptr,
                                               VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT};
  const VkSemaphoreCreateInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                   context_.exports_sync_fd ? &exportable : nullptr, 0};
  VkSemaphore semaphore = VK_NULL_HANDLE;
  if (const VkResult result = context_.api.CreateSemaphore(context_.device, &info, nullptr, &semaphore);
      result != VK_SUCCESS) {
    return vk_error("vkCreateSemaphore", result, "making a binary semaphore");
  }
  all_.push_back(semaphore);
  return semaphore;
}

Result<VkSemaphore> SemaphorePool::import(BorrowedFd sync_file) {
  auto semaphore = take();
  if (!semaphore) {
    return semaphore;
  }
  auto given = plugin::duplicate(context_.host, sync_file.get(), "a sync_file");  // the driver keeps it
  if (!given) {
    give_back(*semaphore);
    return std::move(given.error());
  }
  // SYNC_FD knows no other than the temporary import: the next wait uses it up (VkSemaphoreImportFlagBits).
  const VkImportSemaphoreFdInfoKHR info{VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
                                        nullptr,
                                        *semaphore,
                                        VK_SEMAPHORE_IMPORT_TEMPORARY_BIT,
                                        VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
                                        given->get()};
  const VkResult result = context_.api.ImportSemaphoreFdKHR(context_.device, &info);
  if (result == VK_SUCCESS) {
    static_cast<void>(given->release());  // the driver's now
    return semaphore;
  }
  give_back(*semaphore);  // a failed import leaves it as it was
  const auto habit = context_.semaphore_habit.after(result);
  if (habit != FdHabit::Answer::Leaves) {
    if (habit == FdHabit::Answer::Unknown) {
      context_.host.log(
          CW_LOG_WARNING,
          fmt::format("vkImportSemaphoreFdKHR on {} failed with {}, and it is not known whether "
                      "this driver closed descriptor {}; it is left alone",
                      context_.name(), to_string(result), given->get()));
    }
    static_cast<void>(given->release());
  }
  return vk_error("vkImportSemaphoreFdKHR", result, "importing a sync_file to wait for");
}

void SemaphorePool::in_flight(VkSemaphore semaphore, std::shared_ptr<Timeline> timeline,
                              std::uint64_t point) {
  const std::lock_guard lock(mutex_);
  flights_.push_back({semaphore, std::move(timeline), point});
}

void SemaphorePool::give_back(VkSemaphore semaphore) {
  const std::lock_guard lock(mutex_);
  free_.push_back(semaphore);
}

void SemaphorePool::discard(VkSemaphore semaphore) {
  const std::lock_guard lock(mutex_);
  std::erase(all_, semaphore);
  context_.api.DestroySemaphore(context_.device, semaphore, nullptr);
}

}  // namespace causeway::vulkan_backend
