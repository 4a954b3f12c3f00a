// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "support/fake_descriptor.hpp"

namespace causeway::test {

/// An address range that the fake kernel mapped for itself. Threads: reentrant.
class OwnMapping {
public:
  OwnMapping() = default;
  OwnMapping(void* address, std::size_t length) : bytes_(static_cast<std::byte*>(address), length) {}
  OwnMapping(OwnMapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  OwnMapping& operator=(OwnMapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~OwnMapping();

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

private:
  std::span<std::byte> bytes_;
};

/// The memory of a dma-buf: pages of one or more files, as the CPU sees them, and as a device does.
///
/// In coherent memory both see the same bytes. In non-coherent memory the device has its own, and the CPU's
/// stand for its cache: invalidate() carries the device's bytes to the CPU, clean() the CPU's to the device,
/// and nothing else does, as on a machine whose devices do not snoop.
///
/// Threads: thread-bound (its owner locks). Copies touch only bytes that differ, so that threads which read
/// under brackets of their own do not race with an invalidate that has nothing to bring.
class FakeMemory {
public:
  struct Piece {
    OwnFd file;
    std::uint64_t offset;
    std::uint64_t length;
  };

  /// errno on failure, or 0.
  [[nodiscard]] int create(std::vector<Piece> pieces, bool coherent);

  [[nodiscard]] std::uint64_t size() const { return cpu_.bytes().size(); }
  [[nodiscard]] bool coherent() const { return device_.bytes().empty(); }

  /// As mmap(2) of the dma-buf; the range lies within it.
  [[nodiscard]] void* map(void* address, std::size_t length, int protection, int flags,
                          std::uint64_t offset) const;

  [[nodiscard]] std::span<std::byte> cpu() const { return cpu_.bytes(); }
  [[nodiscard]] std::span<std::byte> device() const { return coherent() ? cpu() : device_.bytes(); }

  void invalidate();
  void clean();
  /// Where the CPU, or the device, has written since both last agreed; always empty in coherent memory.
  [[nodiscard]] std::optional<std::uint64_t> first_cpu_change() const;
  [[nodiscard]] std::optional<std::uint64_t> first_device_change() const;

private:
  std::vector<Piece> pieces_;
  OwnMapping cpu_;
  OwnMapping device_;
  OwnMapping agreed_;  // the bytes that both last saw
};

}  // namespace causeway::test
