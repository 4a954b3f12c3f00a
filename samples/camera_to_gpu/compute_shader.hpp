// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "gpu.hpp"

namespace camera_to_gpu {

/// Linear bytes on the GPU.
struct GpuBytes {
  VkBuffer buffer = VK_NULL_HANDLE;
  VkDeviceSize size = 0;
};

/// A compute shader over storage buffers, at bindings 0, 1, … of set 0, with push constants; one invocation a
/// pixel, in groups of 16 x 4.
class ComputeShader {
public:
  struct Words {
    std::span<const std::uint32_t> spirv;
    std::uint32_t buffers = 0;
    std::uint32_t constant_bytes = 0;
    /// Constant 0 of the shader's specialization: known when the pipeline is made, it costs no branch there.
    std::optional<std::uint32_t> specialization{};
  };
  /// gpu must outlive it. Errors: the driver's.
  [[nodiscard]] static causeway::Result<std::unique_ptr<ComputeShader>> create(Gpu& gpu, const Words& words);
  ~ComputeShader();
  ComputeShader(const ComputeShader&) = delete;
  ComputeShader& operator=(const ComputeShader&) = delete;

  /// Records the work on a picture of that size, once; it may be submitted for every frame that lies there.
  /// constants: as many bytes as were said. Errors: Unsupported (larger than the GPU's storage buffers), the
  /// driver's.
  [[nodiscard]] causeway::Result<Recording> record(std::span<const GpuBytes> buffers,
                                                   std::span<const std::byte> constants, std::uint32_t width,
                                                   std::uint32_t height);

private:
  explicit ComputeShader(Gpu& gpu) : gpu_(gpu) {}
  [[nodiscard]] causeway::Status prepare_layout(const Words& words);
  [[nodiscard]] causeway::Status prepare_pipeline(const Words& words);
  [[nodiscard]] causeway::Result<VkDescriptorSet> describe(std::span<const GpuBytes> buffers);

  Gpu& gpu_;
  VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  VkShaderModule module_ = VK_NULL_HANDLE;
  VkPipeline pipeline_ = VK_NULL_HANDLE;
  VkDescriptorPool sets_ = VK_NULL_HANDLE;
};

}  // namespace camera_to_gpu
