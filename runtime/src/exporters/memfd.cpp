// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "exporters/ladder.hpp"
#include "uapi/huge_pages.hpp"

namespace causeway::exporters {
namespace {

/// Shared memory: on every machine, for every user. No dma-buf, so only devices that take a memfd or a host
/// pointer can use it (lavapipe, PoCL, the simulated FPGA).
class Memfd final : public core::Allocator {
public:
  explicit Memfd(const uapi::Kernel& kernel) : kernel_(kernel) {}

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }

  [[nodiscard]] Result<core::Storage> allocate(std::uint64_t size,
                                               const std::string& buffer_name) const override {
    auto fd = kernel_.memfd(buffer_name, size);
    if (!fd) {
      return std::move(fd.error());
    }
    // The memory is its own pinnable view; a second descriptor, so that each is closed by one owner.
    auto view = kernel_.duplicate(fd->borrow());
    if (!view) {
      return std::move(view.error());
    }
    const std::uint64_t huge = uapi::obtain_huge_pages(kernel_, fd->borrow(), 0, size);
    return core::Storage{.fd = std::move(*fd),
                         .size = size,
                         .is_dma_buf = false,
                         .pinnable = std::move(*view),
                         .huge_bytes = huge};
  }

private:
  const uapi::Kernel& kernel_;
  std::string name_ = "memfd";
};

}  // namespace

std::unique_ptr<core::Allocator> make_memfd(const uapi::Kernel& kernel) {
  return std::make_unique<Memfd>(kernel);
}

}  // namespace causeway::exporters
