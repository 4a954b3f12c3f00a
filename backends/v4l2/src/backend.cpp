// SPDX-License-Identifier: Apache-2.0
#include "device.hpp"

extern "C" const cw_backend* causeway_v4l2_backend(std::uint32_t host_version);

const cw_backend* causeway_v4l2_backend(std::uint32_t host_version) {
  if (host_version >> 16U != CW_ABI_MAJOR) {
    return nullptr;
  }
  static const cw_backend table = causeway::plugin::make_table<causeway::v4l2_backend::Camera>(
      "v4l2", "Cameras and frame grabbers through Video4Linux, filling dma-bufs");
  return &table;
}
