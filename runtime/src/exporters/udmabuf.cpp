// SPDX-License-Identifier: Apache-2.0
#include "uapi/udmabuf.hpp"

#include <utility>

#include "exporters/ladder.hpp"
#include "exporters/udmabuf_slab.hpp"

namespace causeway::exporters {
namespace {

/// A dma-buf over a memfd. The memfd stays with us: the CPU maps it, and devices that pin pages get it.
///
/// Huge pages only for who asks, and then proves what its devices see: from Linux 6.11 to 6.15 the kernel's
/// own mapping of a udmabuf (vmap_udmabuf()), which cameras without DMA write through, shows the first page
/// of a huge one in the place of each page of it.
class Udmabuf final : public core::Allocator {
public:
  explicit Udmabuf(const uapi::Kernel& kernel) : kernel_(kernel) {}

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }

  [[nodiscard]] Result<core::Storage> allocate(std::uint64_t size,
                                               const std::string& buffer_name) const override {
    auto one = make_udmabuf_slab(kernel_, std::span(&size, 1), core::Pages::Ordinary, buffer_name);
    if (!one) {
      return std::move(one.error());
    }
    return std::move(one->front());
  }

  [[nodiscard]] Result<std::vector<core::Storage>> allocate_together(
      std::span<const std::uint64_t> sizes, core::Pages pages,
      const std::string& buffer_name) const override {
    return make_udmabuf_slab(kernel_, sizes, pages, buffer_name);
  }

private:
  const uapi::Kernel& kernel_;
  std::string name_ = "udmabuf";
};

}  // namespace

std::unique_ptr<core::Allocator> make_udmabuf(const uapi::Kernel& kernel) {
  return std::make_unique<Udmabuf>(kernel);
}

}  // namespace causeway::exporters
