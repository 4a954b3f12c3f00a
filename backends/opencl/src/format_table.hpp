// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/format.hpp>
#include <optional>

#include "api.hpp"

namespace causeway::opencl_backend {

/// A plane of a frame, as an image.
struct PlaneImage {
  cl_image_format format;
  std::uint32_t element_bytes;
  std::uint32_t width;  ///< elements
  std::uint32_t height;
};

/// What a plane of a frame in that DRM format is to OpenCL: NV12's are R8 and RG8 of half the size; YUYV is
/// RGBA8 of half the width, one element for two pixels. Empty where OpenCL has no format for it.
[[nodiscard]] std::optional<PlaneImage> plane_image(Format format, std::uint32_t plane, std::uint32_t width,
                                                    std::uint32_t height) noexcept;

}  // namespace causeway::opencl_backend
