// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/deadline.hpp>
#include <causeway/result.hpp>
#include <causeway/usage.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace causeway {

namespace core {
class FrameState;
}  // namespace core

/// The CPU's turn on one or more buffers: begun with SYNC START, ended with SYNC END, the same flags both
/// times (Documentation/driver-api/dma-buf.rst, "CPU access to DMA Buffer Objects"). As long as only the CPU
/// touches the memory, END waits, and the next bracket is left out; Counters tell.
///
/// Call end() and look at its Result; an access that is dropped is ended too, but what went wrong then is
/// only logged. The spans die with the access.
///
/// Threads: thread-bound.
class CpuAccess {
public:
  CpuAccess(CpuAccess&&) noexcept;
  CpuAccess& operator=(CpuAccess&&) noexcept;
  ~CpuAccess();

  /// The bytes of object i. Writing to them is right only if the access was begun for writing.
  [[nodiscard]] std::span<std::byte> bytes(std::uint32_t object = 0) const noexcept;
  /// The bytes of plane p of the frame, from its offset to the end of its last row.
  [[nodiscard]] std::span<std::byte> plane(std::uint32_t p) const noexcept;
  /// Bytes from one row of plane p to the next.
  [[nodiscard]] std::uint32_t stride(std::uint32_t p) const noexcept;

  /// Ends the turn: whoever begins after it sees what the CPU wrote.
  /// Errors: WrongState (ended before), Io (the kernel's SYNC END failed).
  [[nodiscard]] Status end();

  CpuAccess(std::shared_ptr<const core::FrameState> frame, Usage usage,
            std::uint8_t lazy) noexcept;  ///< for the runtime itself

private:
  void abandon() noexcept;

  std::shared_ptr<const core::FrameState> frame_;  // null once ended
  Usage usage_;
  std::uint8_t lazy_;  // the objects whose END is put off
};

/// A part of a buffer in the address space of this process, unmapped when this object goes. The kernel calls
/// it mmap, or kmap for one page. Touch the bytes only between begin() and the end of the access.
///
/// Threads: reentrant.
class CpuRange {
public:
  CpuRange(CpuRange&& other) noexcept;
  CpuRange& operator=(CpuRange&& other) noexcept;
  ~CpuRange();

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  /// As CpuMapping::begin. The access's own bytes() are empty unless all of the buffer is mapped, too.
  [[nodiscard]] Result<CpuAccess> begin(Usage usage, Deadline deadline) const;

  CpuRange(std::shared_ptr<const core::FrameState> frame,
           std::span<std::byte> bytes) noexcept;  ///< for the runtime

private:
  std::shared_ptr<const core::FrameState> frame_;
  std::span<std::byte> bytes_;
};

/// A CPU mapping of a buffer, kept and cached while the buffer lives; the kernel calls it mmap and vmap.
/// A cheap shared handle. The bytes are reached through begin().
///
/// Threads: thread-safe.
class CpuMapping {
public:
  /// Starts the CPU's turn. Waits until devices are done, at most until the deadline.
  /// usage: Usage::Read, Write or ReadWrite.
  /// Errors: Busy (a device or another thread has its turn), TimedOut, Unsupported (writing to a read-only
  /// buffer), Io.
  [[nodiscard]] Result<CpuAccess> begin(Usage usage, Deadline deadline) const;
  [[nodiscard]] std::uint64_t size() const noexcept;

  /// For the runtime itself. hold: counts this mapping while it lives.
  CpuMapping(std::shared_ptr<const core::FrameState> frame, std::shared_ptr<void> hold) noexcept;

private:
  std::shared_ptr<const core::FrameState> frame_;
  std::shared_ptr<void> hold_;
};

}  // namespace causeway
