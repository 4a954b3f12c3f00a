// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <causeway/format.hpp>
#include <causeway/result.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace camera_to_gpu {

/// How the shader reads a picture; the values are those of its constant `kind`.
enum class Kind : std::uint32_t { Nv12 = 0, Yuyv = 1, Uyvy = 2, Rgb32 = 3 };

/// A format that the shader takes.
struct PictureFormat {
  causeway::Format format;
  Kind kind;
  std::array<std::uint8_t, 3> rgb;  ///< Rgb32: which byte of a pixel is red, green, blue
};

/// All of them, the cheapest to read first.
[[nodiscard]] std::span<const PictureFormat> picture_formats() noexcept;

/// Null if the shader does not take it.
[[nodiscard]] const PictureFormat* find_picture_format(causeway::Format format) noexcept;

/// What a name on the command line stands for: "RGB32" is any of the 32-bit RGB formats, others are one.
/// Errors: InvalidArgument, with the names that there are.
[[nodiscard]] causeway::Result<std::vector<causeway::Format>> formats_named(std::string_view name);

/// "NV12, YUYV, …, RGB32": for help and for errors.
[[nodiscard]] std::string format_names();

}  // namespace camera_to_gpu
