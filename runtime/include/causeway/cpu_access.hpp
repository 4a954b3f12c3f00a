// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/deadline.hpp>
#include <causeway/result.hpp>
#include <causeway/usage.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace causeway {

namespace core {
class FrameState;

/// A shared reference from which turns of the CPU begin. Such a turn takes no reference of its own: a
/// reference that goes while one is open is left to the turn's end.
///
/// Threads: thread-safe, as a std::shared_ptr.
class FrameHandle {
public:
  explicit FrameHandle(std::shared_ptr<const FrameState> state) noexcept : state_(std::move(state)) {}
  FrameHandle(const FrameHandle&) noexcept = default;
  FrameHandle(FrameHandle&&) noexcept = default;
  FrameHandle& operator=(const FrameHandle& other) noexcept {
    FrameHandle(other).swap(*this);
    return *this;
  }
  FrameHandle& operator=(FrameHandle&& other) noexcept {
    FrameHandle(std::move(other)).swap(*this);
    return *this;
  }
  ~FrameHandle() {
    if (state_ != nullptr) {
      let_go();
    }
  }

  [[nodiscard]] const std::shared_ptr<const FrameState>& state() const noexcept { return state_; }
  [[nodiscard]] const FrameState& operator*() const noexcept { return *state_; }
  [[nodiscard]] const FrameState* operator->() const noexcept { return state_.get(); }
  /// The reference itself, for an access that is to keep it.
  [[nodiscard]] std::shared_ptr<const FrameState> take() && noexcept { return std::move(state_); }

private:
  void swap(FrameHandle& other) noexcept { state_.swap(other.state_); }
  void let_go() noexcept;

  std::shared_ptr<const FrameState> state_;
};
}  // namespace core

/// The CPU's turn on one or more buffers: begun with SYNC START, ended with SYNC END, the same flags both
/// times (Documentation/driver-api/dma-buf.rst, "CPU access to DMA Buffer Objects"). As long as only the CPU
/// touches the memory, END waits, and the next bracket is left out; Counters tell.
///
/// Call end() and look at its Result; an access that is dropped is ended too, but what went wrong then is
/// only logged. The spans die with the access. The memory stays for as long as the access is open, even if
/// all handles to it go; keep one, since letting the last one go first is slow (docs/ownership.md).
///
/// Threads: thread-bound.
class CpuAccess {
public:
  CpuAccess(CpuAccess&& other) noexcept
      : frame_(std::exchange(other.frame_, nullptr)),
        usage_(other.usage_),
        lazy_(other.lazy_),
        kept_(std::move(other.kept_)) {}
  CpuAccess& operator=(CpuAccess&&) noexcept;
  ~CpuAccess() {
    if (frame_ != nullptr) {
      abandon();
    }
  }

  /// The bytes of object i. Writing to them is right only if the access was begun for writing.
  [[nodiscard]] std::span<std::byte> bytes(std::uint32_t object = 0) const noexcept;
  /// The bytes of plane p of the frame, from its offset to the end of its last row.
  [[nodiscard]] std::span<std::byte> plane(std::uint32_t p) const noexcept;
  /// Bytes from one row of plane p to the next.
  [[nodiscard]] std::uint32_t stride(std::uint32_t p) const noexcept;

  /// Ends the turn: whoever begins after it sees what the CPU wrote.
  /// Errors: WrongState (ended before), Io (the kernel's SYNC END failed).
  [[nodiscard]] Status end();

  /// For the runtime itself. The turn keeps frame alive, as core::FrameHandle has it.
  CpuAccess(const core::FrameState& frame, Usage usage, std::uint8_t lazy) noexcept
      : frame_(&frame), usage_(usage), lazy_(lazy) {}
  /// The same for a turn that was begun by a handle which goes at once: the access has its reference.
  void keep(std::shared_ptr<const core::FrameState> reference) noexcept { kept_ = std::move(reference); }

private:
  void abandon() noexcept;
  [[nodiscard]] Status end_and_let_go(const core::FrameState& frame);

  const core::FrameState* frame_;  // null once ended
  Usage usage_;
  std::uint8_t lazy_;  // the objects whose END is put off
  std::shared_ptr<const core::FrameState> kept_;
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
  core::FrameHandle frame_;
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
  [[nodiscard]] Result<CpuAccess> begin(Usage usage, Deadline deadline) const&;
  [[nodiscard]] Result<CpuAccess> begin(Usage usage, Deadline deadline) &&;
  [[nodiscard]] std::uint64_t size() const noexcept;

  /// For the runtime itself. hold: counts this mapping while it lives.
  CpuMapping(std::shared_ptr<const core::FrameState> frame, std::shared_ptr<void> hold) noexcept;

private:
  core::FrameHandle frame_;
  std::shared_ptr<void> hold_;
};

}  // namespace causeway
