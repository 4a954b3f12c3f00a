// SPDX-License-Identifier: Apache-2.0
#include "support/fake_calls.hpp"

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>
#include <linux/vfio.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace causeway::test {

namespace {

bool is_called(const FakeCall& call, std::string_view name) {
  return call.name == name || call.request == name;
}

}  // namespace

std::string FakeCall::to_string() const {
  return name + "(" + request + (request.empty() || detail.empty() ? "" : ", ") + detail + ")";
}

int CallLog::enter(FakeCall call) {
  const std::lock_guard lock(mutex_);
  int system_errno = 0;
  std::erase_if(failures_, [&](Failure& failure) {
    if (!is_called(call, failure.name)) {
      return false;
    }
    if (failure.calls_before > 0) {
      --failure.calls_before;
      return false;
    }
    system_errno = failure.system_errno;
    return !failure.and_all_later;
  });
  if (armed_) {
    if (armed_->calls_before == 0) {
      system_errno = std::exchange(armed_, std::nullopt)->system_errno;
      failed_ = call;
    } else {
      --armed_->calls_before;
    }
  }
  calls_.push_back(std::move(call));
  return system_errno;
}

std::size_t CallLog::count(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto matches = std::count_if(calls_.begin(), calls_.end(),
                                     [&](const FakeCall& call) { return is_called(call, name); });
  return static_cast<std::size_t>(matches);
}

std::vector<FakeCall> CallLog::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void CallLog::forget() {
  const std::lock_guard lock(mutex_);
  calls_.clear();
}

void CallLog::fail_nth(std::string_view name, std::size_t n, int system_errno, bool and_all_later) {
  const std::lock_guard lock(mutex_);
  failures_.push_back({std::string(name), n - 1, system_errno, and_all_later});
}

void CallLog::stop_failing() {
  const std::lock_guard lock(mutex_);
  failures_.clear();
}

void CallLog::arm(std::size_t index, int system_errno) {
  const std::lock_guard lock(mutex_);
  armed_ = Armed{index, system_errno};
  failed_.reset();
}

std::optional<FakeCall> CallLog::disarm() {
  const std::lock_guard lock(mutex_);
  armed_.reset();
  return std::exchange(failed_, std::nullopt);
}

std::string ioctl_name(unsigned long request) {
  static constexpr auto kNames = std::to_array<std::pair<unsigned long, const char*>>({
      {UDMABUF_CREATE, "UDMABUF_CREATE"},
      {UDMABUF_CREATE_LIST, "UDMABUF_CREATE_LIST"},
      {DMA_HEAP_IOCTL_ALLOC, "DMA_HEAP_IOCTL_ALLOC"},
      {DMA_BUF_IOCTL_SYNC, "DMA_BUF_IOCTL_SYNC"},
      {DMA_BUF_SET_NAME_A, "DMA_BUF_SET_NAME"},
      {DMA_BUF_SET_NAME_B, "DMA_BUF_SET_NAME"},
      {DMA_BUF_IOCTL_EXPORT_SYNC_FILE, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE"},
      {DMA_BUF_IOCTL_IMPORT_SYNC_FILE, "DMA_BUF_IOCTL_IMPORT_SYNC_FILE"},
      {SYNC_IOC_FILE_INFO, "SYNC_IOC_FILE_INFO"},
      {SYNC_IOC_MERGE, "SYNC_IOC_MERGE"},
      {VFIO_GET_API_VERSION, "VFIO_GET_API_VERSION"},
      {VFIO_CHECK_EXTENSION, "VFIO_CHECK_EXTENSION"},
      {VFIO_SET_IOMMU, "VFIO_SET_IOMMU"},
      {VFIO_GROUP_GET_STATUS, "VFIO_GROUP_GET_STATUS"},
      {VFIO_GROUP_SET_CONTAINER, "VFIO_GROUP_SET_CONTAINER"},
      {VFIO_GROUP_GET_DEVICE_FD, "VFIO_GROUP_GET_DEVICE_FD"},
      {VFIO_DEVICE_GET_INFO, "VFIO_DEVICE_GET_INFO"},
      {VFIO_DEVICE_GET_REGION_INFO, "VFIO_DEVICE_GET_REGION_INFO"},
      {VFIO_DEVICE_GET_IRQ_INFO, "VFIO_DEVICE_GET_IRQ_INFO"},
      {VFIO_DEVICE_SET_IRQS, "VFIO_DEVICE_SET_IRQS"},
      {VFIO_DEVICE_RESET, "VFIO_DEVICE_RESET"},
      {VFIO_IOMMU_GET_INFO, "VFIO_IOMMU_GET_INFO"},
      {VFIO_IOMMU_MAP_DMA, "VFIO_IOMMU_MAP_DMA"},
      {VFIO_IOMMU_UNMAP_DMA, "VFIO_IOMMU_UNMAP_DMA"},
  });
  for (const auto& [number, name] : kNames) {
    if (number == request) {
      return name;
    }
  }
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%lx", request);
  return text.data();
}

std::string fcntl_name(int command) {
  switch (command) {
    case F_DUPFD: return "F_DUPFD";
    case F_DUPFD_CLOEXEC: return "F_DUPFD_CLOEXEC";
    case F_GETFD: return "F_GETFD";
    case F_SETFD: return "F_SETFD";
    case F_GETFL: return "F_GETFL";
    case F_SETFL: return "F_SETFL";
    case F_ADD_SEALS: return "F_ADD_SEALS";
    case F_GET_SEALS: return "F_GET_SEALS";
    case kFcntlDupfdQuery: return "F_DUPFD_QUERY";
    default: return "command " + std::to_string(command);
  }
}

}  // namespace causeway::test
