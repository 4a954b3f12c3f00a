// SPDX-License-Identifier: Apache-2.0
#include "exporters_card.hpp"

#include <drm.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

namespace causeway::test {
namespace {

std::pair<std::uint64_t, std::uint64_t> inode_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? std::pair<std::uint64_t, std::uint64_t>{status.st_dev, status.st_ino}
                                   : std::pair<std::uint64_t, std::uint64_t>{};
}

}  // namespace

FakeCard::FakeCard(FakeKernel& kernel, const std::string& path) : kernel_(kernel) {
  kernel.add_device(path, {.ioctl = [this](int fd, unsigned long request,
                                           void* argument) { return ioctl(fd, request, argument); },
                           .poll = {}});
}

int FakeCard::ioctl(int fd, unsigned long request, void* argument) {
  const std::lock_guard lock(mutex_);
  const Inode description = inode_of(fd);  // the fake gives each open a file of its own
  switch (request) {
    case DRM_IOCTL_DROP_MASTER: ++masters_dropped_; return 0;
    case DRM_IOCTL_MODE_CREATE_DUMB: return create_dumb(description, argument);
    case DRM_IOCTL_PRIME_HANDLE_TO_FD: return export_fd(description, argument);
    case DRM_IOCTL_PRIME_FD_TO_HANDLE: return import_fd(description, argument);
    case DRM_IOCTL_GEM_CLOSE: return close(description, argument);
    default: return -ENOTTY;
  }
}

int FakeCard::create_dumb(Inode description, void* argument) {
  auto& request = *static_cast<drm_mode_create_dumb*>(argument);
  if (dumb_errno != 0) {
    return -dumb_errno;
  }
  if (request.bpp != 32 || request.width == 0 || request.height == 0) {
    return -EINVAL;  // as virtio-gpu
  }
  request.pitch = request.width * 4;
  request.size = std::uint64_t{request.pitch} * request.height;
  request.handle = ++last_handle_;
  handles_.insert_or_assign({description, request.handle}, std::make_shared<Object>(Object{request.size}));
  return 0;
}

int FakeCard::export_fd(Inode description, void* argument) {
  auto& request = *static_cast<drm_prime_handle*>(argument);
  const auto found = handles_.find({description, request.handle});
  if (found == handles_.end()) {
    return -ENOENT;
  }
  if ((request.flags & ~std::uint32_t{DRM_CLOEXEC | DRM_RDWR}) != 0 || (request.flags & DRM_CLOEXEC) == 0) {
    return -EINVAL;
  }
  const int fd = kernel_.make_dma_buf({.size = found->second->size - smaller_by,
                                       .exporter = "card",
                                       .writable = (request.flags & DRM_RDWR) != 0});
  if (fd < 0) {
    return -errno;
  }
  exported_.insert_or_assign(inode_of(fd), found->second);
  request.fd = fd;
  return 0;
}

int FakeCard::import_fd(Inode description, void* argument) {
  auto& request = *static_cast<drm_prime_handle*>(argument);
  auto& object = exported_[inode_of(request.fd)];
  if (object == nullptr) {
    object = std::make_shared<Object>(Object{4096});  // another exporter's
  }
  for (const auto& [key, known] : handles_) {
    if (key.first == description && known == object) {
      request.handle = key.second;
      return 0;
    }
  }
  request.handle = ++last_handle_;
  handles_.insert_or_assign({description, request.handle}, object);
  return 0;
}

int FakeCard::close(Inode description, void* argument) {
  const auto& request = *static_cast<const drm_gem_close*>(argument);
  if (handles_.erase({description, request.handle}) == 0) {
    ++wrong_closes_;
    return -EINVAL;
  }
  return 0;
}

}  // namespace causeway::test
