// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two names of a pixel layout: V4L2's fourcc and DRM's. They are often the same four characters, and
// sometimes the same four characters mean different things, hence a table and no cast.

#include <array>
#include <causeway/format.hpp>
#include <cstdint>
#include <span>
#include <string>

namespace causeway::v4l2_backend {

/// A layout that both V4L2 and DRM can name.
struct FormatRow {
  /// How a colour plane follows from the first: V4L2 states only the first one's stride when all lie in one
  /// memory plane.
  struct Plane {
    std::uint8_t stride_numerator;
    std::uint8_t stride_denominator;
    std::uint8_t row_divisor;  ///< rows of the image for one row of the plane
  };

  std::uint32_t fourcc;          ///< V4L2's
  Format drm;                    ///< the same bytes in memory
  std::uint8_t memory_planes;    ///< descriptors that a frame takes
  std::uint8_t colour_planes;    ///< planes that DRM counts
  std::uint8_t bytes_per_pixel;  ///< of the first plane
  std::array<Plane, 4> planes;

  /// The stride of colour plane p if all lie in one memory plane whose rows are `stride` bytes apart.
  [[nodiscard]] std::uint32_t stride_of(std::uint32_t p, std::uint32_t stride) const noexcept;
  /// Rows of colour plane p.
  [[nodiscard]] std::uint32_t rows_of(std::uint32_t p, std::uint32_t height) const noexcept;
  /// Where colour plane p begins in a single memory plane: right after the one before, as V4L2 defines it.
  [[nodiscard]] std::uint64_t offset_of(std::uint32_t p, std::uint32_t stride,
                                        std::uint32_t height) const noexcept;
};

/// Every known layout. Where several V4L2 names stand for one DRM format, the one to prefer comes first:
/// fewer descriptors, then the name that says for sure which byte is which.
[[nodiscard]] std::span<const FormatRow> format_rows() noexcept;

/// The row of a V4L2 fourcc; null if it is not known.
[[nodiscard]] const FormatRow* row_of_fourcc(std::uint32_t fourcc) noexcept;

/// V4L2's name for people: "NM12", "BGR4"; "0x…" for one that cannot be shown. Big-endian variants end in
/// "-BE".
[[nodiscard]] std::string fourcc_text(std::uint32_t fourcc);

}  // namespace causeway::v4l2_backend
