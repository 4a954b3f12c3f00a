// SPDX-License-Identifier: Apache-2.0
#pragma once

// Memory of the camera's own (V4L2_MEMORY_MMAP), exported as dma-bufs for others to use.

#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dialogue.hpp"
#include "node.hpp"

namespace causeway::v4l2_backend {

/// The buffers that the driver made and that were handed out. While there is one, the driver's queue is of
/// the MMAP kind, and takes no dma-bufs of others.
///
/// An index is handed out once: somebody may keep the exported descriptor beyond release(), and a second
/// export of the same index would share its bytes. With the last release all are given back to the driver;
/// memory whose descriptor is still open then lives on without the camera ("orphaned buffers").
///
/// Threads: one at a time, as backend_abi.h, rule 6.
class OwnMemory {
public:
  explicit OwnMemory(const Node& node) noexcept : node_(node) {}
  OwnMemory(const OwnMemory&) = delete;
  OwnMemory& operator=(const OwnMemory&) = delete;

  /// One more frame in the agreed format, which the camera must be set to. A failure leaves nothing behind.
  /// Errors: Unsupported (the driver has no such memory, or does not export it), Busy (no index left, or
  /// another program has the camera), OutOfMemory, OutOfFds, Io (the driver's answer makes no sense),
  /// DeviceLost.
  [[nodiscard]] Status allocate(const Agreed& agreed, cw_allocation& out);
  void release(void* token) noexcept;

  [[nodiscard]] std::size_t allocated() const noexcept { return loans_.size(); }

private:
  struct Loan {
    std::uint32_t index;
  };
  [[nodiscard]] Result<std::uint32_t> free_index();
  [[nodiscard]] Status export_frame(const Agreed& agreed, std::uint32_t index, cw_allocation& out) const;
  void give_all_back() noexcept;

  const Node& node_;
  std::vector<std::unique_ptr<Loan>> loans_;  ///< a token is the address of one
  std::vector<std::uint32_t> spare_;          ///< made by the driver, and exported to nobody
};

}  // namespace causeway::v4l2_backend
