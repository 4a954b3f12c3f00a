// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/syscalls.h>
#include <causeway/deadline.hpp>
#include <causeway/dma_buf.hpp>
#include <causeway/fd.hpp>
#include <causeway/result.hpp>

#include <fcntl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace causeway::uapi {

inline constexpr std::uint64_t kPageSize = 4096;

/// A range of address space that is unmapped when this object goes.
class MappedRange {
public:
  MappedRange() noexcept = default;
  MappedRange(const cw_syscalls* table, std::byte* address, std::size_t length) noexcept
      : table_(table), address_(address), length_(length) {}
  MappedRange(MappedRange&& other) noexcept;
  MappedRange& operator=(MappedRange&& other) noexcept;
  MappedRange(const MappedRange&) = delete;
  MappedRange& operator=(const MappedRange&) = delete;
  ~MappedRange();

  [[nodiscard]] std::byte* address() const noexcept { return address_; }
  [[nodiscard]] std::size_t length() const noexcept { return length_; }
  /// Gives the range away: the caller unmaps it, by Kernel::unmap.
  [[nodiscard]] std::byte* release() noexcept { return std::exchange(address_, nullptr); }

private:
  const cw_syscalls* table_ = nullptr;
  std::byte* address_ = nullptr;
  std::size_t length_ = 0;
};

/// Typed system calls over the injectable table: descriptors are owned and close-on-exec, failures are
/// sentences, calls that a signal interrupts are repeated. What only dma-bufs and their exporters have is in
/// dma_buf.hpp, udmabuf.hpp and dma_heap.hpp beside this file.
///
/// Threads: thread-safe.
class Kernel {
public:
  explicit Kernel(const cw_syscalls& table) noexcept : table_(&table) {}

  [[nodiscard]] const cw_syscalls& table() const noexcept { return *table_; }

  /// Errors: NotFound, Permission, OutOfFds.
  [[nodiscard]] Result<UniqueFd> open(const std::string& path, int flags) const;
  /// Sorted. Errors: NotFound, Permission, OutOfFds.
  [[nodiscard]] Result<std::vector<std::string>> list_directory(const std::string& path) const;
  [[nodiscard]] Result<UniqueFd> duplicate(BorrowedFd fd) const;
  [[nodiscard]] Result<ObjectId> identity(BorrowedFd fd) const;
  enum class SameFile : std::uint8_t {
    No,
    Yes,
    NotKnown,  ///< this kernel cannot compare descriptors
  };
  /// Whether two descriptors are of one open file (F_DUPFD_QUERY). No, too, for one that is none. Here, as
  /// each return after a system call is a slow one.
  [[nodiscard]] SameFile same_file(BorrowedFd a, BorrowedFd b) const noexcept {
#ifdef F_DUPFD_QUERY
    constexpr int kQuery = F_DUPFD_QUERY;
#else
    constexpr int kQuery = 1024 + 3;  // since Linux 6.10; older C libraries lack the name
#endif
    for (;;) {
      const int answer = table_->fcntl(table_->context, a.get(), kQuery, b.get());
      if (answer >= 0) {
        return answer == 1 ? SameFile::Yes : SameFile::No;
      }
      if (errno != EINTR) {
        return errno == EINVAL ? SameFile::NotKnown : SameFile::No;
      }
    }
  }
  /// Whether each page of a memfd exists, and none can go away by shrinking: then reading anywhere in it is
  /// sound, and makes the kernel map what lies around (fault-around).
  [[nodiscard]] bool pages_are_there_to_stay(BorrowedFd memfd) const noexcept;
  /// Bytes, by seeking to the end: the one way that dma-bufs and memfds share.
  [[nodiscard]] Result<std::uint64_t> size(BorrowedFd fd) const;
  /// False for a descriptor opened read-only (F_GETFL), and for a memfd sealed against writing.
  [[nodiscard]] Result<bool> writable(BorrowedFd fd) const;
  /// What statfs(2) tells of the file system that the file is of: its magic number and its block size.
  struct FileSystem {
    std::uint64_t type = 0;
    std::uint64_t block = 0;  ///< bytes; of hugetlbfs: its huge page
  };
  [[nodiscard]] Result<FileSystem> file_system(BorrowedFd fd) const;
  /// True for memory that is a file of tmpfs or hugetlbfs: a memfd.
  [[nodiscard]] Result<bool> is_shared_memory(BorrowedFd fd) const;
  /// True for an end of a pipe.
  [[nodiscard]] bool is_pipe(BorrowedFd fd) const noexcept;
  /// The unit in which it is mapped by mmap(2), for offsets and lengths: the huge page's size for a file of
  /// hugetlbfs, a page for any other.
  [[nodiscard]] Result<std::uint64_t> mapping_unit(BorrowedFd fd) const;
  /// Where the pages of a memfd come from.
  enum class Pages { Ordinary, HugePool };
  /// A memfd of that many bytes that can no longer shrink, as udmabuf asks for it. From the pool of huge
  /// pages (MFD_HUGETLB) it is whole pages of 2 MiB, and made even if the pool is empty: a mapping of it then
  /// fails with OutOfMemory, which reserves them otherwise.
  [[nodiscard]] Result<UniqueFd> memfd(const std::string& name, std::uint64_t size,
                                       Pages pages = Pages::Ordinary) const;
  /// Shared, from offset on; writable or not; with all pages present if populate. alignment, a power of two,
  /// is a wish: where address space allows, the address equals offset modulo alignment, as huge pages need
  /// it.
  [[nodiscard]] Result<MappedRange> map(BorrowedFd fd, std::uint64_t offset, std::uint64_t size,
                                        bool writable, bool populate,
                                        std::uint64_t alignment = kPageSize) const;
  void unmap(std::byte* address, std::size_t length) const noexcept;
  /// True once one of events is there, false if the deadline came first.
  [[nodiscard]] Result<bool> poll(BorrowedFd fd, short events, Deadline deadline) const;
  [[nodiscard]] Result<UniqueFd> eventfd() const;
  struct Pipe {
    UniqueFd reading_end;
    UniqueFd writing_end;
  };
  /// Non-blocking. Errors: OutOfFds.
  [[nodiscard]] Result<Pipe> pipe() const;
  [[nodiscard]] Result<UniqueFd> epoll() const;
  /// Has epoll show that one of events is there at fd. Errors: InvalidArgument, OutOfMemory.
  [[nodiscard]] Status watch(BorrowedFd epoll, BorrowedFd fd, short events) const;
  void unwatch(BorrowedFd epoll, BorrowedFd fd) const noexcept;

  /// ioctl, repeated while it answers EINTR or EAGAIN; what it returned, or -errno.
  [[nodiscard]] int ioctl(BorrowedFd fd, unsigned long request, void* argument) const noexcept;
  /// madvise: 0, or -1 and errno.
  [[nodiscard]] int madvise(std::byte* address, std::uint64_t length, int advice) const noexcept;
  /// fcntl: what it returned, or -1 and errno.
  [[nodiscard]] int fcntl(BorrowedFd fd, int command, long argument) const noexcept;

private:
  /// The address, or MAP_FAILED and errno.
  [[nodiscard]] void* mmap(void* place, std::uint64_t size, int protection, int flags, BorrowedFd fd,
                           std::uint64_t offset) const noexcept;
  /// A free place in the address space that suits a mapping so aligned; null if none was found.
  [[nodiscard]] void* aligned_place(std::uint64_t offset, std::uint64_t size,
                                    std::uint64_t alignment) const noexcept;

  const cw_syscalls* table_;
};

/// The failure of a system call, with what to do about it where that is known.
[[nodiscard]] Error system_error(std::string operation, std::string detail, int system_errno);

[[nodiscard]] constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) noexcept {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace causeway::uapi
