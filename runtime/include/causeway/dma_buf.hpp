// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/attachment.hpp>
#include <causeway/cpu_access.hpp>
#include <causeway/deadline.hpp>
#include <causeway/device.hpp>
#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <causeway/usage.hpp>

#include <compare>
#include <cstdint>
#include <memory>
#include <string>

namespace causeway {

class Runtime;
namespace core {
class BufferState;
}  // namespace core

/// What a memory object is, whatever number its descriptor has: each dma-buf has an inode of its own, and fd
/// numbers are reused (fstat's st_dev and st_ino). Threads: reentrant (an immutable value).
struct ObjectId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  constexpr auto operator<=>(const ObjectId&) const = default;
};

/// One memory object that devices can share: the kernel's struct dma_buf, or a memfd where there is none.
///
/// A cheap shared handle. The memory lives until the last handle, attachment and mapping is gone. The same
/// dma-buf imported twice, by whatever descriptors, is the same object.
///
/// Threads: thread-safe.
class DmaBuf {
public:
  /// Takes part in memory made elsewhere. fd stays the caller's: it is duplicated. A descriptor of an object
  /// that this runtime knows already yields that object.
  /// Errors: InvalidArgument (no descriptor, or not one of memory), OutOfFds.
  [[nodiscard]] static Result<DmaBuf> from_fd(Runtime& runtime, BorrowedFd fd);

  /// Bytes; a whole number of pages.
  [[nodiscard]] std::uint64_t size() const noexcept;
  [[nodiscard]] ObjectId id() const noexcept;
  /// Who made the storage: "udmabuf", "dma_heap:system", "memfd", "foreign".
  [[nodiscard]] const std::string& exporter() const noexcept;
  [[nodiscard]] const std::string& name() const noexcept;
  /// False for a memfd: it can be shared and mapped, but has no SYNC and no fences of the kernel.
  [[nodiscard]] bool is_dma_buf() const noexcept;
  /// The descriptor permits no writing; nobody may write through this object.
  [[nodiscard]] bool read_only() const noexcept;
  /// A memfd lies beneath, which devices that pin pages can be given (VFIO).
  [[nodiscard]] bool has_pinnable_view() const noexcept;

  /// Lends the descriptor for as long as this object lives. From now on others may hold the memory, so the
  /// runtime takes nothing for granted about it any more ("escaped").
  [[nodiscard]] BorrowedFd fd() const noexcept;
  /// Gives a descriptor of the caller's own (F_DUPFD_CLOEXEC). Errors: OutOfFds.
  [[nodiscard]] Result<UniqueFd> dup_fd() const;

  /// The CPU's view, mapped once and kept while the object lives. Errors: Unsupported (the exporter refuses
  /// mmap), OutOfMemory.
  [[nodiscard]] Result<CpuMapping> map_cpu() const;

  /// Attaches the plain bytes to a device; images are attached as a Frame.
  /// Errors: the backend's, and InvalidArgument for a device of another runtime.
  [[nodiscard]] Result<Attachment> attach(const Device& device, Usage usage) const;

  bool operator==(const DmaBuf& other) const noexcept { return state_ == other.state_; }

  explicit DmaBuf(std::shared_ptr<core::BufferState> state) noexcept;  ///< for the runtime itself
  [[nodiscard]] const std::shared_ptr<core::BufferState>& state() const noexcept { return state_; }

private:
  std::shared_ptr<core::BufferState> state_;
};

}  // namespace causeway
