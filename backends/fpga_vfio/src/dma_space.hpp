// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>

#include <cstdint>
#include <mutex>

#include "iova_space.hpp"
#include "vfio_device.hpp"

namespace causeway::fpga_vfio_backend {

/// What is mapped for a card: device addresses, and the pages pinned behind them. Threads: thread-safe.
class DmaSpace {
public:
  DmaSpace(plugin::Host host, const VfioDevice& device, IovaSpace space)
      : host_(host), device_(device), space_(std::move(space)) {}

  /// The device address of memory, whose length is rounded up to pages.
  /// Errors: OutOfMemory (no room among the addresses; RLIMIT_MEMLOCK), Unsupported (not to be pinned).
  [[nodiscard]] Result<std::uint64_t> map(const void* memory, std::uint64_t bytes, bool card_reads,
                                          bool card_writes);
  void unmap(std::uint64_t iova, std::uint64_t bytes);

  [[nodiscard]] std::uint64_t largest() const { return space_.largest(); }
  [[nodiscard]] IovaRange bounds() const { return space_.bounds(); }
  [[nodiscard]] std::uint64_t page() const { return space_.page(); }
  [[nodiscard]] std::uint64_t mapped_bytes();

private:
  [[nodiscard]] std::uint64_t pages_of(std::uint64_t bytes) const;

  plugin::Host host_;
  const VfioDevice& device_;
  std::mutex mutex_;
  IovaSpace space_;           // guarded by mutex_ but for what never changes
  std::uint64_t mapped_ = 0;  // guarded by mutex_
};

}  // namespace causeway::fpga_vfio_backend
