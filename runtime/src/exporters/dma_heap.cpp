// SPDX-License-Identifier: Apache-2.0
#include "uapi/dma_heap.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "exporters/ladder.hpp"
#include "uapi/dma_buf.hpp"

namespace causeway::exporters {
namespace {

/// One of the kernel's dma-heaps.
class DmaHeap final : public core::Allocator {
public:
  DmaHeap(const uapi::Kernel& kernel, const std::string& heap)
      : kernel_(kernel),
        name_("dma_heap:" + heap),
        path_(fmt::format("{}/{}", uapi::kDmaHeapDirectory, heap)) {}

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }

  [[nodiscard]] Result<core::Storage> allocate(std::uint64_t size,
                                               const std::string& buffer_name) const override {
    auto heap = kernel_.open(path_, O_RDWR);
    if (!heap) {
      if (heap.error().code() == Errc::Permission) {
        return std::move(heap.error())
            .within("dma-heaps are usually root's alone; a udev rule can give them away");
      }
      return std::move(heap.error());
    }
    auto fd = uapi::allocate_from_heap(kernel_, heap->borrow(), size);
    if (!fd) {
      return std::move(fd.error());
    }
    uapi::set_name(kernel_, fd->borrow(), buffer_name);
    return core::Storage{.fd = std::move(*fd), .size = size, .is_dma_buf = true, .pinnable = {}};
  }

private:
  const uapi::Kernel& kernel_;
  std::string name_;
  std::string path_;
};

}  // namespace

std::vector<std::unique_ptr<core::Allocator>> make_dma_heaps(const uapi::Kernel& kernel) {
  std::vector<std::unique_ptr<core::Allocator>> heaps;
  auto names = kernel.list_directory(uapi::kDmaHeapDirectory);
  if (!names) {
    return heaps;  // a kernel without heaps has no such directory
  }
  // The system heap is the one that any size fits; scarce memory (contiguous, reserved) is for those who need
  // it.
  std::stable_partition(names->begin(), names->end(),
                        [](const std::string& name) { return name == "system"; });
  for (const auto& name : *names) {
    heaps.push_back(std::make_unique<DmaHeap>(kernel, name));
  }
  return heaps;
}

}  // namespace causeway::exporters
