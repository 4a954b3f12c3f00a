// SPDX-License-Identifier: Apache-2.0
#include "overlay.hpp"

#include <array>
#include <span>
#include <utility>

namespace camera_fpga_gpu {
namespace {

using camera_to_gpu::ComputeShader;
using camera_to_gpu::GpuBytes;
using causeway::FrameRef;
using causeway::Result;

constexpr std::uint32_t kSpirv[] = {
#include "overlay.comp.inc"
};

constexpr std::uint32_t kBuffers = 4;
// Sobel's operator gives four times the step in brightness across an edge: this marks steps above 15.
constexpr std::uint32_t kThreshold = 60;

// As in the shader.
struct Constants {
  std::uint32_t width, height;
  std::uint32_t luma_offset, luma_stride, chroma_offset, chroma_stride;  // bytes
  std::uint32_t edges_offset, edges_stride;                              // bytes
  std::uint32_t picture_offset, picture_stride;                          // words
  std::uint32_t threshold;
};

/// A plane of a frame: the buffer that it lies in, and where.
struct Plane {
  GpuBytes bytes;
  std::uint32_t offset;
  std::uint32_t stride;
};

Result<Plane> plane_of(const FrameRef& frame, const causeway::Device& gpu, std::size_t plane) {
  const auto view = causeway::vulkan::view(frame.on(gpu));
  if (!view) {
    return view.error();
  }
  const auto& layout = frame.frame().layout().planes[plane];
  return Plane{.bytes = {(*view)->buffers[layout.object], (*view)->sizes[layout.object]},
               .offset = static_cast<std::uint32_t>(layout.offset),
               .stride = layout.stride};
}

}  // namespace

Result<std::unique_ptr<Overlay>> Overlay::create(camera_to_gpu::Gpu& gpu) {
  auto shader =
      ComputeShader::create(gpu, {.spirv = kSpirv, .buffers = kBuffers, .constant_bytes = sizeof(Constants)});
  if (!shader) {
    return std::move(shader.error());
  }
  return std::unique_ptr<Overlay>(new Overlay(gpu.device(), std::move(*shader)));
}

Result<camera_to_gpu::Recording> Overlay::record(const FrameRef& frame, const FrameRef& edges,
                                                 const FrameRef& picture) {
  std::array<Plane, kBuffers> planes{};
  std::array<GpuBytes, kBuffers> bytes{};
  const std::array<std::pair<const FrameRef*, std::size_t>, kBuffers> wanted{
      {{&frame, 0}, {&frame, 1}, {&edges, 0}, {&picture, 0}}};
  for (std::size_t i = 0; i < kBuffers; ++i) {
    const auto plane = plane_of(*wanted.at(i).first, device_, wanted.at(i).second);
    if (!plane) {
      return plane.error();
    }
    planes.at(i) = *plane;
    bytes.at(i) = plane->bytes;
  }
  const auto& layout = frame.frame().layout();
  const Constants constants{.width = layout.width,
                            .height = layout.height,
                            .luma_offset = planes[0].offset,
                            .luma_stride = planes[0].stride,
                            .chroma_offset = planes[1].offset,
                            .chroma_stride = planes[1].stride,
                            .edges_offset = planes[2].offset,
                            .edges_stride = planes[2].stride,
                            .picture_offset = planes[3].offset / 4,
                            .picture_stride = planes[3].stride / 4,
                            .threshold = kThreshold};
  return shader_->record(bytes, std::as_bytes(std::span(&constants, 1)), constants.width, constants.height);
}

}  // namespace camera_fpga_gpu
