// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <memory>

#include "source.hpp"

namespace camera_to_gpu {

/// The camera's own buffers, mapped into the program: how most programs read a camera, and here what shared
/// frames are compared with. Plain V4L2 without Causeway, in the format that the camera is set to.
/// Errors: Unsupported (more than one memory plane), Busy (frames are attached to the camera), Io,
/// DeviceLost.
[[nodiscard]] causeway::Result<std::unique_ptr<PlainFeed>> mmap_camera(const causeway::Device& camera);

}  // namespace camera_to_gpu
