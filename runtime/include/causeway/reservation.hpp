// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/deadline.hpp>
#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <causeway/usage.hpp>

#include <memory>

namespace causeway {

namespace core {
class BufferState;
}  // namespace core

/// Something for poll(2): the descriptor, and the event that it will show. Owned by the caller.
struct Pollable {
  UniqueFd fd;
  short events = 0;
};

/// Who still works on a buffer: the kernel's struct dma_resv, as far as user space sees it. A cheap handle.
///
/// Readiness for Read: all writers are done. For Write: everybody is (dma-buf.rst, "Implicit Fence Poll
/// Support"). Shared memory has no fences of the kernel and is always ready.
///
/// Threads: thread-safe.
class Reservation {
public:
  /// True if it is ready now. usage: Read, Write or ReadWrite. Errors: Io.
  [[nodiscard]] Result<bool> test(Usage usage) const;
  /// Errors: TimedOut.
  [[nodiscard]] Status wait(Usage usage, Deadline deadline) const;
  /// A descriptor that becomes ready then; for the caller's own poll loop. Errors: OutOfFds.
  [[nodiscard]] Result<Pollable> readiness(Usage usage) const;

  explicit Reservation(std::shared_ptr<core::BufferState> buffer) noexcept;  ///< for the runtime itself

private:
  std::shared_ptr<core::BufferState> buffer_;
};

}  // namespace causeway
