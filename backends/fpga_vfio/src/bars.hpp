// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

#include "vfio_device.hpp"

namespace causeway::fpga_vfio_backend {

/// The register spaces of a card, mapped where VFIO permits it, read and written through the descriptor
/// elsewhere. Threads: thread-safe, as far as the card's own registers are.
class Bars {
public:
  static constexpr std::uint32_t kMost = 6;

  Bars(plugin::Host host, const VfioDevice& device) : host_(host), device_(device) {}
  Bars(const Bars&) = delete;
  Bars& operator=(const Bars&) = delete;
  ~Bars();

  /// Once, before anything else. Errors: the kernel's.
  [[nodiscard]] Status map();

  /// Bit n: there is a BAR n.
  [[nodiscard]] std::uint32_t mask() const;
  /// Bytes. Errors: NotFound.
  [[nodiscard]] Result<std::uint64_t> size(std::uint32_t bar) const;
  /// offset: bytes, a multiple of 4. Errors: NotFound, InvalidArgument (outside), Io.
  [[nodiscard]] Result<std::uint32_t> read(std::uint32_t bar, std::uint64_t offset) const;
  [[nodiscard]] Status write(std::uint32_t bar, std::uint64_t offset, std::uint32_t value) const;

private:
  struct Bar {
    Region region;
    std::byte* memory = nullptr;  // null: not mapped
  };
  [[nodiscard]] Result<const Bar*> find(std::uint32_t bar, std::uint64_t offset) const;

  plugin::Host host_;
  const VfioDevice& device_;
  std::array<Bar, kMost> bars_{};
};

}  // namespace causeway::fpga_vfio_backend
