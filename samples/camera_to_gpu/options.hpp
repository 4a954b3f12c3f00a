// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace camera_to_gpu {

struct Size {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
};

/// Sides of a picture that this sample takes, in pixels. More than any camera of today has; beyond it a
/// number is more likely a mistake than a wish.
inline constexpr std::uint32_t kMaxSide = 16384;

/// What the command line says.
struct Options {
  std::string source = "pattern";       ///< "/dev/videoN", "pattern" or a file
  std::optional<Size> size;             ///< none: what suits the source
  std::string format;                   ///< empty: the first that the source offers and the shader takes
  std::optional<std::uint32_t> frames;  ///< none: kDefaultFrames, or all of a file
  std::string out;                      ///< empty: no picture
  std::string json;                     ///< empty: no JSON
  std::string device;                   ///< Vulkan device; empty: the best
  std::string exporter;                 ///< empty: the ladder
  bool compare = false;
  bool then_opencl = false;  ///< a histogram by OpenCL in each picture
};

inline constexpr std::uint32_t kDefaultFrames = 120;

}  // namespace camera_to_gpu
