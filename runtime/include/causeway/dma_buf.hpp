// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/attachment.hpp>
#include <causeway/cpu_access.hpp>
#include <causeway/deadline.hpp>
#include <causeway/device.hpp>
#include <causeway/fd.hpp>
#include <causeway/reservation.hpp>
#include <causeway/result.hpp>
#include <causeway/usage.hpp>

#include <causeway/call_site.hpp>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace causeway {

class Runtime;
struct ExportInfo;
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

/// One entry of a buffer's list of attachments. Threads: reentrant (a value).
struct AttachmentInfo {
  std::string device;  ///< the device's name
  std::string backend;
  Usage usage = Usage::Read;
  bool mapped = false;
  std::string import_path;  ///< once it is mapped
};

/// One memory object that devices can share: the kernel's struct dma_buf, or a memfd where there is none.
///
/// A cheap shared handle. The memory lives until the last handle, attachment and mapping is gone. The same
/// dma-buf imported twice, by whatever descriptors, is the same object.
///
/// Threads: thread-safe.
class DmaBuf {
public:
  /// Exports storage of an owner of the caller's making: dma_buf_export(). The exporter's release() runs
  /// once, when the last handle, attachment and mapping is gone; at once if this fails. Errors:
  /// InvalidArgument (no exporter, size 0 or no whole pages), and what the exporter answers.
  [[nodiscard]] static Result<DmaBuf> create(Runtime& runtime, ExportInfo info,
                                             CallSite where = CallSite::current());

  /// Takes part in memory made elsewhere. fd stays the caller's: it is duplicated. A descriptor of an object
  /// that this runtime knows already yields that object; if it is the first that permits writing, the object
  /// can be written from then on. Errors: InvalidArgument (no descriptor, or not one of memory), OutOfFds.
  [[nodiscard]] static Result<DmaBuf> from_fd(Runtime& runtime, BorrowedFd fd,
                                              CallSite where = CallSite::current());

  /// Bytes; a whole number of pages.
  [[nodiscard]] std::uint64_t size() const noexcept;
  /// All zero as long as deferred storage is not settled.
  [[nodiscard]] ObjectId id() const noexcept;
  /// Who made the storage: "udmabuf", "dma_heap:system", "memfd", "foreign"; for deferred storage it changes
  /// when that is settled.
  [[nodiscard]] std::string exporter() const;
  [[nodiscard]] const std::string& name() const noexcept;
  /// False for a memfd: it can be shared and mapped, but has no SYNC and no fences of the kernel.
  [[nodiscard]] bool is_dma_buf() const noexcept;
  /// No descriptor that it came by permits writing (O_RDWR, and no seal against it); nobody may write through
  /// this object.
  [[nodiscard]] bool read_only() const noexcept;
  /// A memfd lies beneath, which devices that pin pages can be given (VFIO).
  [[nodiscard]] bool has_pinnable_view() const noexcept;

  /// Lends the descriptor for as long as this object lives, and settles deferred storage for good. From now
  /// on others may hold the memory, so the runtime takes nothing for granted about it any more ("escaped").
  /// Fences that are pending are put into the kernel's reservation, where others find them; what the kernel
  /// cannot carry (an event of a program, a device's fence without a sync_file) is waited for first, on the
  /// CPU, and counted. The default deadline waits for nothing.
  /// Errors: the exporter's, if the storage cannot be settled; Busy (such a fence is pending at the
  /// deadline).
  [[nodiscard]] Result<BorrowedFd> fd(Deadline deadline = Deadline::now()) const;
  /// Gives a descriptor of the caller's own (F_DUPFD_CLOEXEC). Errors: OutOfFds, and as fd().
  [[nodiscard]] Result<UniqueFd> dup_fd(Deadline deadline = Deadline::now()) const;

  /// The CPU's view of everything, mapped once however many ask, and cached: the kernel's vmap with its
  /// vmapping_counter. Errors: Unsupported (the exporter refuses mmap), OutOfMemory.
  [[nodiscard]] Result<CpuMapping> map_cpu() const;
  /// A mapping of its own of length bytes from offset, both whole pages: the kernel's mmap.
  /// Errors: InvalidArgument (outside the buffer, or no whole pages), Unsupported, OutOfMemory.
  [[nodiscard]] Result<CpuRange> mmap(std::uint64_t offset, std::uint64_t length) const;
  /// The page of 4096 bytes with that index: the kernel's kmap. Errors: as mmap.
  [[nodiscard]] Result<CpuRange> map_page(std::uint64_t index) const;

  /// Who still works on it.
  [[nodiscard]] Reservation reservation() const;
  /// Who is attached, now.
  [[nodiscard]] std::vector<AttachmentInfo> attachments() const;

  /// Moves the content into storage of another exporter (deferred buffers only). Possible only while nothing
  /// holds the old place: no mapping, no CPU mapping, no turn, no pending fence, and the descriptor was never
  /// given out. The copy is counted. Errors: Busy, naming who holds it; Unsupported (the exporter does not
  /// move storage).
  [[nodiscard]] Status move_to(std::string_view exporter) const;

  /// Attaches the plain bytes to a device; images are attached as a Frame.
  /// Errors: the backend's, and InvalidArgument for a device of another runtime.
  [[nodiscard]] Result<Attachment> attach(const Device& device, Usage usage,
                                          ImplicitSync sync = ImplicitSync::Auto) const;

  bool operator==(const DmaBuf& other) const noexcept { return state_ == other.state_; }

  explicit DmaBuf(std::shared_ptr<core::BufferState> state) noexcept;  ///< for the runtime itself
  [[nodiscard]] const std::shared_ptr<core::BufferState>& state() const noexcept { return state_; }

private:
  std::shared_ptr<core::BufferState> state_;
};

/// Part of a buffer, in bytes: whole pages. Threads: reentrant (a value).
struct DmaBufRange {
  DmaBuf buffer;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

}  // namespace causeway
