// SPDX-License-Identifier: Apache-2.0
#include "support/fake_syncobj.hpp"

#include <drm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <limits>

namespace causeway::test {
namespace {

bool all_signalled(const std::vector<FakeFence>& fences) {
  return std::all_of(fences.begin(), fences.end(), [](const FakeFence& fence) { return fence.signalled(); });
}

/// Which eventfd a descriptor is; empty if it is none. The kernel holds the event and not the descriptor: one
/// that was closed since must not be written to under its old number.
std::string event_of(int fd) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(fd));
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("eventfd-id")) {
      return line;
    }
  }
  return {};
}

template <class T>
T* array_at(std::uint64_t address) {
  return reinterpret_cast<T*>(static_cast<std::uintptr_t>(address));
}

bool about_timelines(unsigned long request) {
  return request == DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT || request == DRM_IOCTL_SYNCOBJ_QUERY ||
         request == DRM_IOCTL_SYNCOBJ_TRANSFER || request == DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL ||
         request == DRM_IOCTL_SYNCOBJ_EVENTFD;
}

}  // namespace

FakeSyncobjCard::FakeSyncobjCard(FakeKernel& kernel, const std::string& path) : kernel_(kernel) {
  kernel.add_device(path, {.ioctl = [this](int fd, unsigned long request,
                                           void* argument) { return ioctl(fd, request, argument); },
                           .poll = {}});
  kernel.after_signal([this] { something_happened(); });
}

std::size_t FakeSyncobjCard::open_handles() const {
  const std::lock_guard lock(mutex_);
  return handles_.size();
}

std::size_t FakeSyncobjCard::wrong_destroys() const {
  const std::lock_guard lock(mutex_);
  return wrong_destroys_;
}

void FakeSyncobjCard::something_happened() {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(watches_, [](const Watch& watch) {
      const auto fences = fences_of(*watch.syncobj, watch.point);
      if (!fences || !all_signalled(*fences)) {
        return false;
      }
      const std::uint64_t one = 1;
      return event_of(watch.fd) != watch.event || ::write(watch.fd, &one, sizeof(one)) == sizeof(one);
    });
  }
  happened_.notify_all();
}

int FakeSyncobjCard::ioctl(int fd, unsigned long request, void* argument) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return -errno;
  }
  const Description of{status.st_dev, status.st_ino};  // the fake gives each open a file of its own
  if (request == DRM_IOCTL_DROP_MASTER) {
    return 0;
  }
  std::unique_lock lock(mutex_);
  if (request == DRM_IOCTL_GET_CAP) {
    auto& cap = *static_cast<drm_get_cap*>(argument);
    cap.value = cap.capability == DRM_CAP_SYNCOBJ_TIMELINE && syncobjs && timelines ? 1 : 0;
    return 0;
  }
  if (!syncobjs || (!timelines && about_timelines(request))) {
    return -EOPNOTSUPP;
  }
  int result = -EINVAL;  // drm_ioctl() says so to numbers that it does not know
  switch (request) {
    case DRM_IOCTL_SYNCOBJ_CREATE: return create(of, argument);
    case DRM_IOCTL_SYNCOBJ_DESTROY: return destroy(of, argument);
    case DRM_IOCTL_SYNCOBJ_QUERY: return query(of, argument);
    case DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT: return wait(of, argument, lock);
    case DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD: return export_sync_file(of, argument, lock);
    case DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE: return import_sync_file(of, argument, lock);
    case DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL: result = signal(of, argument); break;
    case DRM_IOCTL_SYNCOBJ_TRANSFER: result = transfer(of, argument); break;
    case DRM_IOCTL_SYNCOBJ_EVENTFD: result = eventfds ? watch(of, argument) : -EINVAL; break;
    default: break;
  }
  lock.unlock();
  if (result == 0) {
    something_happened();
  }
  return result;
}

FakeSyncobjCard::Ref FakeSyncobjCard::find(Description of, std::uint32_t handle) const {
  const auto found = handles_.find({of, handle});
  return found == handles_.end() ? nullptr : found->second;
}

int FakeSyncobjCard::create(Description of, void* argument) {
  auto& request = *static_cast<drm_syncobj_create*>(argument);
  if (request.flags != 0) {
    return -EINVAL;
  }
  request.handle = ++last_handle_;
  handles_.emplace(std::pair(of, request.handle), std::make_shared<Syncobj>());
  return 0;
}

int FakeSyncobjCard::destroy(Description of, const void* argument) {
  const auto& request = *static_cast<const drm_syncobj_destroy*>(argument);
  if (request.pad != 0 || handles_.erase({of, request.handle}) == 0) {
    ++wrong_destroys_;
    return -EINVAL;
  }
  return 0;
}

int FakeSyncobjCard::query(Description of, void* argument) const {
  const auto& request = *static_cast<const drm_syncobj_timeline_array*>(argument);
  for (std::uint32_t i = 0; i < request.count_handles; ++i) {
    const Ref syncobj = find(of, array_at<const std::uint32_t>(request.handles)[i]);
    if (syncobj == nullptr) {
      return -ENOENT;
    }
    std::uint64_t number = 0;
    for (const auto& point : syncobj->points) {
      if (request.flags != DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED && !all_signalled(point.fences)) {
        break;
      }
      number = point.number;
    }
    array_at<std::uint64_t>(request.points)[i] = number;
  }
  return 0;
}

std::optional<FakeSyncobjCard::Fences> FakeSyncobjCard::fences_of(const Syncobj& syncobj,
                                                                  std::uint64_t point) {
  if (point == 0 && syncobj.points.empty()) {
    return syncobj.binary;
  }
  if (syncobj.points.empty() || syncobj.points.back().number < point) {
    return {};
  }
  Fences all;
  for (const auto& node : syncobj.points) {
    all.insert(all.end(), node.fences.begin(), node.fences.end());
    if (point != 0 && node.number >= point) {
      break;
    }
  }
  return all;
}

void FakeSyncobjCard::submit(Syncobj& syncobj, std::uint64_t point, Fences fences) {
  // dma_fence_chain_init(): a number behind the last is raised to that, and so changes nothing.
  const std::uint64_t last = syncobj.points.empty() ? 0 : syncobj.points.back().number;
  syncobj.points.push_back({std::max(last, point), std::move(fences)});
}

int FakeSyncobjCard::signal(Description of, void* argument) {
  const auto& request = *static_cast<const drm_syncobj_timeline_array*>(argument);
  if (request.flags != 0 || request.count_handles == 0) {
    return -EINVAL;
  }
  for (std::uint32_t i = 0; i < request.count_handles; ++i) {
    const Ref syncobj = find(of, array_at<const std::uint32_t>(request.handles)[i]);
    if (syncobj == nullptr) {
      return -ENOENT;
    }
    submit(*syncobj, array_at<const std::uint64_t>(request.points)[i], {});
  }
  return 0;
}

int FakeSyncobjCard::wait(Description of, const void* argument, std::unique_lock<std::mutex>& lock) {
  const auto& request = *static_cast<const drm_syncobj_timeline_wait*>(argument);
  if (request.count_handles != 1) {
    return -EINVAL;  // nobody here waits for several
  }
  const Ref syncobj = find(of, *array_at<const std::uint32_t>(request.handles));
  const std::uint64_t point = *array_at<const std::uint64_t>(request.points);
  if (syncobj == nullptr) {
    return -ENOENT;
  }
  constexpr std::uint32_t kWithoutSubmit =
      DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT | DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE;
  if ((request.flags & kWithoutSubmit) == 0 && !fences_of(*syncobj, point)) {
    return -EINVAL;
  }
  const auto done = [&] {
    const auto fences = fences_of(*syncobj, point);
    return fences && ((request.flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE) != 0 || all_signalled(*fences));
  };
  if (request.timeout_nsec == std::numeric_limits<std::int64_t>::max()) {
    happened_.wait(lock, done);
    return 0;
  }
  const std::chrono::steady_clock::time_point until{std::chrono::nanoseconds(request.timeout_nsec)};
  return happened_.wait_until(lock, until, done) ? 0 : -ETIME;
}

int FakeSyncobjCard::transfer(Description of, const void* argument) {
  const auto& request = *static_cast<const drm_syncobj_transfer*>(argument);
  const Ref from = find(of, request.src_handle);
  const Ref to = find(of, request.dst_handle);
  if (from == nullptr || to == nullptr) {
    return -ENOENT;
  }
  auto fences = fences_of(*from, request.src_point);
  if (!fences || request.pad != 0) {
    return -EINVAL;
  }
  if (request.dst_point == 0) {
    to->binary = std::move(fences);
  } else {
    submit(*to, request.dst_point, std::move(*fences));
  }
  return 0;
}

int FakeSyncobjCard::export_sync_file(Description of, void* argument, std::unique_lock<std::mutex>& lock) {
  auto& request = *static_cast<drm_syncobj_handle*>(argument);
  const Ref syncobj = find(of, request.handle);
  if (syncobj == nullptr) {
    return -ENOENT;
  }
  const auto fences = fences_of(*syncobj, 0);
  if (!fences || request.flags != DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE) {
    return -EINVAL;
  }
  lock.unlock();
  request.fd = kernel_.sync_file(*fences);
  return request.fd < 0 ? -errno : 0;
}

int FakeSyncobjCard::import_sync_file(Description of, const void* argument,
                                      std::unique_lock<std::mutex>& lock) {
  const auto& request = *static_cast<const drm_syncobj_handle*>(argument);
  const Ref syncobj = find(of, request.handle);
  if (syncobj == nullptr) {
    return -ENOENT;
  }
  lock.unlock();
  auto fences = kernel_.fences_of(request.fd);
  lock.lock();
  if (!fences || request.flags != DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE) {
    return -EINVAL;
  }
  syncobj->binary = std::move(fences);
  return 0;
}

int FakeSyncobjCard::watch(Description of, const void* argument) {
  const auto& request = *static_cast<const drm_syncobj_eventfd*>(argument);
  const Ref syncobj = find(of, request.handle);
  if (syncobj == nullptr) {
    return -ENOENT;
  }
  auto event = event_of(request.fd);
  if (request.flags != 0 || request.pad != 0 || event.empty()) {
    return -EINVAL;
  }
  watches_.push_back({syncobj, request.point, request.fd, std::move(event)});
  return 0;
}

}  // namespace causeway::test
