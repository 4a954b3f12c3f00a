// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/deadline.hpp>
#include <causeway/fence.hpp>
#include <causeway/result.hpp>
#include <causeway/usage.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace causeway {

class Device;
namespace core {
class AttachmentState;
}  // namespace core

/// Whether an attachment takes part in the kernel's implicit synchronisation: the fences that drivers, and
/// processes that poll, find in a dma-buf's own reservation.
enum class ImplicitSync : std::uint8_t {
  /// Where others may look there (the descriptor was given out or came from outside, or an attached device's
  /// driver uses it): what is pending there is waited for, and what the device does is put there.
  Auto,
  Off,  ///< only the fences that this process knows of count
};

/// A device's turn on a buffer or frame. While it lasts nobody else may write, and, if it is for writing,
/// nobody else may read. Devices that work through a CPU mapping are bracketed with SYNC here.
///
/// Work that outlasts the turn is spoken for by fences: end() takes them, or the backend makes them, and the
/// next one's begin_access waits for them.
///
/// Call end(). An access dropped without it marks its buffers as lost until the device is idle, and what it
/// was to write as unreliable; it is logged.
///
/// Threads: reentrant; it may be ended on another thread than it began on.
class Access {
public:
  Access(Access&&) noexcept;
  Access& operator=(Access&&) noexcept;
  ~Access();

  /// What was pending at the begin and was left to the device to wait for. Where the program submits to a
  /// queue of its own, the backend's typed header has these as what that submission takes (semaphores).
  [[nodiscard]] std::span<const Fence> waits() const noexcept { return waits_; }

  /// Ends the turn. signals: the fences of what the caller submitted itself, if any.
  /// Gives what others must wait for, and do by themselves if they begin an access here; empty if the device
  /// is done. A fence that can be passed on in no other way is waited for here, counted, for 10 s at most.
  /// Errors: WrongState (ended before), InvalidArgument (a fence of another runtime), TimedOut, the
  /// backend's, Io. The turn is over even then.
  [[nodiscard]] Result<std::vector<Fence>> end(std::span<const Fence> signals = {});

  Access(std::shared_ptr<core::AttachmentState> attachment, Usage usage, std::uint64_t number,
         std::vector<Fence> waits) noexcept;  ///< for the runtime itself
  [[nodiscard]] const std::shared_ptr<core::AttachmentState>& state() const noexcept { return attachment_; }

private:
  void abandon() noexcept;

  std::shared_ptr<core::AttachmentState> attachment_;  // null once ended
  Usage usage_;
  std::uint64_t number_;  // what the backend knows it by
  std::vector<Fence> waits_;
};

/// A device's view of attached memory: what dma_buf_map_attachment() gives. It lasts until it is dropped;
/// made once, used for every frame. Dropped while the device is still at work, it is kept until that is done
/// (Runtime::dispatch).
///
/// Threads: thread-safe to read; begin_access as Device.
class Mapping {
public:
  Mapping() noexcept;  ///< no mapping: native() is null, begin_access refuses
  Mapping(Mapping&&) noexcept;
  Mapping& operator=(Mapping&&) noexcept;
  ~Mapping();

  [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }
  /// The backend's struct of this interface name ("causeway.vulkan.view.v1"), or null if the mapping is of
  /// another kind. Use the backend's typed header instead of casting. Lives as long as the mapping.
  [[nodiscard]] const void* native(std::string_view interface_name) const noexcept;
  /// How the memory came in: "dma-buf", "opaque-fd", "host-pointer", "pinned"; empty if there is no mapping.
  [[nodiscard]] std::string_view import_path() const noexcept;
  [[nodiscard]] AliasVerdict verdict() const noexcept;
  /// Whether the device has bytes or images, and what the verdict says of those; Bytes if there is no
  /// mapping.
  [[nodiscard]] ImportedAs imported_as() const noexcept;
  /// Device addresses where they are real; empty otherwise.
  [[nodiscard]] std::span<const cw_sg_entry> sg() const noexcept;

  /// Starts the device's turn. usage: Read, Write or ReadWrite. What others left pending on the memory, and
  /// waits, is waited for: by the device where it can, or else on this thread, counted, until the deadline.
  /// Errors: Busy (somebody else has the turn), TimedOut, WrongState (no mapping), DeviceLost, Io (for
  /// reading: the last writer failed), OutOfMemory, OutOfFds. Nothing is begun then.
  [[nodiscard]] Result<Access> begin_access(Usage usage, Deadline deadline) const;
  [[nodiscard]] Result<Access> begin_access(Usage usage, std::span<const Fence> waits,
                                            Deadline deadline) const;

  /// Has the device import the memory anew: for what a producer outside this process writes, where a driver
  /// goes on showing what was there when it imported. Call it when the producer has written, before the
  /// device's turn. Waits until the device has done what it was given. native() is another one afterwards,
  /// and nobody may use the former one meanwhile. Errors: WrongState (no mapping), Busy (somebody has a
  /// turn), TimedOut; and the backend's, after which native() is null and begin_access answers WrongState
  /// until another invalidate() has succeeded.
  [[nodiscard]] Status invalidate(Deadline deadline) const;

  explicit Mapping(std::shared_ptr<core::AttachmentState> state) noexcept;  ///< for the runtime itself

private:
  std::shared_ptr<core::AttachmentState> state_;
};

/// A buffer or frame attached to a device: the kernel's struct dma_buf_attachment. Keeps both alive; the
/// device lets go when the attachment and its mapping are gone.
///
/// Threads: thread-safe.
class Attachment {
public:
  Attachment(Attachment&&) noexcept;
  Attachment& operator=(Attachment&&) noexcept;
  ~Attachment();

  /// A device without a name, which nothing can be attached to, if this attachment was moved away.
  [[nodiscard]] const Device& device() const noexcept;

  /// Maps for the device, and proves whether device and CPU see the same bytes.
  /// Errors: WouldCopy (the driver works on a copy, and allow_copy is false), WrongState (mapped already),
  /// the backend's.
  [[nodiscard]] Result<Mapping> map(Direction direction, bool allow_copy = false);

  /// As map, but answers Busy at once where map would block: the device or the buffer is in use, or a fence
  /// is pending. The kernel's header wishes for it (include/linux/dma-buf.h, "try_map_dma_buf").
  [[nodiscard]] Result<Mapping> try_map(Direction direction, bool allow_copy = false);

  explicit Attachment(std::shared_ptr<core::AttachmentState> state) noexcept;  ///< for the runtime itself

private:
  std::shared_ptr<core::AttachmentState> state_;
};

}  // namespace causeway
