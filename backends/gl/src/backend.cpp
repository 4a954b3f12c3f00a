// SPDX-License-Identifier: Apache-2.0
// The one symbol of this backend.
#include <causeway/plugin/backend.hpp>

#include "device.hpp"

extern "C" const cw_backend* causeway_gl_backend(std::uint32_t host_version);

const cw_backend* causeway_gl_backend(std::uint32_t host_version) {
  static const cw_backend table = causeway::plugin::make_table<causeway::gl_backend::Device>(
      "gl", "OpenGL ES textures, by EGL_EXT_image_dma_buf_import");
  return host_version >> 16U == CW_ABI_MAJOR ? &table : nullptr;
}
