// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <memory>

#include "compute_shader.hpp"
#include "gpu.hpp"

namespace camera_fpga_gpu {

/// The compute shader that lays the FPGA's edges over the camera's picture (overlay.comp).
class Overlay {
public:
  /// gpu must outlive it. Errors: the driver's.
  [[nodiscard]] static causeway::Result<std::unique_ptr<Overlay>> create(camera_to_gpu::Gpu& gpu);

  /// Records the work for one camera frame (NV12), once; edges: R8; picture: ABGR8888; all of one size.
  /// Errors: the driver's.
  [[nodiscard]] causeway::Result<camera_to_gpu::Recording> record(const causeway::FrameRef& frame,
                                                                  const causeway::FrameRef& edges,
                                                                  const causeway::FrameRef& picture);

private:
  Overlay(const causeway::Device& device, std::unique_ptr<camera_to_gpu::ComputeShader> shader)
      : device_(device), shader_(std::move(shader)) {}

  causeway::Device device_;
  std::unique_ptr<camera_to_gpu::ComputeShader> shader_;
};

}  // namespace camera_fpga_gpu
