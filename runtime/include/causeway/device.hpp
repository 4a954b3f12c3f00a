// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace causeway {

namespace core {
class DeviceState;
}  // namespace core

/// What a device can do; values equal CW_CAP_ of plugin/backend_abi.h.
enum class Capability : std::uint32_t {
  AccessesViaCpu = CW_CAP_ACCESSES_VIA_CPU,          ///< works through a CPU mapping (lavapipe, PoCL)
  Coherent = CW_CAP_COHERENT,                        ///< I/O-coherent, by evidence
  ImplicitFences = CW_CAP_IMPLICIT_FENCES,           ///< attaches fences to the dma-bufs that it uses
  NeedsPinnable = CW_CAP_NEEDS_PINNABLE,             ///< pins user pages
  ImportsDmaBuf = CW_CAP_IMPORTS_DMA_BUF,            ///< takes a dma-buf's fd
  ImportsMemfd = CW_CAP_IMPORTS_MEMFD,               ///< takes a plain memfd
  ImportsHostPointer = CW_CAP_IMPORTS_HOST_POINTER,  ///< takes a CPU address
  ProducesOnly = CW_CAP_PRODUCES_ONLY,               ///< a source: writes what it likes
  WaitsSyncFile = CW_CAP_WAITS_SYNC_FILE,            ///< its work can wait for a sync_file
  WaitsSyncobj = CW_CAP_WAITS_SYNCOBJ,               ///< its work can wait for a syncobj's point
  WaitsHostEvent = CW_CAP_WAITS_HOST_EVENT,          ///< its work can wait for a program's event
};

/// How to open a device. Everything is borrowed for the call. Threads: reentrant (a value).
struct OpenOptions {
  std::string id;  ///< as enumerated ("/dev/video0"), or empty for the best that there is
  const char* adopt_interface =
      nullptr;  ///< set by a backend's typed header when it adopts the caller's device
  const void* adopt = nullptr;
};

/// What Runtime::devices() finds. Threads: reentrant (a value).
struct DeviceInfo {
  std::string backend;
  std::string id;
  std::string name;
  std::string driver;
  std::string driver_version;
  std::uint32_t capabilities = 0;  ///< Capability bits
};

/// An opened device of a backend. A cheap shared handle: the device is closed when the last handle,
/// attachment and pool that uses it is gone. The kernel calls it the importer's struct device.
///
/// Threads: thread-safe. Operations on one device take turns.
class Device {
public:
  [[nodiscard]] const std::string& backend() const noexcept;
  [[nodiscard]] const std::string& id() const noexcept;
  /// For people: "llvmpipe (LLVM 15.0.6, 256 bits)".
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] const std::string& driver() const noexcept;
  [[nodiscard]] const std::string& driver_version() const noexcept;
  [[nodiscard]] bool has(Capability capability) const noexcept;

  /// A table of functions that the backend documents under this name in its typed public header; null if it
  /// offers none. Lives as long as the device.
  [[nodiscard]] const void* interface(const char* interface_name) const;
  /// The backend's own object, for functions of its interfaces.
  [[nodiscard]] cw_device* raw() const noexcept;

  /// This device's place in the flat tables of frames, below kMaxDevices; no other device of this process has
  /// it. kMaxDevices: no device (Attachment::device() of an attachment that was moved away).
  [[nodiscard]] std::uint32_t slot() const noexcept { return slot_; }
  static constexpr std::uint32_t kMaxDevices = 64;

  bool operator==(const Device& other) const noexcept { return state_ == other.state_; }

  explicit Device(std::shared_ptr<core::DeviceState> state) noexcept;  ///< for the runtime itself
  [[nodiscard]] const std::shared_ptr<core::DeviceState>& state() const noexcept { return state_; }

private:
  std::shared_ptr<core::DeviceState> state_;
  std::uint32_t slot_;
};

}  // namespace causeway
