// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace causeway::test {

struct Rgb {
  int r = 0, g = 0, b = 0;
  bool operator==(const Rgb&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Rgb& rgb);

struct Ycc {
  int y = 16, cb = 128, cr = 128;
};

/// An image in memory.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<Rgb> pixels;

  [[nodiscard]] Rgb at(int x, int y) const {
    return pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
                  static_cast<std::size_t>(x)];
  }
};

/// Reads a PNG. A picture without pixels if it cannot be read.
[[nodiscard]] Picture read_png(const std::string& path);

/// BT.601, limited range, in the whole numbers of the sample's shader.
[[nodiscard]] Rgb to_rgb(const Ycc& colour);

/// What the sample makes of a picture on the CPU, pixel by pixel: converted, edges marked. through_rgb: the
/// source has RGB pixels, and brightness is computed from them.
[[nodiscard]] Picture expected_picture(int width, int height, const std::function<Ycc(int x, int y)>& source,
                                       bool through_rgb);

/// The first pixel that differs, in words; empty if none does.
[[nodiscard]] std::string difference(const Picture& seen, const Picture& expected);

}  // namespace causeway::test
