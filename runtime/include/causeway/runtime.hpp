// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/constraints.hpp>
#include <causeway/counters.hpp>
#include <causeway/deadline.hpp>
#include <causeway/device.hpp>
#include <causeway/dma_buf.hpp>
#include <causeway/fence.hpp>
#include <causeway/frame_pool.hpp>
#include <causeway/ledger.hpp>
#include <causeway/result.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace causeway {

namespace core {
class RuntimeState;
}  // namespace core

enum class LogLevel : std::int32_t { Debug = 0, Info = 1, Warning = 2, Error = 3 };

/// How to make a Runtime. The defaults are right for a program; the rest is for tests and for special cases.
/// Threads: reentrant (a value).
struct RuntimeOptions {
  /// Stands in for the kernel; must outlive the runtime. null: the real one.
  const cw_syscalls* syscalls = nullptr;
  /// Backends beside the built-in ones.
  std::vector<cw_backend_entry> backends{};
  /// Leave the built-in backends out.
  bool builtin_backends = true;
  /// Where to look for backends that are shared objects: files, and folders of *.so, separated by colons;
  /// empty: nowhere. Not given: the environment's CAUSEWAY_BACKEND_PATH (ignored in a program with more
  /// rights than its user), or else the installation's lib/causeway/backends. What does not fit is in
  /// refused_backends().
  std::optional<std::string> backend_path{};
  /// Leave SYNC brackets of the CPU out where only the CPU has touched a dma-buf since the last one, and put
  /// their END off until somebody else does (docs/sync.md). False: each bracket is issued when it comes,
  /// which finds out whether a wrong byte has to do with it.
  bool elide_sync = true;
  /// Where messages go. Called from any thread; a backend's messages come in the middle of an operation on
  /// its device, so do not call back into that device. Default: warnings and errors to stderr.
  std::function<void(LogLevel, std::string_view)> log{};
};

/// A shared object on the search path that is no backend for this runtime. Threads: reentrant (a value).
struct RefusedBackend {
  std::string file;    ///< as the search path led to it
  std::string reason;  ///< what was found, and what is needed
};

/// What made a buffer possible, or did not. Threads: reentrant (a value).
struct ExporterInfo {
  std::string name;  ///< "udmabuf", "dma_heap:system", "memfd", "hugetlb:memfd", "drm_dumb:/dev/dri/card0"
  bool available = false;
  std::string explanation;  ///< a whole sentence: what was tried, and why it is not available
};

/// Gathers who will use the frames, then makes them. A builder: chain the calls, then allocate().
/// Threads: thread-bound.
class Negotiation {
public:
  /// A device that will use the frames, and how. Asks the device for its constraints at allocate() or plan().
  Negotiation& with(const Device& device, Usage usage);
  /// Take this exporter alone ("udmabuf", "dma_heap", "dma_heap:system", "memfd") instead of the ladder;
  /// "hugetlb" (the pool of huge pages, as a udmabuf or else a memfd; sizes are rounded up to 2 MiB),
  /// "drm_dumb" and "gbm" are had in this way only.
  Negotiation& exporter(std::string name);
  /// A name that debugging tools show (DMA_BUF_SET_NAME; at most 31 bytes arrive there).
  Negotiation& name(std::string name);
  /// Accept drivers that work on a copy; without it such an import is refused.
  Negotiation& allow_copy();

  /// What would be allocated. May talk to the devices: a camera sets its format and answers its strides.
  [[nodiscard]] Result<AllocationPlan> plan() const;
  /// Makes count frames, attached, mapped and proved on every device. Rungs of the ladder are tried with the
  /// real size until one suits all; FramePool::report() says which, and why others did not. Frames of
  /// udmabuf share one memfd, but each is a dma-buf of its own: the memory of all goes with the last of them.
  /// They lie on huge pages only if every device was then seen to work on the same bytes.
  /// Errors: as negotiate(); Unsupported with the reason of each rung when none suits; OutOfFds, OutOfMemory.
  [[nodiscard]] Result<FramePool> allocate(std::uint32_t count, CallSite where = CallSite::current()) const;

  Negotiation(std::shared_ptr<core::RuntimeState> runtime, FrameDesc desc);  ///< for the runtime itself

private:
  struct Party {
    Device device;
    Usage usage;
  };
  std::shared_ptr<core::RuntimeState> runtime_;
  FrameDesc desc_;
  std::vector<Party> parties_;
  std::string exporter_;
  std::string name_ = "causeway";
  bool allow_copy_ = false;
};

/// The root: exporters, backends, and the buffers known by identity. An explicit object; several may coexist,
/// and share nothing. A cheap shared handle; what it made keeps it alive.
///
/// Threads: thread-safe.
class Runtime {
public:
  /// Errors: InvalidArgument (a system-call table with holes), Incompatible (a backend of another ABI).
  [[nodiscard]] static Result<Runtime> create(RuntimeOptions options = {});

  /// The devices of one backend ("vulkan"), or of all if empty. A backend that fails to look is logged, and
  /// counts as having none. Errors: NotFound (no such backend).
  [[nodiscard]] Result<std::vector<DeviceInfo>> devices(std::string_view backend = {});
  /// Errors: NotFound (no such backend, or no such device), Permission, and the backend's.
  [[nodiscard]] Result<Device> open_device(std::string_view backend, const OpenOptions& options = {});
  /// The names of the backends.
  [[nodiscard]] std::vector<std::string> backends() const;
  /// What was on the search path for backends and was not taken; logged as warnings, too.
  [[nodiscard]] std::vector<RefusedBackend> refused_backends() const;
  /// What can allocate here, in the order of the ladder, then what is had by name only. Tries each once with
  /// one page.
  [[nodiscard]] std::vector<ExporterInfo> exporters();

  [[nodiscard]] Negotiation negotiate(FrameDesc desc);
  /// One buffer by hand. size in bytes, rounded up to pages. exporter: as Negotiation::exporter; empty: the
  /// ladder. Errors: InvalidArgument (size 0), NotFound (no such exporter), OutOfMemory, OutOfFds,
  /// Unsupported.
  [[nodiscard]] Result<DmaBuf> allocate(std::uint64_t size, std::string_view exporter = {},
                                        std::string_view name = "causeway",
                                        CallSite where = CallSite::current());
  /// One dma-buf over ranges of buffers, in their order: a part of one, or pages that lie apart (the kernel's
  /// UDMABUF_CREATE_LIST). Nothing is copied. Takes buffers with a memfd beneath ("udmabuf", "memfd",
  /// "hugetlb"), and memfds that came by DmaBuf::from_fd and are sealed against shrinking (F_SEAL_SHRINK).
  ///
  /// To the kernel and to this runtime it is a buffer of its own, with an identity, turns and fences of its
  /// own: a turn on it excludes nobody from the ranges' buffers. Whoever uses both orders them, by fences
  /// that are passed along (Reservation::copy_from). The memory lives until the last of them is gone; those
  /// buffers stay in their place from now on, as if their descriptors had been given out.
  ///
  /// Waits until nobody works on the ranges' buffers; the default deadline waits for nothing.
  /// Errors: InvalidArgument (no range, no whole pages, outside of its buffer, a buffer of another runtime, a
  /// memfd that is not sealed, more ranges or bytes than the kernel takes), Unsupported (no memfd beneath, or
  /// a read-only one), TimedOut, NotFound and Permission (/dev/udmabuf), OutOfFds, OutOfMemory.
  [[nodiscard]] Result<DmaBuf> create_udmabuf(std::span<const DmaBufRange> ranges,
                                              std::string_view name = "causeway",
                                              Deadline deadline = Deadline::now(),
                                              CallSite where = CallSite::current());
  /// One frame in memory of the device's own, exported: a camera's buffer (V4L2 EXPBUF), a GPU's
  /// (vkGetMemoryFdKHR). The layout is the device's choice among desc.modifiers (empty: LINEAR).
  /// Errors: InvalidArgument (the description, a device of another runtime), Unsupported (the device exports
  /// nothing, or not this), Busy, OutOfMemory, OutOfFds, and the backend's.
  [[nodiscard]] Result<Frame> allocate_on(const Device& device, const FrameDesc& desc, Usage usage,
                                          std::string_view name = "causeway",
                                          CallSite where = CallSite::current());
  /// One image by hand, in a layout of the exporter's own choice among desc.modifiers (empty: LINEAR). For
  /// exporters that know layouts: "gbm", or "gbm:/dev/dri/card0" for one driver; of several the first that
  /// can. Errors: InvalidArgument (the description; no exporter named), NotFound (no such exporter),
  /// Unsupported (the format or every modifier is refused, or the exporter has no layouts), Permission,
  /// OutOfMemory, OutOfFds.
  [[nodiscard]] Result<Frame> allocate_frame(const FrameDesc& desc, Usage usage, std::string_view exporter,
                                             std::string_view name = "causeway",
                                             CallSite where = CallSite::current());

  /// Runs the callbacks of the kernel's and the devices' fences that have signalled, on this thread, and lets
  /// go of mappings whose devices are done meanwhile. Gives how many fences that were. Call it when
  /// dispatch_readiness() is ready, or now and then.
  std::size_t dispatch();
  /// A descriptor that is ready when dispatch() has callbacks to run; for the caller's own poll loop, for as
  /// long as it likes. Errors: OutOfFds, Unsupported (a callback waits for a fence without a descriptor).
  [[nodiscard]] Result<Pollable> dispatch_readiness();

  /// All buffers that live, oldest first: the kernel's debugfs dma_buf/bufinfo. When the last handle to a
  /// runtime goes while buffers live, the same is logged as a warning: they keep working, and hold the
  /// memory.
  [[nodiscard]] std::vector<LedgerEntry> ledger() const;

  /// What was copied, waited for and synchronised since the start. Looks at each buffer that lives.
  [[nodiscard]] Counters counters() const noexcept;
  /// The library's one function that copies bytes between buffers, counted; past the caches where that is
  /// faster. Sizes must be equal.
  void copy(std::span<std::byte> to, std::span<const std::byte> from) noexcept;

  explicit Runtime(std::shared_ptr<core::RuntimeState> state);  ///< for the runtime itself
  [[nodiscard]] const std::shared_ptr<core::RuntimeState>& state() const noexcept { return state_; }

private:
  std::shared_ptr<core::RuntimeState> state_;
  std::shared_ptr<void> farewell_;  // shared by all handles; its end writes the leak report
};

}  // namespace causeway
