// SPDX-License-Identifier: Apache-2.0
#include "null_kernel.hpp"

#include <fcntl.h>
#include <linux/magic.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

namespace causeway::bench {
namespace {

constexpr std::uint64_t kPage = 4096;
alignas(kPage) std::byte the_page[kPage];

int refuse() {
  errno = ENOSYS;
  return -1;
}

int query_descriptor(void* /*context*/, int /*fd*/, int command, long /*argument*/) {
  switch (command) {
    case F_GETFL: return O_RDWR;
    case F_GET_SEALS: return 0;
    default: return refuse();
  }
}

int identify(void* /*context*/, int fd, struct stat* out) {
  *out = {};
  out->st_dev = 1;
  out->st_ino = static_cast<ino_t>(fd);
  out->st_size = kPage;
  out->st_blksize = kPage;
  out->st_mode = S_IFREG | 0600;
  return 0;
}

int identify_filesystem(void* /*context*/, int /*fd*/, struct statfs* out) {
  *out = {};
  out->f_type = TMPFS_MAGIC;
  out->f_bsize = kPage;
  return 0;
}

void* map(void* /*context*/, void* /*address*/, size_t /*length*/, int /*protection*/, int /*flags*/,
          int /*fd*/, int64_t /*offset*/) {
  return the_page;
}

/// One page under that number.
class NullExporter final : public Exporter {
public:
  explicit NullExporter(int number) noexcept : number_(number) {}
  [[nodiscard]] std::string_view exp_name() const noexcept override { return "null"; }
  [[nodiscard]] Result<Backing> map_dma_buf(std::span<const AttachmentRequest> /*attachments*/,
                                            Direction /*direction*/) override {
    return Backing{.fd = BorrowedFd(number_), .size = kPage, .is_dma_buf = false};
  }
  void unmap_dma_buf(Direction /*direction*/) noexcept override {}
  void release() noexcept override {}

private:
  int number_;
};

}  // namespace

const cw_syscalls* NullKernel::table() noexcept {
  static const cw_syscalls table{
      .struct_size = sizeof(cw_syscalls),
      .reserved = 0,
      .context = nullptr,
      .open = [](void*, const char*, int) { return refuse(); },
      .list_directory = [](void*, const char*, void (*)(void*, const char*), void*) { return refuse(); },
      .ioctl = [](void*, int, unsigned long, void*) { return refuse(); },
      .fcntl = query_descriptor,
      .fstat = identify,
      .fstatfs = identify_filesystem,
      .lseek = [](void*, int, int64_t, int) { return static_cast<int64_t>(kPage); },
      .ftruncate = [](void*, int, int64_t) { return 0; },
      .memfd_create = [](void*, const char*, unsigned) { return refuse(); },
      .eventfd = [](void*, unsigned, int) { return refuse(); },
      .mmap = map,
      .munmap = [](void*, void*, size_t) { return 0; },
      .madvise = [](void*, void*, size_t, int) { return 0; },
      .ppoll = [](void*, struct pollfd*, nfds_t, const struct timespec*) { return refuse(); },
      .pipe2 = [](void*, int*, int) { return refuse(); },
      .epoll_create1 = [](void*, int) { return refuse(); },
      .epoll_ctl = [](void*, int, int, int, struct epoll_event*) { return refuse(); },
  };
  return &table;
}

DmaBuf NullKernel::buffer(Runtime& runtime, int number) {
  return DmaBuf::create(runtime, {.exporter = std::make_unique<NullExporter>(number), .size = kPage}).value();
}

}  // namespace causeway::bench
