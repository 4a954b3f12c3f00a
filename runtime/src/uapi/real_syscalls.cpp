// SPDX-License-Identifier: Apache-2.0
#include "uapi/real_syscalls.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace causeway::uapi {
namespace {

int real_list_directory(void* /*context*/, const char* path, void (*visit)(void*, const char*), void* user) {
  DIR* directory = ::opendir(path);
  if (directory == nullptr) {
    return -1;
  }
  // readdir tells the end from a failure by errno alone (man 3 readdir).
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      visit(user, entry->d_name);
    }
    errno = 0;
  }
  const int failure = errno;
  ::closedir(directory);
  errno = failure;
  return failure == 0 ? 0 : -1;
}

const cw_syscalls kReal = {
    .struct_size = sizeof(cw_syscalls),
    .reserved = 0,
    .context = nullptr,
    .open = [](void*, const char* path, int flags) { return ::open(path, flags); },
    .list_directory = &real_list_directory,
    .ioctl = [](void*, int fd, unsigned long request,
                void* argument) { return ::ioctl(fd, request, argument); },
    .fcntl = [](void*, int fd, int command, long argument) { return ::fcntl(fd, command, argument); },
    .fstat = [](void*, int fd, struct stat* out) { return ::fstat(fd, out); },
    .fstatfs = [](void*, int fd, struct statfs* out) { return ::fstatfs(fd, out); },
    .lseek = [](void*, int fd, std::int64_t offset, int whence) -> std::int64_t {
      return ::lseek(fd, offset, whence);
    },
    .ftruncate = [](void*, int fd, std::int64_t length) { return ::ftruncate(fd, length); },
    .memfd_create = [](void*, const char* name, unsigned flags) { return ::memfd_create(name, flags); },
    .eventfd = [](void*, unsigned initial, int flags) { return ::eventfd(initial, flags); },
    .mmap = [](void*, void* address, std::size_t length, int protection, int flags, int fd,
               std::int64_t offset) { return ::mmap(address, length, protection, flags, fd, offset); },
    .munmap = [](void*, void* address, std::size_t length) { return ::munmap(address, length); },
    .madvise = [](void*, void* address, std::size_t length,
                  int advice) { return ::madvise(address, length, advice); },
    .ppoll =
        [](void*, struct pollfd* fds, nfds_t count, const struct timespec* timeout) {
          // Only to look, poll(2) is the shorter way: it copies neither a time nor signals.
          return timeout != nullptr && timeout->tv_sec == 0 && timeout->tv_nsec == 0
                     ? ::poll(fds, count, 0)
                     : ::ppoll(fds, count, timeout, nullptr);
        },
    .pipe2 = [](void*, int* ends, int flags) { return ::pipe2(ends, flags); },
    .epoll_create1 = [](void*, int flags) { return ::epoll_create1(flags); },
    .epoll_ctl = [](void*, int epoll, int operation, int fd,
                    struct epoll_event* event) { return ::epoll_ctl(epoll, operation, fd, event); },
};

}  // namespace

const cw_syscalls& real_syscalls() noexcept {
  return kReal;
}

}  // namespace causeway::uapi
