// SPDX-License-Identifier: Apache-2.0
#include "uapi/kernel.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace causeway::uapi {
namespace {

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26U)
#endif
constexpr unsigned kHugePool = MFD_HUGETLB | MFD_HUGE_2MB;

/// Makes a call again for as long as a signal interrupts it. Which calls can be interrupted depends on the
/// file (signal(7) lists the slow ones; a driver's mmap or close-on-exec duplicate may wait, too), so all are
/// treated alike: a caller of this library has no use for EINTR.
template <class Call>
auto uninterrupted(Call&& call) {
  for (;;) {
    const auto result = call();
    if (!(result < 0 && errno == EINTR)) {
      return result;
    }
  }
}

}  // namespace

MappedRange::MappedRange(MappedRange&& other) noexcept
    : table_(other.table_),
      address_(std::exchange(other.address_, nullptr)),
      length_(std::exchange(other.length_, 0)) {}

MappedRange& MappedRange::operator=(MappedRange&& other) noexcept {
  std::swap(table_, other.table_);
  std::swap(address_, other.address_);
  std::swap(length_, other.length_);
  return *this;
}

MappedRange::~MappedRange() {
  if (address_ != nullptr) {
    uninterrupted([&] { return table_->munmap(table_->context, address_, length_); });
  }
}

Error system_error(std::string operation, std::string detail, int system_errno) {
  if (system_errno == EMFILE) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    detail += fmt::format(
        "; this process has used up its {} file descriptors: raise the limit with `ulimit -n`, or let go of "
        "buffers",
        limit.rlim_cur);
  } else if (system_errno == ENFILE) {
    detail += "; the whole system has run out of open files: see /proc/sys/fs/file-max";
  }
  return Error(errc_from_errno(system_errno), std::move(operation), std::move(detail), system_errno);
}

Result<UniqueFd> Kernel::open(const std::string& path, int flags) const {
  const int fd =
      uninterrupted([&] { return table_->open(table_->context, path.c_str(), flags | O_CLOEXEC); });
  if (fd < 0) {
    return system_error("open", fmt::format("{} cannot be opened", path), errno);
  }
  return UniqueFd(fd);
}

Result<std::vector<std::string>> Kernel::list_directory(const std::string& path) const {
  std::vector<std::string> names;
  const auto visit = [](void* user, const char* name) {
    static_cast<std::vector<std::string>*>(user)->emplace_back(name);
  };
  const int result = uninterrupted([&] {
    names.clear();
    return table_->list_directory(table_->context, path.c_str(), visit, &names);
  });
  if (result != 0) {
    return system_error("opendir", fmt::format("the directory {} cannot be read", path), errno);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<UniqueFd> Kernel::duplicate(BorrowedFd fd) const {
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) {
    return system_error("F_DUPFD_CLOEXEC", fmt::format("descriptor {} cannot be duplicated", fd.get()),
                        errno);
  }
  return UniqueFd(copy);
}

Result<ObjectId> Kernel::identity(BorrowedFd fd) const {
  struct stat status {};
  if (uninterrupted([&] { return table_->fstat(table_->context, fd.get(), &status); }) != 0) {
    return system_error("fstat", fmt::format("descriptor {} is not open", fd.get()), errno);
  }
  return ObjectId{.device = status.st_dev, .inode = status.st_ino};
}

bool Kernel::pages_are_there_to_stay(BorrowedFd memfd) const noexcept {
  struct stat status {};
  const int seals = fcntl(memfd, F_GET_SEALS, 0);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 &&
         table_->fstat(table_->context, memfd.get(), &status) == 0 &&
         status.st_blocks >= status.st_size / 512;  // stat(2): in units of 512 bytes
}

Result<std::uint64_t> Kernel::size(BorrowedFd fd) const {
  const std::int64_t end =
      uninterrupted([&] { return table_->lseek(table_->context, fd.get(), 0, SEEK_END); });
  if (end < 0) {
    return system_error("lseek", fmt::format("descriptor {} has no size: it is not memory", fd.get()), errno);
  }
  return static_cast<std::uint64_t>(end);
}

Result<bool> Kernel::writable(BorrowedFd fd) const {
  const int flags = fcntl(fd, F_GETFL, 0);
  if (flags < 0) {
    return system_error("F_GETFL", fmt::format("descriptor {} is not open", fd.get()), errno);
  }
  if ((flags & O_ACCMODE) != O_RDWR) {
    return false;
  }
  const int seals = fcntl(fd, F_GET_SEALS, 0);
  if (seals < 0 && errno != EINVAL) {
    return system_error("F_GET_SEALS", fmt::format("descriptor {} cannot be examined", fd.get()), errno);
  }
  return seals < 0 || (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0;  // only memfds have seals
}

Result<Kernel::FileSystem> Kernel::file_system(BorrowedFd fd) const {
  struct statfs status {};
  if (uninterrupted([&] { return table_->fstatfs(table_->context, fd.get(), &status); }) != 0) {
    return system_error("fstatfs", fmt::format("descriptor {} cannot be examined", fd.get()), errno);
  }
  return FileSystem{.type = static_cast<std::uint64_t>(status.f_type),
                    .block = static_cast<std::uint64_t>(status.f_bsize)};
}

Result<bool> Kernel::is_shared_memory(BorrowedFd fd) const {
  auto system = file_system(fd);
  if (!system) {
    return std::move(system.error());
  }
  return system->type == TMPFS_MAGIC || system->type == HUGETLBFS_MAGIC;
}

bool Kernel::is_pipe(BorrowedFd fd) const noexcept {
  struct stat status {};
  return uninterrupted([&] { return table_->fstat(table_->context, fd.get(), &status); }) == 0 &&
         S_ISFIFO(status.st_mode);
}

Result<std::uint64_t> Kernel::mapping_unit(BorrowedFd fd) const {
  auto system = file_system(fd);
  if (!system) {
    return std::move(system.error());
  }
  return system->type == HUGETLBFS_MAGIC ? system->block : kPageSize;
}

Result<UniqueFd> Kernel::memfd(const std::string& name, std::uint64_t size, Pages pages) const {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (pages == Pages::HugePool ? kHugePool : 0U);
  UniqueFd fd(uninterrupted([&] { return table_->memfd_create(table_->context, name.c_str(), flags); }));
  if (!fd.valid()) {
    return system_error("memfd_create", fmt::format("no memfd of {} bytes could be made", size), errno);
  }
  if (uninterrupted([&] {
        return table_->ftruncate(table_->context, fd.get(), static_cast<std::int64_t>(size));
      }) != 0) {
    return system_error("ftruncate", fmt::format("a memfd could not be made {} bytes long", size), errno);
  }
  if (fcntl(fd.borrow(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    return system_error("F_ADD_SEALS", "a memfd could not be sealed against shrinking", errno);
  }
  return fd;
}

void* Kernel::aligned_place(std::uint64_t offset, std::uint64_t size,
                            std::uint64_t alignment) const noexcept {
  const std::uint64_t length = size + alignment;
  void* found =
      mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, BorrowedFd(-1), 0);
  if (found == MAP_FAILED) {
    return nullptr;
  }
  // Given back at once, and then only hinted at: were it replaced by MAP_FIXED instead, a mapping that fails
  // would leave a hole that another thread may fill before we unmap the rest.
  auto* start = static_cast<std::byte*>(found);
  unmap(start, length);
  return start + (offset - reinterpret_cast<std::uintptr_t>(start)) % alignment;
}

Result<MappedRange> Kernel::map(BorrowedFd fd, std::uint64_t offset, std::uint64_t size, bool writable,
                                bool populate, std::uint64_t alignment) const {
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const int flags = MAP_SHARED | (populate ? MAP_POPULATE : 0);
  void* place = alignment > kPageSize ? aligned_place(offset, size, alignment) : nullptr;
  void* address = mmap(place, size, protection, flags, fd, offset);
  if (address == MAP_FAILED) {
    auto detail = fmt::format("{} bytes at offset {} could not be mapped", size, offset);
    if (errno == EINVAL || errno == ENODEV) {
      // The request was sound: whole pages of a descriptor that is open. So its owner maps nothing, as the
      // driver of a card's BAR (EINVAL), or a file that knows no mmap (ENODEV).
      return Error(Errc::Unsupported, "mmap", detail + "; whoever exports this memory refuses mmap", errno);
    }
    return system_error("mmap", std::move(detail), errno);
  }
  return MappedRange(table_, static_cast<std::byte*>(address), size);
}

void Kernel::unmap(std::byte* address, std::size_t length) const noexcept {
  uninterrupted([&] { return table_->munmap(table_->context, address, length); });
}

void* Kernel::mmap(void* place, std::uint64_t size, int protection, int flags, BorrowedFd fd,
                   std::uint64_t offset) const noexcept {
  void* address = MAP_FAILED;
  do {
    address = table_->mmap(table_->context, place, size, protection, flags, fd.get(),
                           static_cast<std::int64_t>(offset));
  } while (address == MAP_FAILED && errno == EINTR);
  return address;
}

int Kernel::madvise(std::byte* address, std::uint64_t length, int advice) const noexcept {
  return uninterrupted([&] { return table_->madvise(table_->context, address, length, advice); });
}

int Kernel::fcntl(BorrowedFd fd, int command, long argument) const noexcept {
  return uninterrupted([&] { return table_->fcntl(table_->context, fd.get(), command, argument); });
}

Result<bool> Kernel::poll(BorrowedFd fd, short events, Deadline deadline) const {
  for (;;) {
    pollfd entry{.fd = fd.get(), .events = events, .revents = 0};
    timespec timeout{};
    const timespec* limit = nullptr;
    if (deadline.is_now()) {
      limit = &timeout;
    } else if (!deadline.is_never()) {
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.left());
      timeout.tv_sec = static_cast<time_t>(left.count() / 1'000'000'000);
      timeout.tv_nsec = static_cast<long>(left.count() % 1'000'000'000);
      limit = &timeout;
    }
    const int ready = table_->ppoll(table_->context, &entry, 1, limit);
    if (ready >= 0) {
      return ready > 0;
    }
    if (errno != EINTR && errno != EAGAIN) {
      return system_error("ppoll", fmt::format("descriptor {} cannot be waited for", fd.get()), errno);
    }
  }
}

Result<UniqueFd> Kernel::eventfd() const {
  const int fd =
      uninterrupted([&] { return table_->eventfd(table_->context, 0, EFD_CLOEXEC | EFD_NONBLOCK); });
  if (fd < 0) {
    return system_error("eventfd", "no event could be made", errno);
  }
  return UniqueFd(fd);
}

Result<Kernel::Pipe> Kernel::pipe() const {
  std::array<int, 2> ends{-1, -1};
  if (uninterrupted([&] { return table_->pipe2(table_->context, ends.data(), O_CLOEXEC | O_NONBLOCK); }) !=
      0) {
    return system_error("pipe2", "no pipe could be made", errno);
  }
  return Pipe{.reading_end = UniqueFd(ends[0]), .writing_end = UniqueFd(ends[1])};
}

Result<UniqueFd> Kernel::epoll() const {
  const int fd = uninterrupted([&] { return table_->epoll_create1(table_->context, EPOLL_CLOEXEC); });
  if (fd < 0) {
    return system_error("epoll_create1", "no epoll instance could be made", errno);
  }
  return UniqueFd(fd);
}

Status Kernel::watch(BorrowedFd epoll, BorrowedFd fd, short events) const {
  epoll_event event{};
  event.events = static_cast<std::uint32_t>(events);  // EPOLLIN equals POLLIN, and so on
  const int result = uninterrupted(
      [&] { return table_->epoll_ctl(table_->context, epoll.get(), EPOLL_CTL_ADD, fd.get(), &event); });
  if (result != 0) {
    return system_error("EPOLL_CTL_ADD", fmt::format("descriptor {} cannot be watched", fd.get()), errno);
  }
  return {};
}

void Kernel::unwatch(BorrowedFd epoll, BorrowedFd fd) const noexcept {
  epoll_event unused{};
  uninterrupted(
      [&] { return table_->epoll_ctl(table_->context, epoll.get(), EPOLL_CTL_DEL, fd.get(), &unused); });
}

int Kernel::ioctl(BorrowedFd fd, unsigned long request, void* argument) const noexcept {
  for (;;) {
    const int result = table_->ioctl(table_->context, fd.get(), request, argument);
    if (result >= 0) {
      return result;
    }
    if (errno != EINTR && errno != EAGAIN) {
      return -errno;
    }
  }
}

}  // namespace causeway::uapi
