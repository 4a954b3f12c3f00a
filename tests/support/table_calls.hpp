// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/syscalls.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/mman.h>

#include <causeway/fd.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

namespace causeway::test {

/// The calls of a table with less to write, for tests of the fake kernel and for raw comparisons. They make
/// one call each and answer as it does.
class TableCalls {
public:
  explicit TableCalls(const cw_syscalls* table) : table_(*table) {}

  [[nodiscard]] UniqueFd open(const char* path, int flags = O_RDWR | O_CLOEXEC) const {
    return UniqueFd(table_.open(table_.context, path, flags));
  }
  int ioctl(const UniqueFd& fd, unsigned long request, void* argument) const {
    return table_.ioctl(table_.context, fd.get(), request, argument);
  }
  int fcntl(const UniqueFd& fd, int command, long argument = 0) const {
    return table_.fcntl(table_.context, fd.get(), command, argument);
  }
  /// A sealed memfd of that size, as udmabuf wants it.
  [[nodiscard]] UniqueFd memfd(std::uint64_t size, int seals = F_SEAL_SHRINK) const {
    UniqueFd fd(table_.memfd_create(table_.context, "test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (table_.ftruncate(table_.context, fd.get(), static_cast<std::int64_t>(size)) != 0 ||
        (seals != 0 && fcntl(fd, F_ADD_SEALS, seals) != 0)) {
      return UniqueFd();
    }
    return fd;
  }
  [[nodiscard]] UniqueFd udmabuf(const UniqueFd& memfd, std::uint64_t offset, std::uint64_t size) const {
    const auto node = open("/dev/udmabuf");
    udmabuf_create create{.memfd = static_cast<std::uint32_t>(memfd.get()),
                          .flags = UDMABUF_FLAGS_CLOEXEC,
                          .offset = offset,
                          .size = size};
    return UniqueFd(ioctl(node, UDMABUF_CREATE, &create));
  }
  [[nodiscard]] UniqueFd heap_buffer(const char* heap, std::uint64_t size,
                                     unsigned fd_flags = O_RDWR | O_CLOEXEC) const {
    const auto node = open(heap);
    dma_heap_allocation_data request{.len = size, .fd = 0, .fd_flags = fd_flags, .heap_flags = 0};
    return UniqueFd(ioctl(node, DMA_HEAP_IOCTL_ALLOC, &request) == 0 ? static_cast<int>(request.fd) : -1);
  }
  int sync(const UniqueFd& fd, std::uint64_t flags) const {
    dma_buf_sync argument{.flags = flags};
    return ioctl(fd, DMA_BUF_IOCTL_SYNC, &argument);
  }
  int start(const UniqueFd& fd, std::uint64_t flags) const { return sync(fd, flags | DMA_BUF_SYNC_START); }
  int end(const UniqueFd& fd, std::uint64_t flags) const { return sync(fd, flags | DMA_BUF_SYNC_END); }
  [[nodiscard]] std::int64_t size_of(const UniqueFd& fd) const {
    return table_.lseek(table_.context, fd.get(), 0, SEEK_END);
  }
  /// Empty if mmap(2) is refused.
  [[nodiscard]] std::span<std::byte> map(const UniqueFd& fd, std::size_t size, std::int64_t offset = 0,
                                         int flags = MAP_SHARED,
                                         int protection = PROT_READ | PROT_WRITE) const {
    void* mapped = table_.mmap(table_.context, nullptr, size, protection, flags, fd.get(), offset);
    return mapped == MAP_FAILED ? std::span<std::byte>()
                                : std::span<std::byte>(static_cast<std::byte*>(mapped), size);
  }
  int unmap(std::span<std::byte> mapped) const {
    return table_.munmap(table_.context, mapped.data(), mapped.size());
  }
  /// The events that are ready at once.
  [[nodiscard]] short poll(const UniqueFd& fd, short events) const {
    pollfd entry{.fd = fd.get(), .events = events, .revents = 0};
    const timespec at_once{};
    return table_.ppoll(table_.context, &entry, 1, &at_once) < 0 ? static_cast<short>(-1) : entry.revents;
  }
  [[nodiscard]] const cw_syscalls& table() const { return table_; }

private:
  const cw_syscalls& table_;
};

}  // namespace causeway::test
