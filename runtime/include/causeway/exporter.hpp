// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/constraints.hpp>
#include <causeway/deadline.hpp>
#include <causeway/device.hpp>
#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <causeway/usage.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace causeway {

/// The optional operations of an exporter, one bit each: null pointers of the kernel's struct dma_buf_ops.
enum class ExporterOp : std::uint32_t {
  Attach = 0x01,         ///< attach and detach
  CpuAccess = 0x02,      ///< begin_cpu_access and end_cpu_access
  Mmap = 0x04,           ///< mmap and munmap
  Vmap = 0x08,           ///< vmap and vunmap
  DefersStorage = 0x10,  ///< has no storage before the first map
  MovesStorage = 0x20,   ///< move
};

[[nodiscard]] constexpr ExporterOp operator|(ExporterOp a, ExporterOp b) noexcept {
  return static_cast<ExporterOp>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

/// The memory behind a buffer, as an exporter shows it. Everything is lent: it stays the exporter's, open and
/// in place for as long as a map_dma_buf has no unmap_dma_buf, or the buffer's descriptor was given out.
/// Threads: reentrant (a value).
struct Backing {
  BorrowedFd fd{-1};        ///< a dma-buf, or shared memory
  std::uint64_t size = 0;   ///< bytes, whole pages, at least the buffer's size
  bool is_dma_buf = false;  ///< DMA_BUF_IOCTL_SYNC and poll work on fd
  BorrowedFd pinnable{-1};  ///< the memfd beneath, if there is one
  std::uint64_t pinnable_offset = 0;
  std::uint64_t huge_bytes = 0;  ///< how many of them are known to lie on huge pages
};

/// Who attaches, and what it needs: the dev and dma_parms of a struct dma_buf_attachment.
/// Threads: reentrant (a value).
struct AttachmentRequest {
  Device device;
  Usage usage;
  Constraints needs;
};

/// The owner of one buffer's storage: the kernel's struct dma_buf_ops, with the priv data as its members.
/// Write your own to share memory that comes from somewhere else; hand it to DmaBuf::create.
///
/// The mandatory operations are pure. An optional one is called only if operations() has its bit; without it
/// the runtime does what the comment beside it says.
///
/// Threads: reentrant. The runtime makes no two calls on one exporter at a time; calls come from any thread,
/// under the lock of the buffer.
class Exporter {
public:
  Exporter() = default;
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;
  virtual ~Exporter() = default;

  /// The kernel's exp_name: for ledgers and reports. Lives as long as the exporter.
  [[nodiscard]] virtual std::string_view exp_name() const noexcept = 0;

  /// Settles the storage, unless that was done before, and shows it. attachments: all that there are now, so
  /// that deferred storage can suit them together; empty if the CPU or a descriptor is asked for first.
  /// Called once for each mapping. Errors: Busy if it would block or cannot be had now; any other.
  [[nodiscard]] virtual Result<Backing> map_dma_buf(std::span<const AttachmentRequest> attachments,
                                                    Direction direction) = 0;
  /// One mapping is gone. With the last one the storage may be moved.
  virtual void unmap_dma_buf(Direction direction) noexcept = 0;
  /// The last reference is gone, attachments included. Called once, and nothing after it.
  virtual void release() noexcept = 0;

  /// Which of the operations below are there: ExporterOp bits.
  [[nodiscard]] virtual std::uint32_t operations() const noexcept { return 0; }

  /// Attach: may refuse a device that the storage does not suit (Busy, with the reason). Without: all are
  /// welcome.
  [[nodiscard]] virtual Status attach(const AttachmentRequest& request);
  virtual void detach(const AttachmentRequest& request) noexcept;

  /// CpuAccess: makes the memory coherent for the CPU, and for devices again. Without: the runtime polls and
  /// issues SYNC on a dma-buf, and has nothing to do for shared memory.
  [[nodiscard]] virtual Status begin_cpu_access(Usage usage, Deadline deadline);
  [[nodiscard]] virtual Status end_cpu_access(Usage usage);

  /// Mmap: a CPU address of a range; the bounds have been checked. Without: mmap(2) of the descriptor.
  [[nodiscard]] virtual Result<std::byte*> mmap(std::uint64_t offset, std::uint64_t length);
  virtual void munmap(std::byte* address, std::uint64_t length) noexcept;

  /// Vmap: a CPU address of everything, asked for once however many use it. Without: mmap(2), kept.
  [[nodiscard]] virtual Result<std::byte*> vmap();
  virtual void vunmap(std::byte* address) noexcept;

  /// MovesStorage: takes other storage, with the same content. Nothing holds the old one: no mapping, no CPU
  /// mapping, no turn, and its descriptor was never given out. exporter: as Negotiation::exporter.
  [[nodiscard]] virtual Status move(std::string_view exporter);
};

/// What to export: the kernel's struct dma_buf_export_info. Threads: reentrant (a value).
struct ExportInfo {
  std::unique_ptr<Exporter> exporter;  ///< ops and priv
  std::uint64_t size = 0;              ///< bytes, whole pages
  std::string name = "causeway";       ///< for debugging tools
};

}  // namespace causeway
