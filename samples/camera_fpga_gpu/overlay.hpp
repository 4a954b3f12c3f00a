// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <causeway/causeway.hpp>
#include <memory>

#include "gpu.hpp"

namespace camera_fpga_gpu {

/// The compute shader that lays the FPGA's edges over the camera's picture (overlay.comp).
class Overlay {
public:
  /// gpu must outlive it. pictures: how many recordings there will be. Errors: the driver's.
  [[nodiscard]] static causeway::Result<std::unique_ptr<Overlay>> create(camera_to_gpu::Gpu& gpu,
                                                                         std::uint32_t pictures);
  ~Overlay();
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  /// Records the work for one camera frame (NV12), once; edges: R8; picture: ABGR8888; all of one size.
  /// Errors: the driver's.
  [[nodiscard]] causeway::Result<camera_to_gpu::Recording> record(const causeway::FrameRef& frame,
                                                                  const causeway::FrameRef& edges,
                                                                  const causeway::FrameRef& picture);

private:
  static constexpr std::uint32_t kBindings = 4;
  explicit Overlay(camera_to_gpu::Gpu& gpu) : gpu_(gpu) {}
  [[nodiscard]] causeway::Status prepare_layout(std::uint32_t pictures);
  [[nodiscard]] causeway::Status prepare_pipeline();

  camera_to_gpu::Gpu& gpu_;
  VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  VkShaderModule module_ = VK_NULL_HANDLE;
  VkPipeline pipeline_ = VK_NULL_HANDLE;
  VkDescriptorPool sets_ = VK_NULL_HANDLE;
};

}  // namespace camera_fpga_gpu
