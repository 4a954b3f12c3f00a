// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the Vulkan specification says of YCbCr pictures (section 16.4, Sampler YCbCr Conversion), by the CPU.

#include <causeway/color.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace causeway::test {

/// A picture in numbers as they stand in memory: Y of each pixel, Cb and Cr shared by across x down pixels.
struct Picture {
  std::uint32_t width;
  std::uint32_t height;
  std::uint32_t across;
  std::uint32_t down;
  unsigned bits;
  std::vector<unsigned> y, cb, cr;

  /// One with edges and slopes in all three, and every number within the limited range.
  static Picture make(std::uint32_t width, std::uint32_t height, std::uint32_t across, std::uint32_t down,
                      unsigned bits = 8) {
    Picture made{width, height, across, down, bits, {}, {}, {}};
    const unsigned up = bits - 8;
    for (std::uint32_t row = 0; row < height; ++row) {
      for (std::uint32_t x = 0; x < width; ++x) {
        made.y.push_back(((16 + (x * 5 + row * 3) % 220) << up) + (x + row) % (1U << up));
      }
    }
    for (std::uint32_t row = 0; row < height / down; ++row) {
      for (std::uint32_t x = 0; x < width / across; ++x) {
        made.cb.push_back((40 + (x * 11 + row * 7) % 180) << up);
        made.cr.push_back((60 + (x * 13 + row * 5) % 150) << up);
      }
    }
    return made;
  }
};

struct Rules {
  ColorEncoding encoding = ColorEncoding::Bt601;
  ColorRange range = ColorRange::Limited;
  ChromaSiting siting_x = ChromaSiting::Cosited;
  ChromaSiting siting_y = ChromaSiting::Cosited;
  bool linear = true;  ///< the chroma filter
};

/// Chroma at pixel (x, y) of the picture, as the filter reconstructs it; 0 to 1.
inline double chroma_at(const Picture& of, const std::vector<unsigned>& samples, const Rules& rules,
                        std::uint32_t x, std::uint32_t y) {
  const auto place = [](std::uint32_t at, std::uint32_t share, ChromaSiting siting) {
    return siting == ChromaSiting::Cosited || share == 1 ? at / double(share) : (at + 0.5) / share - 0.5;
  };
  const int columns = static_cast<int>(of.width / of.across);
  const int rows = static_cast<int>(of.height / of.down);
  const auto texel = [&](int column, int row) {
    const int c = std::clamp(column, 0, columns - 1);
    const int r = std::clamp(row, 0, rows - 1);
    return samples[static_cast<std::size_t>(r) * static_cast<std::size_t>(columns) +
                   static_cast<std::size_t>(c)] /
           double((1U << of.bits) - 1);
  };
  const double u = place(x, of.across, rules.siting_x);
  const double v = place(y, of.down, rules.siting_y);
  if (!rules.linear) {
    return texel(static_cast<int>(std::floor(u + 0.5)), static_cast<int>(std::floor(v + 0.5)));
  }
  const int left = static_cast<int>(std::floor(u));
  const int top = static_cast<int>(std::floor(v));
  const double a = u - left;
  const double b = v - top;
  return (1 - b) * ((1 - a) * texel(left, top) + a * texel(left + 1, top)) +
         b * ((1 - a) * texel(left, top + 1) + a * texel(left + 1, top + 1));
}

/// R, G and B of a pixel; not clamped.
inline std::array<double, 3> rgb_at(const Picture& of, const Rules& rules, std::uint32_t x, std::uint32_t y) {
  const double most = (1U << of.bits) - 1;
  const double up = 1U << (of.bits - 8);
  double luma = of.y[std::size_t{y} * of.width + x] / most;
  double cb = chroma_at(of, of.cb, rules, x, y);
  double cr = chroma_at(of, of.cr, rules, x, y);
  if (rules.range == ColorRange::Full) {
    cb -= 128 * up / most;
    cr -= 128 * up / most;
  } else {
    luma = (luma * most - 16 * up) / (219 * up);
    cb = (cb * most - 128 * up) / (224 * up);
    cr = (cr * most - 128 * up) / (224 * up);
  }
  double red = 0.299;  // Kr and Kb, of ITU-R BT.601-7, BT.709-6 and BT.2020-2
  double blue = 0.114;
  if (rules.encoding == ColorEncoding::Bt709) {
    red = 0.2126;
    blue = 0.0722;
  } else if (rules.encoding == ColorEncoding::Bt2020) {
    red = 0.2627;
    blue = 0.0593;
  }
  const double green = 1 - red - blue;
  const double r = luma + 2 * (1 - red) * cr;
  const double b = luma + 2 * (1 - blue) * cb;
  return {r, (luma - red * r - blue * b) / green, b};
}

// How the numbers lie in memory (drm_fourcc.h). plane begins with the first row.

template <class Sample>
void put(std::span<std::byte> at, std::size_t index, unsigned value) {
  const auto sample = static_cast<Sample>(value);
  std::memcpy(&at[index * sizeof(Sample)], &sample, sizeof(Sample));
}

/// NV12, or with 16-bit samples P010, whose 10 bits stand at the top.
template <class Sample>
void put_luma(const Picture& of, std::span<std::byte> plane, std::uint32_t stride) {
  for (std::uint32_t row = 0; row < of.height; ++row) {
    for (std::uint32_t x = 0; x < of.width; ++x) {
      put<Sample>(plane.subspan(std::size_t{row} * stride), x,
                  of.y[std::size_t{row} * of.width + x] << (sizeof(Sample) * 8 - of.bits));
    }
  }
}
template <class Sample>
void put_chroma(const Picture& of, std::span<std::byte> plane, std::uint32_t stride) {
  const std::uint32_t columns = of.width / of.across;
  for (std::uint32_t row = 0; row < of.height / of.down; ++row) {
    for (std::uint32_t x = 0; x < columns; ++x) {
      const auto line = plane.subspan(std::size_t{row} * stride);
      const std::size_t index = std::size_t{row} * columns + x;
      put<Sample>(line, std::size_t{x} * 2, of.cb[index] << (sizeof(Sample) * 8 - of.bits));
      put<Sample>(line, std::size_t{x} * 2 + 1, of.cr[index] << (sizeof(Sample) * 8 - of.bits));
    }
  }
}
inline void put_yuyv(const Picture& of, std::span<std::byte> plane, std::uint32_t stride) {
  for (std::uint32_t row = 0; row < of.height; ++row) {
    for (std::uint32_t x = 0; x < of.width / 2; ++x) {
      const auto line = plane.subspan(std::size_t{row} * stride);
      const std::size_t luma = std::size_t{row} * of.width + std::size_t{x} * 2;
      const std::size_t chroma = std::size_t{row} * (of.width / 2) + x;
      put<std::uint8_t>(line, std::size_t{x} * 4, of.y[luma]);
      put<std::uint8_t>(line, std::size_t{x} * 4 + 1, of.cb[chroma]);
      put<std::uint8_t>(line, std::size_t{x} * 4 + 2, of.y[luma + 1]);
      put<std::uint8_t>(line, std::size_t{x} * 4 + 3, of.cr[chroma]);
    }
  }
}

}  // namespace causeway::test
