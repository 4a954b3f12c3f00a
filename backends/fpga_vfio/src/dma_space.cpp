// SPDX-License-Identifier: Apache-2.0
#include "dma_space.hpp"

#include <causeway/plugin/text.hpp>

namespace causeway::fpga_vfio_backend {

std::uint64_t DmaSpace::pages_of(std::uint64_t bytes) const {
  return (bytes + page() - 1) / page() * page();
}

Result<std::uint64_t> DmaSpace::map(const void* memory, std::uint64_t bytes, bool card_reads,
                                    bool card_writes) {
  const std::uint64_t length = pages_of(bytes);
  const std::lock_guard lock(mutex_);
  const auto iova = space_.take(length);
  if (!iova) {
    return Error(
        Errc::OutOfMemory, "fpga_vfio map",
        plugin::words(
            "there is no room for ", length, " bytes among the addresses of ", device_.address(), ", ",
            plugin::hex(bounds().first), " to ", plugin::hex(bounds().last), ", of which ", mapped_,
            " bytes are in use; unmap other buffers, or raise address_bits if the card drives more"));
  }
  if (auto mapped = device_.map(memory, length, *iova, card_reads, card_writes); !mapped) {
    space_.give_back(*iova, length);
    return std::move(mapped.error());
  }
  mapped_ += length;
  return *iova;
}

void DmaSpace::unmap(std::uint64_t iova, std::uint64_t bytes) {
  const std::uint64_t length = pages_of(bytes);
  const std::lock_guard lock(mutex_);
  if (auto unmapped = device_.unmap(iova, length); !unmapped) {
    // The addresses are not given out again: the card may still reach the pages behind them.
    host_.log(CW_LOG_ERROR, unmapped.error().message());
    return;
  }
  mapped_ -= length;
  space_.give_back(iova, length);
}

std::uint64_t DmaSpace::mapped_bytes() {
  const std::lock_guard lock(mutex_);
  return mapped_;
}

}  // namespace causeway::fpga_vfio_backend
