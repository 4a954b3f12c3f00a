// SPDX-License-Identifier: Apache-2.0
#pragma once

// Settling a format with a camera: what is wanted goes in, what the driver made of it comes out, and it is
// either exactly what was wanted or a refusal that says what there is.

#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <cstdint>
#include <vector>

#include "formats.hpp"
#include "node.hpp"

namespace causeway::v4l2_backend {

/// A format that camera and caller agree on, and that the camera is set to.
struct Agreed {
  const FormatRow* row;
  PixelFormat format;
};

/// Sets the camera to the image's format and size. preferred is a V4L2 fourcc to take if it is one for this
/// DRM format; 0: none. Errors: InvalidArgument (no size), Unsupported (naming the formats or sizes that are
/// offered), Busy, DeviceLost.
[[nodiscard]] Result<Agreed> agree(const Node& node, const cw_image_desc& image, std::uint32_t preferred);

/// What the agreed format means for an allocation.
void narrow(const Agreed& agreed, cw_constraints& constraints);

/// Whether memory laid out like this can be filled by the camera in the agreed format.
/// Errors: InvalidArgument, naming the plane, the field, what it is and what it would have to be.
[[nodiscard]] Status check_layout(const Node& node, const Agreed& agreed, const cw_attach_info& info);

}  // namespace causeway::v4l2_backend
