// SPDX-License-Identifier: Apache-2.0
//
// Operations on a dma-buf of the fake kernel: drivers/dma-buf/dma-buf.c.
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "support/fake_state.hpp"

namespace causeway::test {

namespace {

// A START that waits longer has most likely met a fence that the test forgot: better a violation than a hang.
constexpr std::chrono::seconds kLongestWait{10};

std::string flags_text(std::uint64_t flags) {
  switch (flags & DMA_BUF_SYNC_RW) {
    case DMA_BUF_SYNC_READ: return "READ";
    case DMA_BUF_SYNC_WRITE: return "WRITE";
    default: return "RW";
  }
}

}  // namespace

Fences FakeDmaBuf::pending(bool for_write) const {
  Fences found;
  for (const auto& held : fences) {
    if (!held.fence->signalled && (held.write || for_write)) {
      found.push_back(held.fence);
    }
  }
  return found;
}

bool FakeDmaBuf::bracket_is_open(std::uint64_t any_of) const {
  return std::any_of(open_brackets.begin(), open_brackets.end(),
                     [&](std::uint64_t flags) { return (flags & any_of) != 0; });
}

std::shared_ptr<FakeDmaBuf> FakeKernel::Impl::dma_buf(int fd) const {
  const auto inode = inode_of(fd);
  const auto found = inode ? dma_bufs.find(*inode) : dma_bufs.end();
  return found != dma_bufs.end() ? found->second : nullptr;
}

int FakeKernel::Impl::dma_buf_ioctl(FakeDmaBuf& buffer, unsigned long request, void* argument,
                                    std::unique_lock<std::mutex>& lock) {
  switch (request) {
    case DMA_BUF_IOCTL_SYNC: return sync(buffer, static_cast<const dma_buf_sync*>(argument)->flags, lock);
    case DMA_BUF_SET_NAME_A:
    case DMA_BUF_SET_NAME_B: {
      const auto* name = static_cast<const char*>(argument);
      const auto length = ::strnlen(name, DMA_BUF_NAME_LEN);
      if (length == DMA_BUF_NAME_LEN) {
        return -EINVAL;  // strndup_user(): no room for the NUL
      }
      buffer.name.assign(name, length);
      return 0;
    }
    case DMA_BUF_IOCTL_EXPORT_SYNC_FILE:
      return config.sync_files ? export_sync_file(buffer, argument) : -ENOTTY;
    case DMA_BUF_IOCTL_IMPORT_SYNC_FILE:
      return config.sync_files ? import_sync_file(buffer, argument) : -ENOTTY;
    default: return -ENOTTY;
  }
}

int FakeKernel::Impl::sync(FakeDmaBuf& buffer, std::uint64_t flags, std::unique_lock<std::mutex>& lock) {
  constexpr std::uint64_t kValid = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;
  if ((flags & ~kValid) != 0 || (flags & DMA_BUF_SYNC_RW) == 0) {
    return -EINVAL;
  }
  return (flags & DMA_BUF_SYNC_END) != 0 ? end(buffer, flags & DMA_BUF_SYNC_RW) : start(buffer, flags, lock);
}

int FakeKernel::Impl::start(FakeDmaBuf& buffer, std::uint64_t flags, std::unique_lock<std::mutex>& lock) {
  // dma_buf_begin_cpu_access() waits for the reservation, and knows no deadline.
  const bool for_write = (flags & DMA_BUF_SYNC_WRITE) != 0;
  if (!fence_signalled.wait_for(lock, kLongestWait, [&] { return buffer.pending(for_write).empty(); })) {
    violation("SYNC START of " + buffer.title + " waited " + std::to_string(kLongestWait.count()) +
              " s for a fence that nobody signalled; a real kernel would wait for ever.");
  }
  const bool maps_first = buffer.is_udmabuf && !buffer.has_sg_table;
  if (maps_first) {
    // begin_cpu_udmabuf() builds and maps its sg table at the first START, and mapping carries the CPU's
    // bytes to the device; only later STARTs carry the device's to the CPU.
    if (const auto at = buffer.memory.first_device_change()) {
      violation("The first SYNC START of " + buffer.title + " destroyed what a device had written at byte " +
                std::to_string(*at) + ": prime a udmabuf with START and END before a device touches it.");
    }
    buffer.has_sg_table = true;
    buffer.memory.clean();
  } else {
    check_cpu_writes(buffer, "SYNC START");
    if ((flags & DMA_BUF_SYNC_READ) != 0) {
      if (const auto at = buffer.memory.first_cpu_change()) {
        violation("SYNC START(" + flags_text(flags) + ") of " + buffer.title +
                  " discarded what the CPU had written at byte " + std::to_string(*at) +
                  " in a bracket that was still open.");
      }
      buffer.memory.invalidate();
    }
  }
  buffer.open_brackets.push_back(flags);
  return 0;
}

int FakeKernel::Impl::end(FakeDmaBuf& buffer, std::uint64_t flags) {
  if (buffer.is_udmabuf && !buffer.has_sg_table) {
    violation("SYNC END(" + flags_text(flags) + ") of " + buffer.title + " came without a START.");
    return -EINVAL;
  }
  const auto opened = std::find(buffer.open_brackets.rbegin(), buffer.open_brackets.rend(), flags);
  if (opened != buffer.open_brackets.rend()) {
    check_cpu_writes(buffer, "SYNC END");
    buffer.open_brackets.erase(std::next(opened).base());
  } else if (buffer.open_brackets.empty()) {
    violation("SYNC END(" + flags_text(flags) + ") of " + buffer.title + " came without a START.");
  } else {
    violation("SYNC END(" + flags_text(flags) + ") of " + buffer.title + " ended a bracket that START(" +
              flags_text(buffer.open_brackets.back()) + ") had opened: END carries the same flags.");
    buffer.open_brackets.pop_back();
  }
  if ((flags & DMA_BUF_SYNC_WRITE) != 0) {
    buffer.memory.clean();
  }
  return 0;
}

int FakeKernel::Impl::export_sync_file(FakeDmaBuf& buffer, void* argument) {
  auto& request = *static_cast<dma_buf_export_sync_file*>(argument);
  if ((request.flags & ~static_cast<std::uint32_t>(DMA_BUF_SYNC_RW)) != 0 || request.flags == 0) {
    return -EINVAL;
  }
  // Who is about to read waits for the writers; who is about to write, for all.
  const int fd = sync_files.create(buffer.title, buffer.pending((request.flags & DMA_BUF_SYNC_WRITE) != 0));
  if (fd < 0) {
    return -errno;
  }
  hand_out(fd, "it is a sync_file exported from " + buffer.title);
  request.fd = fd;
  return 0;
}

int FakeKernel::Impl::import_sync_file(FakeDmaBuf& buffer, const void* argument) {
  const auto& request = *static_cast<const dma_buf_import_sync_file*>(argument);
  if ((request.flags & ~static_cast<std::uint32_t>(DMA_BUF_SYNC_RW)) != 0 || request.flags == 0) {
    return -EINVAL;
  }
  const auto imported = sync_files.fences_of(request.fd);
  if (!imported) {
    return -EINVAL;
  }
  std::erase_if(buffer.fences, [](const auto& held) { return held.fence->signalled.load(); });
  for (const auto& fence : *imported) {
    buffer.fences.push_back({fence, (request.flags & DMA_BUF_SYNC_WRITE) != 0});
  }
  return 0;
}

bool FakeKernel::Impl::is_hugetlb(int fd) const {
  const auto inode = inode_of(fd);
  return inode && hugetlb.contains(*inode);
}

void* FakeKernel::Impl::map(void* address, std::size_t length, int protection, int flags, int fd,
                            std::int64_t offset) {
  const auto buffer = fd >= 0 ? dma_buf(fd) : nullptr;
  if (buffer == nullptr) {
    if (fd >= 0 && is_hugetlb(fd)) {
      // hugetlbfs_file_mmap(). The kernel rounds a length up, and then refuses to unmap as much as was asked.
      if (static_cast<std::uint64_t>(offset) % kHugePage != 0 || length % kHugePage != 0 ||
          length > config.huge_pages * kHugePage) {
        errno = length > config.huge_pages * kHugePage ? ENOMEM : EINVAL;
        return MAP_FAILED;
      }
    }
    void* mapped = ::mmap(address, length, protection, flags, fd, offset);
    if (mapped != MAP_FAILED) {
      const auto what =
          fd >= 0 ? "descriptor " + std::to_string(fd) : std::string("no file (anonymous memory)");
      note_mapping(mapped, {.length = length, .what = what, .dma_buf = nullptr});
    }
    return mapped;
  }
  const auto refuse = [](int failure) {
    errno = failure;
    return MAP_FAILED;
  };
  const int mode = ::fcntl(fd, F_GETFL) & O_ACCMODE;
  const bool shared = (flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;
  if (mode == O_WRONLY || (shared && (protection & PROT_WRITE) != 0 && mode == O_RDONLY)) {
    return refuse(EACCES);
  }
  const auto pages = (length + 4095) / 4096 * 4096;
  if (!shared || !buffer->mappable || length == 0 || offset < 0 || offset % 4096 != 0 ||
      pages > buffer->memory.size() || static_cast<std::uint64_t>(offset) > buffer->memory.size() - pages) {
    return refuse(EINVAL);
  }
  void* mapped = buffer->memory.map(address, length, protection, flags, static_cast<std::uint64_t>(offset));
  if (mapped != MAP_FAILED) {
    note_mapping(mapped, {.length = length, .what = buffer->title, .dma_buf = buffer});
  }
  return mapped;
}

}  // namespace causeway::test
