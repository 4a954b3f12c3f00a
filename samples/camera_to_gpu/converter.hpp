// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <causeway/causeway.hpp>
#include <memory>

#include "gpu.hpp"
#include "picture_format.hpp"

namespace camera_to_gpu {

/// Linear bytes on the GPU.
struct GpuBytes {
  VkBuffer buffer = VK_NULL_HANDLE;
  VkDeviceSize size = 0;
};

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
  ~Converter();
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  /// Records the conversion of one picture, once; it is then submitted for every frame that lies there.
  /// Errors: Unsupported (larger than the GPU's storage buffers), the driver's.
  [[nodiscard]] causeway::Result<Recording> record(const GpuPicture& from, const GpuPicture& to);

private:
  Converter(Gpu& gpu, const PictureFormat& format) : gpu_(gpu), format_(format) {}
  [[nodiscard]] causeway::Status prepare_layout();
  [[nodiscard]] causeway::Status prepare_pipeline();
  [[nodiscard]] causeway::Result<VkDescriptorSet> describe(const std::array<GpuBytes, 3>& bytes);

  Gpu& gpu_;
  const PictureFormat& format_;
  VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  VkShaderModule module_ = VK_NULL_HANDLE;
  VkPipeline pipeline_ = VK_NULL_HANDLE;
  VkDescriptorPool sets_ = VK_NULL_HANDLE;
};

}  // namespace camera_to_gpu
