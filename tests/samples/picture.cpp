// SPDX-License-Identifier: Apache-2.0
#include "samples/picture.hpp"

#include <png.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace causeway::test {
namespace {

constexpr Rgb kEdge{255, 96, 0};
constexpr int kThreshold = 60;

}  // namespace

std::ostream& operator<<(std::ostream& out, const Rgb& rgb) {
  return out << "(" << rgb.r << ", " << rgb.g << ", " << rgb.b << ")";
}

Picture read_png(const std::string& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&image, path.c_str()) == 0) {
    return {};
  }
  image.format = PNG_FORMAT_RGBA;
  std::vector<std::uint8_t> bytes(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, bytes.data(), 0, nullptr) == 0) {
    return {};
  }
  Picture picture{
      .width = static_cast<int>(image.width), .height = static_cast<int>(image.height), .pixels = {}};
  for (std::size_t i = 0; i < bytes.size(); i += 4) {
    picture.pixels.push_back({bytes[i], bytes[i + 1], bytes[i + 2]});
  }
  return picture;
}

Rgb to_rgb(const Ycc& colour) {
  const int c = 298 * (colour.y - 16) + 128;
  const int d = colour.cb - 128;
  const int e = colour.cr - 128;
  const auto channel = [](int value) { return std::clamp(value >> 8, 0, 255); };
  return {channel(c + 409 * e), channel(c - 100 * d - 208 * e), channel(c + 516 * d)};
}

Picture expected_picture(int width, int height, const std::function<Ycc(int x, int y)>& source,
                         bool through_rgb) {
  const auto luma = [&](int x, int y) {
    const auto colour = source(std::clamp(x, 0, width - 1), std::clamp(y, 0, height - 1));
    const auto rgb = to_rgb(colour);
    return through_rgb ? ((66 * rgb.r + 129 * rgb.g + 25 * rgb.b + 128) >> 8) + 16 : colour.y;
  };
  Picture picture{.width = width, .height = height, .pixels = {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      int across = 0;
      int down = 0;
      for (int i = -1; i <= 1; ++i) {
        const int weight = i == 0 ? 2 : 1;
        across += weight * (luma(x + 1, y + i) - luma(x - 1, y + i));
        down += weight * (luma(x + i, y + 1) - luma(x + i, y - 1));
      }
      picture.pixels.push_back(std::abs(across) + std::abs(down) > kThreshold ? kEdge : to_rgb(source(x, y)));
    }
  }
  return picture;
}

std::string difference(const Picture& seen, const Picture& expected) {
  std::ostringstream text;
  if (seen.width != expected.width || seen.height != expected.height) {
    text << "the picture is " << seen.width << "x" << seen.height << " instead of " << expected.width << "x"
         << expected.height;
    return text.str();
  }
  for (int y = 0; y < seen.height; ++y) {
    for (int x = 0; x < seen.width; ++x) {
      if (seen.at(x, y) != expected.at(x, y)) {
        text << "pixel " << x << ", " << y << " is " << seen.at(x, y) << " instead of " << expected.at(x, y);
        return text.str();
      }
    }
  }
  return {};
}

}  // namespace causeway::test
