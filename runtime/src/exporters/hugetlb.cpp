// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "exporters/ladder.hpp"
#include "uapi/dma_buf.hpp"
#include "uapi/huge_pages.hpp"
#include "uapi/udmabuf.hpp"

namespace causeway::exporters {
namespace {

/// Memory from the pool of huge pages that the administrator has set aside (vm.nr_hugepages), as a memfd or
/// as a dma-buf over one. Had by name only: the pool is usually meant for a certain program, and memory from
/// it is rounded up to 2 MiB.
class Hugetlb final : public core::Allocator {
public:
  Hugetlb(const uapi::Kernel& kernel, bool as_dma_buf)
      : kernel_(kernel), as_dma_buf_(as_dma_buf), name_(as_dma_buf ? "hugetlb:udmabuf" : "hugetlb:memfd") {}

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] bool on_ladder() const noexcept override { return false; }

  [[nodiscard]] Result<core::Storage> allocate(std::uint64_t size,
                                               const std::string& buffer_name) const override {
    const std::uint64_t whole = uapi::align_up(size, uapi::kHugePageSize);
    auto memfd = take_from_pool(whole, buffer_name);
    if (!memfd) {
      return std::move(memfd.error());
    }
    auto fd = as_dma_buf_ ? over(memfd->borrow(), whole, buffer_name) : kernel_.duplicate(memfd->borrow());
    if (!fd) {
      return std::move(fd.error());
    }
    return core::Storage{.fd = std::move(*fd),
                         .size = whole,
                         .is_dma_buf = as_dma_buf_,
                         .pinnable = std::move(*memfd),
                         .huge_bytes = whole};
  }

private:
  /// The pages are reserved by a mapping, once for the file: without it, whoever touches them when the pool
  /// is empty would die of SIGBUS (hugetlbfs_reserv.rst).
  [[nodiscard]] Result<UniqueFd> take_from_pool(std::uint64_t size, const std::string& buffer_name) const {
    auto memfd = kernel_.memfd(buffer_name, size, uapi::Kernel::Pages::HugePool);
    if (!memfd) {
      return std::move(memfd.error()).within("this kernel offers no pool of huge pages of 2 MiB");
    }
    if (auto reserved = kernel_.map(memfd->borrow(), 0, size, true, true); !reserved) {
      return std::move(reserved.error())
          .within(fmt::format(
              "the pool of huge pages has too few free: {} pages of 2 MiB are needed; raise "
              "vm.nr_hugepages (/proc/sys/vm), or take another exporter: memfd and udmabuf use huge pages "
              "without the pool, where they can",
              size / uapi::kHugePageSize));
    }
    return memfd;
  }

  /// Kernels before 6.12 refuse memfds of huge pages (EBADFD or EINVAL).
  [[nodiscard]] Result<UniqueFd> over(BorrowedFd memfd, std::uint64_t size,
                                      const std::string& buffer_name) const {
    auto device = uapi::open_udmabuf(kernel_);
    if (!device) {
      return device;
    }
    auto fd = uapi::create_udmabuf(kernel_, device->borrow(), memfd, 0, size);
    if (!fd) {
      return std::move(fd.error())
          .within("a udmabuf was to be made over the pool's huge pages, which not every kernel does");
    }
    if (auto primed = uapi::prime_udmabuf(kernel_, fd->borrow()); !primed) {
      return std::move(primed.error());
    }
    uapi::set_name(kernel_, fd->borrow(), buffer_name);
    return fd;
  }

  const uapi::Kernel& kernel_;
  const bool as_dma_buf_;
  const std::string name_;
};

}  // namespace

std::vector<std::unique_ptr<core::Allocator>> make_hugetlbs(const uapi::Kernel& kernel) {
  std::vector<std::unique_ptr<core::Allocator>> both;
  both.push_back(std::make_unique<Hugetlb>(kernel, true));
  both.push_back(std::make_unique<Hugetlb>(kernel, false));
  return both;
}

}  // namespace causeway::exporters
