// SPDX-License-Identifier: Apache-2.0
#include "card.hpp"

extern "C" const cw_backend* causeway_fpga_vfio_backend(std::uint32_t host_version);

const cw_backend* causeway_fpga_vfio_backend(std::uint32_t host_version) {
  if (host_version >> 16U != CW_ABI_MAJOR) {
    return nullptr;
  }
  static const cw_backend table = causeway::plugin::make_table<causeway::fpga_vfio_backend::Card>(
      "fpga_vfio", "PCIe cards that are bound to vfio-pci, behind an IOMMU");
  return &table;
}
