// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "converter.hpp"
#include "gpu.hpp"
#include "picture_format.hpp"

namespace camera_to_gpu {

/// Runs the shader once on a picture of a few pixels. Drivers finish compiling at the first dispatch, which
/// would otherwise count as the first frame's. Errors: the driver's.
[[nodiscard]] causeway::Status warm_up(Gpu& gpu, Converter& converter, const PictureFormat& format);

}  // namespace camera_to_gpu
