// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>

#include "stages.hpp"

namespace camera_to_gpu {

/// One way of a picture from the source to the GPU.
class Path {
public:
  virtual ~Path() = default;

  struct Step {
    FrameTimes times;
    bool corrupt = false;  ///< the camera said that the data may be damaged
  };
  /// Takes the next picture all the way. Errors: the source's, and the GPU's.
  [[nodiscard]] virtual causeway::Result<Step> step(causeway::Deadline deadline) = 0;
};

}  // namespace camera_to_gpu
