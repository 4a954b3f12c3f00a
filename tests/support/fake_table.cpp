// SPDX-License-Identifier: Apache-2.0
//
// The functions of the fake kernel's cw_syscalls: each notes its call, fails if a test wants it to, and goes
// to the fake's own object behind the descriptor or on to the real kernel.
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/magic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "support/fake_state.hpp"

namespace causeway::test {

namespace {

FakeKernel* kernel_of(void* context) {
  return static_cast<FakeKernel*>(context);
}

template <class T>
T answer(T result) {
  if (result < 0) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return result;
}

std::string number(int fd) {
  return "descriptor " + std::to_string(fd);
}

}  // namespace

/// One static function for each member of the table.
struct FakeTable {
  using Impl = FakeKernel::Impl;

  static Impl& impl(void* context);
  // 0, or -1 and errno if a test wants this call to fail.
  static bool fails(Impl& k, FakeCall call) {
    const int failure = k.log.enter(std::move(call));
    errno = failure != 0 ? failure : errno;
    return failure != 0;
  }

  static int open(void* context, const char* path, int flags) {
    auto& k = impl(context);
    if (fails(k, {"open", "", path})) {
      return -1;
    }
    std::unique_lock lock(k.mutex);
    if (const auto device = k.devices.find(path); device != k.devices.end() && device->second.open) {
      const auto operation = device->second.open;  // of the test's own: it may call back into the fake
      lock.unlock();
      if (const int refused = operation(); refused != 0) {
        return answer(refused);
      }
      lock.lock();
    }
    return answer(k.open(path, flags));
  }

  static int list_directory(void* context, const char* path, void (*visit)(void*, const char*), void* user) {
    auto& k = impl(context);
    if (fails(k, {"list_directory", "", path})) {
      return -1;
    }
    std::vector<std::string> names;
    {
      const std::lock_guard lock(k.mutex);
      if (const int result = k.list_directory(path, names); result < 0) {
        return answer(result);
      }
    }
    for (const auto& name : names) {
      visit(user, name.c_str());
    }
    return 0;
  }

  static int ioctl(void* context, int fd, unsigned long request, void* argument) {
    auto& k = impl(context);
    const int failure = k.log.enter({"ioctl", ioctl_name(request), number(fd)});
    std::unique_lock lock(k.mutex);
    const auto buffer = k.dma_buf(fd);
    if (failure != 0) {
      const bool repeatable = failure == EINTR || failure == EAGAIN;
      if (buffer != nullptr && request == DMA_BUF_IOCTL_SYNC && !repeatable &&
          (static_cast<const dma_buf_sync*>(argument)->flags & DMA_BUF_SYNC_END) != 0) {
        buffer->end_was_refused = true;
      }
      return answer(-failure);
    }
    if (buffer != nullptr) {
      return answer(k.dma_buf_ioctl(*buffer, request, argument, lock));
    }
    const auto inode = inode_of(fd);
    if (!inode) {
      return answer(-EBADF);
    }
    if (const auto node = k.nodes.find(*inode); node != k.nodes.end()) {
      if (const auto* device = std::get_if<FakeDevice>(&node->second)) {
        const auto operation = device->ioctl;  // of the test's own: it may call back into the fake
        lock.unlock();
        return answer(operation ? operation(fd, request, argument) : -ENOTTY);
      }
      return answer(k.node_ioctl(node->second, request, argument));
    }
    if (k.sync_files.fences_of(fd)) {
      int made = -1;
      const int result = k.sync_files.ioctl(fd, request, argument, made);
      if (made >= 0) {
        k.hand_out(made, "it is a sync_file merged of two");
      }
      return answer(result);
    }
    return ::ioctl(fd, request, argument);
  }

  static int fcntl(void* context, int fd, int command, long argument) {
    auto& k = impl(context);
    if (fails(k, {"fcntl", fcntl_name(command), number(fd)})) {
      return -1;
    }
    const std::lock_guard lock(k.mutex);
    if (command == kFcntlDupfdQuery && !k.config.dup_query) {
      return answer(-EINVAL);
    }
    if ((command == F_ADD_SEALS || command == F_GET_SEALS) && k.dma_buf(fd) != nullptr) {
      return answer(-EINVAL);  // only memfds have seals
    }
    if (command == F_SETFD) {
      k.require_cloexec((argument & FD_CLOEXEC) != 0, "FD_CLOEXEC was taken from " + number(fd));
    }
    const int result = ::fcntl(fd, command, argument);
    if (result >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC)) {
      k.require_cloexec(command == F_DUPFD_CLOEXEC,
                        number(fd) + " was duplicated by F_DUPFD, not F_DUPFD_CLOEXEC");
      k.hand_out_duplicate(result, "it was duplicated from " + number(fd));
    }
    return result;
  }

  static int fstat(void* context, int fd, struct stat* out) {
    auto& k = impl(context);
    if (fails(k, {"fstat", "", number(fd)})) {
      return -1;
    }
    const int result = ::fstat(fd, out);
    const std::lock_guard lock(k.mutex);
    if (result == 0 && k.nodes.contains({out->st_dev, out->st_ino})) {
      out->st_mode = S_IFCHR | 0600;
    }
    return result;
  }

  static int fstatfs(void* context, int fd, struct statfs* out) {
    auto& k = impl(context);
    if (fails(k, {"fstatfs", "", number(fd)})) {
      return -1;
    }
    const int result = ::fstatfs(fd, out);
    const std::lock_guard lock(k.mutex);
    if (result == 0 && k.dma_buf(fd) != nullptr) {
      out->f_type = DMA_BUF_MAGIC;
    } else if (result == 0 && k.is_hugetlb(fd)) {
      out->f_type = HUGETLBFS_MAGIC;
      out->f_bsize = kHugePage;
    }
    return result;
  }

  static std::int64_t lseek(void* context, int fd, std::int64_t offset, int whence) {
    auto& k = impl(context);
    if (fails(k, {"lseek", "", number(fd)})) {
      return -1;
    }
    const std::lock_guard lock(k.mutex);
    const auto buffer = k.dma_buf(fd);
    if (buffer == nullptr) {
      return ::lseek(fd, offset, whence);
    }
    // dma_buf_llseek() serves only to find the size.
    if (offset != 0 || (whence != SEEK_END && whence != SEEK_SET)) {
      return answer<std::int64_t>(-EINVAL);
    }
    return whence == SEEK_END ? static_cast<std::int64_t>(buffer->memory.size()) : 0;
  }

  static int ftruncate(void* context, int fd, std::int64_t length) {
    auto& k = impl(context);
    if (fails(k, {"ftruncate", "", number(fd)})) {
      return -1;
    }
    const std::lock_guard lock(k.mutex);
    const bool no_huge_pages =
        k.is_hugetlb(fd) && static_cast<std::uint64_t>(length) % kHugePage != 0;  // hugetlbfs_setattr()
    return k.dma_buf(fd) != nullptr || no_huge_pages ? answer(-EINVAL) : ::ftruncate(fd, length);
  }

  static int memfd_create(void* context, const char* name, unsigned int flags) {
    auto& k = impl(context);
    if (fails(k, {"memfd_create", "", name})) {
      return -1;
    }
    const std::lock_guard lock(k.mutex);
    k.require_cloexec((flags & MFD_CLOEXEC) != 0,
                      "memfd_create(\"" + std::string(name) + "\") was called without MFD_CLOEXEC");
    const bool huge = (flags & MFD_HUGETLB) != 0;
    constexpr unsigned kSizeBits = 63U << 26U;  // MFD_HUGE_SHIFT, MFD_HUGE_MASK
    const int fd = ::memfd_create(name, huge ? flags & ~(MFD_HUGETLB | kSizeBits) : flags);
    if (fd >= 0 && huge) {
      k.hugetlb.insert(*inode_of(fd));
    }
    if (fd >= 0) {
      static_cast<void>(mark_description(fd));  // unmarked, its bytes are kept until the fake ends
      k.hand_out(fd, "it is memfd \"" + std::string(name) + "\"");
    }
    return fd;
  }

  static int eventfd(void* context, unsigned int initial, int flags) {
    auto& k = impl(context);
    if (fails(k, {"eventfd", "", ""})) {
      return -1;
    }
    const std::lock_guard lock(k.mutex);
    k.require_cloexec((flags & EFD_CLOEXEC) != 0, "eventfd was called without EFD_CLOEXEC");
    const int fd = ::eventfd(initial, flags);
    if (fd >= 0) {
      k.hand_out(fd, "it is an eventfd");
    }
    return fd;
  }

  static void* mmap(void* context, void* address, size_t length, int protection, int flags, int fd,
                    std::int64_t offset) {
    auto& k = impl(context);
    if (fails(k, {"mmap", "", number(fd)})) {
      return MAP_FAILED;
    }
    const std::lock_guard lock(k.mutex);
    return k.map(address, length, protection, flags, fd, offset);
  }

  static int munmap(void* context, void* address, size_t length) {
    auto& k = impl(context);
    const int failure = k.log.enter({"munmap", "", ""});
    const std::lock_guard lock(k.mutex);
    if (failure != 0) {
      if (const auto mapping = k.mappings.find(reinterpret_cast<std::uintptr_t>(address));
          mapping != k.mappings.end()) {
        mapping->second.unmap_was_refused = true;
      }
      return answer(-failure);
    }
    const int result = ::munmap(address, length);
    if (result == 0) {
      k.note_unmapped(address, length);
    }
    return result;
  }

  static int madvise(void* context, void* address, size_t length, int advice) {
    auto& k = impl(context);
    if (fails(k, {"madvise", "", "advice " + std::to_string(advice)})) {
      return -1;
    }
    const std::lock_guard lock(k.mutex);
    const auto after = k.mappings.upper_bound(reinterpret_cast<std::uintptr_t>(address));
    if (after != k.mappings.begin() && advice != MADV_DONTFORK && advice != MADV_DOFORK) {
      const auto& [start, mapping] = *std::prev(after);
      if (mapping.dma_buf != nullptr && reinterpret_cast<std::uintptr_t>(address) < start + mapping.length) {
        return answer(-EINVAL);  // the pages of a dma-buf are mapped as VM_PFNMAP: there is nothing to advise
      }
    }
    return ::madvise(address, length, advice);
  }

  static int ppoll(void* context, pollfd* fds, nfds_t count, const timespec* timeout) {
    auto& k = impl(context);
    if (fails(k, {"ppoll", "", std::to_string(count) + " descriptors"})) {
      return -1;
    }
    return answer(k.poll(fds, count, timeout));
  }

  static int pipe2(void* context, int* ends, int flags) {
    auto& k = impl(context);
    if (fails(k, {"pipe2", "", ""})) {
      return -1;
    }
    const std::lock_guard lock(k.mutex);
    k.require_cloexec((flags & O_CLOEXEC) != 0, "pipe2 was called without O_CLOEXEC");
    const int result = ::pipe2(ends, flags);
    if (result == 0) {
      k.hand_out(ends[0], "it is an end of a pipe");
    }
    return result;
  }

  static int epoll_create1(void* context, int flags) {
    auto& k = impl(context);
    if (fails(k, {"epoll_create1", "", ""})) {
      return -1;
    }
    const std::lock_guard lock(k.mutex);
    k.require_cloexec((flags & EPOLL_CLOEXEC) != 0, "epoll_create1 was called without EPOLL_CLOEXEC");
    const int fd = ::epoll_create1(flags);
    if (fd >= 0) {
      k.hand_out(fd, "it is an epoll instance");
    }
    return fd;
  }

  static int epoll_ctl(void* context, int epoll, int operation, int fd, struct epoll_event* event) {
    auto& k = impl(context);
    if (fails(k, {"epoll_ctl", "", number(fd)})) {
      return -1;
    }
    return ::epoll_ctl(epoll, operation, fd, event);  // sync_files of the fake are real pipes
  }
};

FakeTable::Impl& FakeTable::impl(void* context) {
  return *kernel_of(context)->impl_;
}

void FakeKernel::Impl::fill_table(FakeKernel& owner) {
  table = {.struct_size = sizeof(cw_syscalls),
           .reserved = 0,
           .context = &owner,
           .open = &FakeTable::open,
           .list_directory = &FakeTable::list_directory,
           .ioctl = &FakeTable::ioctl,
           .fcntl = &FakeTable::fcntl,
           .fstat = &FakeTable::fstat,
           .fstatfs = &FakeTable::fstatfs,
           .lseek = &FakeTable::lseek,
           .ftruncate = &FakeTable::ftruncate,
           .memfd_create = &FakeTable::memfd_create,
           .eventfd = &FakeTable::eventfd,
           .mmap = &FakeTable::mmap,
           .munmap = &FakeTable::munmap,
           .madvise = &FakeTable::madvise,
           .ppoll = &FakeTable::ppoll,
           .pipe2 = &FakeTable::pipe2,
           .epoll_create1 = &FakeTable::epoll_create1,
           .epoll_ctl = &FakeTable::epoll_ctl};
}

FakeKernel* FakeKernel::behind(const cw_syscalls* table) {
  return table != nullptr && table->open == &FakeTable::open ? kernel_of(table->context) : nullptr;
}

}  // namespace causeway::test
