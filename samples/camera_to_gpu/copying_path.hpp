// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <memory>

#include "converter.hpp"
#include "path.hpp"
#include "source.hpp"

namespace camera_to_gpu {

/// The usual way, done well: the picture arrives in plain memory, is copied into a staging buffer that stays
/// mapped, and the GPU copies it on into memory of its own. The same shader then writes the same output.
[[nodiscard]] causeway::Result<std::unique_ptr<Path>> copying_path(causeway::Runtime& runtime, Gpu& gpu,
                                                                   Converter& converter, Source& source,
                                                                   const causeway::FrameRef& output);

}  // namespace camera_to_gpu
