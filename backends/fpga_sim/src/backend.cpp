// SPDX-License-Identifier: Apache-2.0
#include "device.hpp"

extern "C" const cw_backend* causeway_fpga_sim_backend(std::uint32_t host_version);

const cw_backend* causeway_fpga_sim_backend(std::uint32_t host_version) {
  if (host_version >> 16U != CW_ABI_MAJOR) {
    return nullptr;
  }
  static const cw_backend table = causeway::plugin::make_table<causeway::fpga_sim_backend::Card>(
      "fpga_sim", "A scatter-gather DMA engine in SystemVerilog with an image kernel, simulated");
  return &table;
}
