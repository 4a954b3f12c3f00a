// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "format_table.hpp"
#include "import_buffer.hpp"

namespace causeway::opencl_backend {

/// A plane as an image: over a buffer, at the plane's offset.
struct ImportedImage {
  MemHandle window;  ///< the part of the buffer from the offset on; empty where the image needs none
  MemHandle image;
};

/// An image over bytes that are imported as a buffer already: from the buffer where the device can do that
/// (cl_khr_image2d_from_buffer), else from the same CPU address. Errors: Unsupported (says what of format,
/// size, stride or offset the device cannot do), OutOfMemory, DeviceLost.
[[nodiscard]] Result<ImportedImage> import_image(const Context& context, const ImportedBuffer& buffer,
                                                 const PlaneImage& wish, const cw_plane_layout& plane);

}  // namespace causeway::opencl_backend
