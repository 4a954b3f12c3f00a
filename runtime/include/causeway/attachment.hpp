// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/deadline.hpp>
#include <causeway/result.hpp>
#include <causeway/usage.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace causeway {

class Device;
namespace core {
class AttachmentState;
}  // namespace core

/// A device's turn on a buffer or frame. While it lasts nobody else may write, and, if it is for writing,
/// nobody else may read. Devices that work through a CPU mapping are bracketed with SYNC here.
///
/// Call end() once the device is done; an access dropped without it is ended as best it can, and logged.
///
/// Threads: thread-bound.
class Access {
public:
  Access(Access&&) noexcept;
  Access& operator=(Access&&) noexcept;
  ~Access();

  /// Errors: WrongState (ended before), the backend's, Io.
  [[nodiscard]] Status end();

  Access(std::shared_ptr<core::AttachmentState> attachment,
         Usage usage) noexcept;  ///< for the runtime itself

private:
  void abandon() noexcept;

  std::shared_ptr<core::AttachmentState> attachment_;  // null once ended
  Usage usage_;
};

/// A device's view of attached memory: what dma_buf_map_attachment() gives. It lasts until it is dropped;
/// made once, used for every frame.
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
  /// How the memory came in: "dma-buf", "host-pointer", "pinned"; empty if there is no mapping.
  [[nodiscard]] std::string_view import_path() const noexcept;
  [[nodiscard]] AliasVerdict verdict() const noexcept;
  /// Device addresses where they are real; empty otherwise.
  [[nodiscard]] std::span<const cw_sg_entry> sg() const noexcept;

  /// Starts the device's turn. usage: Read, Write or ReadWrite.
  /// Errors: Busy (somebody else has the turn), TimedOut, WrongState (no mapping), DeviceLost.
  [[nodiscard]] Result<Access> begin_access(Usage usage, Deadline deadline) const;

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
