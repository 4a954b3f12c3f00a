// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <memory>

#include "converter.hpp"
#include "histogram.hpp"
#include "path.hpp"
#include "source.hpp"

namespace camera_to_gpu {

/// Frames that source and GPU share: nothing is copied. output: the frame that the GPU writes. then: what
/// OpenCL does to it after that, or null.
[[nodiscard]] causeway::Result<std::unique_ptr<Path>> shared_path(causeway::Runtime& runtime, Gpu& gpu,
                                                                  Converter& converter, Source& source,
                                                                  const causeway::FramePool& frames,
                                                                  const causeway::FrameRef& output,
                                                                  Histogram* then);

}  // namespace camera_to_gpu
