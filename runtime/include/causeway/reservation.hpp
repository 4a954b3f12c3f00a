// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/deadline.hpp>
#include <causeway/fence.hpp>
#include <causeway/result.hpp>
#include <causeway/usage.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace causeway {

namespace core {
class BufferState;
}  // namespace core

/// What a fence's work does to the memory: the kernel's enum dma_resv_usage, in its order. Asking for the
/// fences of one usage includes those of all usages before it.
enum class FenceUsage : std::uint8_t {
  Kernel,    ///< moves or clears the memory; everybody waits for it
  Write,     ///< writes
  Read,      ///< reads
  Bookkeep,  ///< only keeps the memory from being given back; nobody waits for it
};

/// The usage whose fences someone with this turn has to wait for: a reader for writers, a writer for all
/// (dma_resv_usage_rw()).
[[nodiscard]] constexpr FenceUsage waits_for(Usage usage) noexcept {
  return writes(usage) ? FenceUsage::Read : FenceUsage::Write;
}

/// One fence of a reservation. Threads: reentrant (a value).
struct ReservedFence {
  Fence fence;
  FenceUsage usage;
};

/// Room for fences in a reservation, taken beforehand so that adding them after the work was submitted cannot
/// fail (dma_resv_reserve_fences()). Room that was not used is given back.
/// Threads: thread-bound.
class FenceSlots {
public:
  FenceSlots(FenceSlots&& other) noexcept;
  FenceSlots& operator=(FenceSlots&& other) noexcept;
  FenceSlots(const FenceSlots&) = delete;
  FenceSlots& operator=(const FenceSlots&) = delete;
  ~FenceSlots();

  /// How many fences may still be added.
  [[nodiscard]] std::size_t left() const noexcept { return left_; }
  /// Adds a fence. It takes the place of one that is signalled, or of one of the same context that is not
  /// later and whose usage comes not before the new one's (dma_resv_add_fence()).
  /// Errors: WrongState (no slot is left), InvalidArgument (no fence).
  [[nodiscard]] Status add(const Fence& fence, FenceUsage usage);

  FenceSlots(std::shared_ptr<core::BufferState> buffer, std::size_t slots) noexcept;  ///< for the runtime

private:
  std::shared_ptr<core::BufferState> buffer_;
  std::size_t left_ = 0;
};

/// Who still works on a buffer: the kernel's struct dma_resv. A cheap handle.
///
/// It has two parts: the fences that this process knows of, which are kept here, and those that the kernel
/// keeps for a dma-buf, of which user space sees only readers and writers, merged into one sync_file each.
/// Readiness for Read: all writers are done. For Write: everybody is (dma-buf.rst, "Implicit Fence Poll
/// Support").
///
/// Threads: thread-safe.
class Reservation {
public:
  /// Room for count fences. Errors: OutOfMemory.
  [[nodiscard]] Result<FenceSlots> reserve(std::size_t count) const;

  /// The fences that are kept here, of this usage and those before it, oldest first; signalled ones are left
  /// out. The kernel's are not among them: see export_sync_file.
  [[nodiscard]] std::vector<ReservedFence> fences(FenceUsage usage = FenceUsage::Bookkeep) const;
  /// Adds those of another buffer's reservation, all or none (dma_resv_copy_fences()). Errors: OutOfMemory.
  [[nodiscard]] Status copy_from(const Reservation& other) const;
  /// Forgets what has signalled; it happens by itself, too.
  void prune() const;

  /// True if it is ready now. usage: Read, Write or ReadWrite. Errors: Io.
  [[nodiscard]] Result<bool> test(Usage usage) const;
  /// The same for the fences of one usage and those before it. The kernel's are asked for Write and Read.
  [[nodiscard]] Result<bool> test(FenceUsage usage) const;
  /// Errors: TimedOut. A fence that failed is done, too.
  [[nodiscard]] Status wait(Usage usage, Deadline deadline) const;
  [[nodiscard]] Status wait(FenceUsage usage, Deadline deadline) const;
  /// A descriptor for the caller's own poll loop: once it shows its event, ask test() again. While several
  /// fences are pending that no one descriptor can stand for, it speaks for one of them.
  /// Errors: OutOfFds, Unsupported (a device's fence without a descriptor).
  [[nodiscard]] Result<Pollable> readiness(Usage usage) const;

  /// Everything that someone with this turn has to wait for, as one sync_file; ours and the kernel's.
  /// Waits for events first, which no sync_file can stand for. Errors: TimedOut (an event), Unsupported (a
  /// kernel before 6.0; shared memory without pending fences), OutOfFds.
  [[nodiscard]] Result<SyncFile> export_sync_file(Usage usage, Deadline deadline) const;
  /// What the kernel alone keeps under this usage. Errors: Unsupported (Kernel and Bookkeep: user space sees
  /// only Read and Write of a dma-buf's reservation; a memfd: it has none), OutOfFds.
  [[nodiscard]] Result<SyncFile> export_from_kernel(FenceUsage usage) const;
  /// Puts a fence into the kernel's reservation, where drivers and other processes see it. It takes a
  /// SyncFile: what a program signals cannot go there, or the kernel might wait for ever.
  /// Errors: Unsupported (Kernel and Bookkeep; a memfd; a kernel before 6.0), Io.
  [[nodiscard]] Status import_into_kernel(const SyncFile& fence, FenceUsage usage) const;

  explicit Reservation(std::shared_ptr<core::BufferState> buffer) noexcept;  ///< for the runtime itself

private:
  std::shared_ptr<core::BufferState> buffer_;
};

}  // namespace causeway
