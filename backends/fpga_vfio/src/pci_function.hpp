// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::fpga_vfio_backend {

/// What sysfs tells of a PCI function (Documentation/PCI/sysfs-pci.rst).
struct PciFunction {
  std::string address;  ///< "0000:01:00.0"
  std::string driver;   ///< empty: bound to none
  std::uint32_t vendor = 0;
  std::uint32_t device = 0;
};

/// domain:bus:device.function, in hexadecimal digits.
[[nodiscard]] bool is_pci_address(std::string_view text);

/// Empty if there is no such function, or sysfs cannot be read.
[[nodiscard]] std::optional<PciFunction> look_up(plugin::Host host, const std::string& address);

/// The addresses of all functions that are bound to vfio-pci, in order.
[[nodiscard]] std::vector<std::string> bound_to_vfio(plugin::Host host);

/// The number of the IOMMU group that the function is in; empty: in none.
[[nodiscard]] std::optional<std::string> group_of(plugin::Host host, const std::string& address);
/// Whether the kernel uses an IOMMU at all.
[[nodiscard]] bool has_iommu(plugin::Host host);
/// The functions of a group.
[[nodiscard]] std::vector<std::string> members_of(plugin::Host host, const std::string& group);

/// The names in a directory, in order; empty if it is not there.
[[nodiscard]] std::vector<std::string> list(plugin::Host host, const std::string& path);

/// The commands that bind a function to vfio-pci, for root.
[[nodiscard]] std::string how_to_bind(const std::string& address, bool bound_elsewhere);

}  // namespace causeway::fpga_vfio_backend
