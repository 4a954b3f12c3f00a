// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/frame.hpp>
#include <causeway/result.hpp>

#include <cstdint>
#include <span>

namespace causeway::core {

/// The largest side of an image, in pixels: more than any device takes, and small enough that no product of
/// sides and bytes overflows 64 bits.
inline constexpr std::uint32_t kMaxSide = 65536;

/// Checks format and size alone. Errors: InvalidArgument, Unsupported (a format that Causeway does not know).
[[nodiscard]] Status check_image(Format format, std::uint32_t width, std::uint32_t height);

/// Checks that every plane lies within its object. All sums in 64 bits, none can overflow.
[[nodiscard]] Status check_layout(const FrameLayout& layout, std::span<const std::uint64_t> object_sizes);

/// Bytes from the start of plane p to the end of its last row, and the bytes of that row alone.
struct PlaneExtent {
  std::uint64_t bytes;
  std::uint64_t row_bytes;
};
[[nodiscard]] PlaneExtent extent_of(const FrameLayout& layout, std::uint32_t p) noexcept;

}  // namespace causeway::core
