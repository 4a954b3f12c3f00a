// SPDX-License-Identifier: Apache-2.0
#include "uapi/udmabuf.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <utility>

#include "exporters/ladder.hpp"
#include "uapi/dma_buf.hpp"

namespace causeway::exporters {
namespace {

/// A dma-buf over a memfd. The memfd stays with us: the CPU maps it, and devices that pin pages get it.
class Udmabuf final : public core::Allocator {
public:
  explicit Udmabuf(const uapi::Kernel& kernel) : kernel_(kernel) {}

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }

  [[nodiscard]] Result<core::Storage> allocate(std::uint64_t size,
                                               const std::string& buffer_name) const override {
    auto device = kernel_.open(uapi::kUdmabufPath, O_RDWR);
    if (!device) {
      if (device.error().code() == Errc::NotFound) {
        return std::move(device.error()).within("this kernel offers no udmabuf (module udmabuf)");
      }
      return std::move(device.error())
          .within("udmabuf needs access to its device (group kvm, or the seat's user)");
    }
    auto memfd = kernel_.memfd(buffer_name, size);
    if (!memfd) {
      return std::move(memfd.error());
    }
    auto fd = uapi::create_udmabuf(kernel_, device->borrow(), memfd->borrow(), 0, size);
    if (!fd) {
      return std::move(fd.error());
    }
    if (auto primed = prime(fd->borrow()); !primed) {
      return std::move(primed.error());
    }
    uapi::set_name(kernel_, fd->borrow(), buffer_name);
    return core::Storage{
        .fd = std::move(*fd), .size = size, .is_dma_buf = true, .pinnable = std::move(*memfd)};
  }

private:
  /// The first START of a udmabuf only builds its page table and tends no cache; later ones do. So it is done
  /// before any device can have touched the memory (drivers/dma-buf/udmabuf.c, begin_cpu_udmabuf).
  [[nodiscard]] Status prime(BorrowedFd fd) const {
    if (auto started = uapi::sync_start(kernel_, fd, Usage::ReadWrite); !started) {
      return started;
    }
    return uapi::sync_end(kernel_, fd, Usage::ReadWrite);
  }

  const uapi::Kernel& kernel_;
  std::string name_ = "udmabuf";
};

}  // namespace

std::unique_ptr<core::Allocator> make_udmabuf(const uapi::Kernel& kernel) {
  return std::make_unique<Udmabuf>(kernel);
}

}  // namespace causeway::exporters
