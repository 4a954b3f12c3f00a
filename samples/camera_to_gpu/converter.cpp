// SPDX-License-Identifier: Apache-2.0
#include "converter.hpp"

#include <fmt/format.h>

#include <span>

namespace camera_to_gpu {
namespace {

using causeway::Errc;
using causeway::Error;
using causeway::Result;

constexpr std::uint32_t kSpirv[] = {
#include "to_rgba.comp.inc"
};

// Sobel's operator gives four times the step in brightness across an edge: this marks steps above 15.
constexpr std::int32_t kEdgeThreshold = 60;

// As in the shader.
struct PushConstants {
  std::uint32_t width, height;
  std::uint32_t offset0, stride0, offset1, stride1;  // bytes
  std::uint32_t picture_offset, picture_stride;      // words
  std::uint32_t red, green, blue;                    // the byte of a pixel
  std::int32_t edge_threshold;
};

}  // namespace

Result<GpuPicture> gpu_picture(const causeway::FrameRef& frame, const causeway::Device& device) {
  const auto found = causeway::vulkan::view(frame.on(device));
  if (!found) {
    return found.error();
  }
  const auto& view = *found;
  GpuPicture picture{.layout = frame.frame().layout()};
  if (view->object_count > picture.objects.size()) {
    return Error(Errc::Unsupported, "gpu_picture",
                 fmt::format("the frame has {} memory objects; the shader takes 1 or 2", view->object_count));
  }
  for (std::uint32_t i = 0; i < view->object_count; ++i) {
    picture.objects.at(i) = {view->buffers[i], view->sizes[i]};
  }
  return picture;
}

Result<std::unique_ptr<Converter>> Converter::create(Gpu& gpu, const PictureFormat& format) {
  auto shader = ComputeShader::create(gpu, {.spirv = kSpirv,
                                            .buffers = 3,
                                            .constant_bytes = sizeof(PushConstants),
                                            .specialization = static_cast<std::uint32_t>(format.kind)});
  if (!shader) {
    return std::move(shader.error());
  }
  return std::unique_ptr<Converter>(new Converter(std::move(*shader), format));
}

Result<Recording> Converter::record(const GpuPicture& from, const GpuPicture& to) {
  const auto& first = from.layout.planes.front();
  const auto& last = from.layout.planes.back();  // the chroma of NV12; of packed formats the only plane
  const auto& rgba = to.layout.planes.front();
  const std::array<GpuBytes, 3> bytes{from.objects.at(first.object), from.objects.at(last.object),
                                      to.objects.at(rgba.object)};
  const PushConstants constants{.width = from.layout.width,
                                .height = from.layout.height,
                                .offset0 = static_cast<std::uint32_t>(first.offset),
                                .stride0 = first.stride,
                                .offset1 = static_cast<std::uint32_t>(last.offset),
                                .stride1 = last.stride,
                                .picture_offset = static_cast<std::uint32_t>(rgba.offset / 4),
                                .picture_stride = rgba.stride / 4,
                                .red = format_.rgb[0],
                                .green = format_.rgb[1],
                                .blue = format_.rgb[2],
                                .edge_threshold = kEdgeThreshold};
  return shader_->record(bytes, std::as_bytes(std::span(&constants, 1)), constants.width, constants.height);
}

}  // namespace camera_to_gpu
