// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <causeway/causeway.hpp>
#include <memory>

#include "compute_shader.hpp"
#include "gpu.hpp"
#include "picture_format.hpp"

namespace camera_to_gpu {

/// A picture on the GPU: its memory objects, and where in them the planes lie.
struct GpuPicture {
  std::array<GpuBytes, 2> objects;
  causeway::FrameLayout layout;
};

/// A frame of a pool as the shader sees it. Errors: Unsupported (more than two memory objects).
[[nodiscard]] causeway::Result<GpuPicture> gpu_picture(const causeway::FrameRef& frame,
                                                       const causeway::Device& device);

/// The compute shader that makes R G B A of a camera's picture and marks its edges (to_rgba.comp).
class Converter {
public:
  [[nodiscard]] static causeway::Result<std::unique_ptr<Converter>> create(Gpu& gpu,
                                                                           const PictureFormat& format);
  /// Records the conversion of one picture, once; it is then submitted for every frame that lies there.
  /// Errors: Unsupported (larger than the GPU's storage buffers), the driver's.
  [[nodiscard]] causeway::Result<Recording> record(const GpuPicture& from, const GpuPicture& to);

private:
  Converter(std::unique_ptr<ComputeShader> shader, const PictureFormat& format)
      : shader_(std::move(shader)), format_(format) {}

  std::unique_ptr<ComputeShader> shader_;
  const PictureFormat& format_;
};

}  // namespace camera_to_gpu
