// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <cstdint>
#include <functional>

#include "stages.hpp"

namespace camera_to_gpu {

/// One way of a picture from the source to the GPU. The GPU may still be at work on one picture while the
/// next is filled.
class Path {
public:
  virtual ~Path() = default;

  /// A picture that the GPU is done with.
  struct Step {
    FrameTimes times;
    bool corrupt = false;         ///< the camera said that the data may be damaged
    std::uint64_t cpu_waits = 0;  ///< times that the CPU waited for a device, from filled to released
  };
  using DoneFn = std::function<void(const Step&)>;

  /// Takes the next picture all the way to the GPU's queue; tells done of those that the GPU has finished
  /// meanwhile. Errors: the source's, and the GPU's.
  [[nodiscard]] virtual causeway::Status step(causeway::Deadline deadline, const DoneFn& done) = 0;
  /// Waits for the pictures that the GPU still works on, and tells of them. Errors: TimedOut, the GPU's.
  [[nodiscard]] virtual causeway::Status finish(causeway::Deadline deadline, const DoneFn& done) = 0;
};

}  // namespace camera_to_gpu
