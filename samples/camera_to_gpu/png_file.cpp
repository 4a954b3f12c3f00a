// SPDX-License-Identifier: Apache-2.0
#include "png_file.hpp"

#include <fmt/format.h>
#include <png.h>

namespace camera_to_gpu {

causeway::Status write_png(AtomicFile& file, std::span<const std::byte> rows, std::uint32_t width,
                           std::uint32_t height, std::uint32_t stride) {
  if (height == 0 || rows.size() < std::uint64_t{stride} * (height - 1) + std::uint64_t{width} * 4) {
    return causeway::Error(causeway::Errc::InvalidArgument, "write_png",
                           fmt::format("{} bytes are not {} rows of {} bytes", rows.size(), height, stride));
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = PNG_FORMAT_RGBA;
  image.flags = PNG_IMAGE_FLAG_FAST;  // a fifth of the time for a few bytes more
  if (png_image_write_to_stdio(&image, file.stream(), 0, rows.data(), static_cast<png_int_32>(stride),
                               nullptr) == 0) {
    return causeway::Error(causeway::Errc::Io, file.path(),
                           fmt::format("libpng could not write the picture: {}", image.message));
  }
  return file.commit();
}

}  // namespace camera_to_gpu
