// SPDX-License-Identifier: Apache-2.0
#include "warm_up.hpp"

#include <chrono>

#include "gpu_buffer.hpp"

namespace camera_to_gpu {

causeway::Status warm_up(Gpu& gpu, Converter& converter, const PictureFormat& format) {
  constexpr std::uint32_t kSide = 2;
  constexpr VkDeviceSize kBytes = 256;  // more than a picture of that size takes in any format
  auto buffer = GpuBuffer::create(gpu, kBytes, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, 0);
  if (!buffer) {
    return std::move(buffer.error());
  }
  // Source and target are the same bytes at different offsets; nobody looks at them.
  const GpuBytes bytes{.buffer = (*buffer)->vk(), .size = kBytes};
  const causeway::PlaneLayout plane{.stride = 4 * kSide};
  GpuPicture from{
      .objects = {bytes, bytes},
      .layout = {.format = format.format, .width = kSide, .height = kSide, .planes = {plane, plane}}};
  auto to = from;
  to.layout.planes[0].offset = kBytes / 2;
  const auto work = converter.record(from, to);
  if (!work) {
    return work.error();
  }
  return gpu.run(*work, causeway::Deadline::in(std::chrono::seconds(60)));
}

}  // namespace camera_to_gpu
