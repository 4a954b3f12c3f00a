// SPDX-License-Identifier: Apache-2.0
#include "card.hpp"

extern "C" const cw_backend* causeway_fpga_xrt_backend(std::uint32_t host_version);

const cw_backend* causeway_fpga_xrt_backend(std::uint32_t host_version) {
  if (host_version >> 16U != CW_ABI_MAJOR) {
    return nullptr;
  }
  static const cw_backend table = causeway::plugin::make_table<causeway::fpga_xrt_backend::Card>(
      "fpga_xrt", "Cards behind AMD's runtime for FPGAs, XRT");
  return &table;
}
