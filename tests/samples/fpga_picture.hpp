// SPDX-License-Identifier: Apache-2.0
#pragma once

// What camera_fpga_gpu must show of the pattern, computed by the CPU.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "samples/picture.hpp"

namespace causeway::test {

inline nlohmann::json read_json(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file, nullptr, false);
}

// The pattern of camera_to_gpu/source_pattern.cpp: bars that move, a white block that runs below them.
inline Ycc pattern(int x, int y, int width, int height, int number) {
  constexpr std::array<Ycc, 8> kBars{{{180, 128, 128},
                                      {162, 44, 142},
                                      {131, 156, 44},
                                      {112, 72, 58},
                                      {84, 184, 198},
                                      {65, 100, 212},
                                      {35, 212, 114},
                                      {16, 128, 128}}};
  const int bar = std::max(2, (width / 8) & ~1);
  if (y < ((height * 3 / 4) & ~1)) {
    return kBars.at(static_cast<std::size_t>((x + 2 * number) / bar % 8));
  }
  const int block = (number * 8 % width) & ~1;
  return x >= block && x < block + bar ? Ycc{235, 128, 128} : Ycc{};
}

using Luma = std::function<int(int x, int y)>;
/// What a card's kernel makes of a place in the picture.
using Kernel = std::function<int(const Luma& luma, int x, int y, int width, int height)>;

/// The simulated card's: 0 on the border.
inline int sobel(const Luma& luma, int x, int y, int width, int height) {
  if (x == 0 || y == 0 || x + 1 == width || y + 1 == height) {
    return 0;
  }
  int across = 0;
  int down = 0;
  for (int d = -1; d <= 1; ++d) {
    const int weight = d == 0 ? 2 : 1;
    across += weight * (luma(x + 1, y + d) - luma(x - 1, y + d));
    down += weight * (luma(x + d, y + 1) - luma(x + d, y - 1));
  }
  return std::abs(across) + std::abs(down);
}
/// QEMU's edu's.
inline int copy(const Luma& luma, int x, int y, int /*width*/, int /*height*/) {
  return luma(x, y);
}

/// The FPGA's marks over the picture of that number.
inline Picture overlaid(const Kernel& kernel, int width, int height, int number) {
  Picture picture{.width = width, .height = height};
  const Luma luma = [&](int x, int y) { return pattern(x, y, width, height, number).y; };
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      picture.pixels.push_back(kernel(luma, x, y, width, height) > 60
                                   ? Rgb{255, 96, 0}
                                   : to_rgb(pattern(x, y, width, height, number)));
    }
  }
  return picture;
}

}  // namespace causeway::test
