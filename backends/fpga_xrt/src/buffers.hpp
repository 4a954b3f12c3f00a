// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fd.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "api.hpp"

namespace causeway::fpga_xrt_backend {

/// A buffer object of XRT's, freed with this object. Threads: reentrant; XRT itself locks.
class Buffer {
public:
  Buffer(plugin::Host host, const Api& api, BufferHandle handle) : host_(host), api_(api), handle_(handle) {}
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] BufferHandle handle() const { return handle_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Where the card finds its first byte.
  [[nodiscard]] std::uint64_t address() const { return address_; }

  /// Asks XRT for size and address. Errors: XRT's.
  [[nodiscard]] Status look();
  /// direction: kToDevice or kFromDevice; a range of bytes. Errors: XRT's.
  [[nodiscard]] Status sync(int direction, std::uint64_t offset, std::uint64_t size) const;
  /// A descriptor of the caller's own. Errors: XRT's, OutOfFds.
  [[nodiscard]] Result<UniqueFd> dup_fd() const;

private:
  plugin::Host host_;
  const Api& api_;
  BufferHandle handle_;
  std::uint64_t size_ = 0;
  std::uint64_t address_ = 0;
};

/// The buffers of one device. A GEM handle is one for each file description, however often a dma-buf is
/// imported: freeing one import would free the others. So each piece of memory is imported once, and what the
/// device allocated itself is not imported at all.
///
/// Threads: as operations on a device.
class Buffers {
public:
  Buffers(plugin::Host host, const Api& api, DeviceHandle device) : host_(host), api_(api), device_(device) {}

  /// Errors: XRT's, Unsupported (the card sees fewer bytes than there are).
  [[nodiscard]] Result<std::shared_ptr<Buffer>> import(const cw_object& object);
  /// flags: xrtBufferFlags; group: xrtMemoryGroup. Its first export is in *exported. Errors: XRT's, OutOfFds.
  [[nodiscard]] Result<std::shared_ptr<Buffer>> allocate(std::uint64_t size, std::uint64_t flags,
                                                         std::uint32_t group, UniqueFd& exported);

private:
  using Identity = std::pair<std::uint64_t, std::uint64_t>;  // st_dev, st_ino
  void remember(Identity identity, const std::shared_ptr<Buffer>& buffer);

  plugin::Host host_;
  const Api& api_;
  DeviceHandle device_;
  std::map<Identity, std::weak_ptr<Buffer>> known_;
};

}  // namespace causeway::fpga_xrt_backend
