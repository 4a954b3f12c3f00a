// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace camera_to_gpu {

/// The first line of a YUV4MPEG2 file (man 5 yuv4mpeg): 8-bit 4:2:0, whose planes follow each FRAME line.
struct Y4mHeader {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint64_t bytes = 0;  ///< length of the line, with its end

  [[nodiscard]] std::uint64_t luma_bytes() const noexcept { return std::uint64_t{width} * height; }
  /// Both chroma planes together.
  [[nodiscard]] std::uint64_t chroma_bytes() const noexcept { return luma_bytes() / 2; }
  [[nodiscard]] std::uint64_t picture_bytes() const noexcept { return luma_bytes() + chroma_bytes(); }
};

/// Bytes at the start of a file, or of a FRAME line, within which the line must end.
inline constexpr std::size_t kMaxY4mLine = 512;

/// Reads the header from the start of a file. Strict: what it does not know for sure it refuses.
/// Errors: InvalidArgument (not such a file, or it contradicts itself), Unsupported (sound, but not ours).
/// Their operation is `file`.
[[nodiscard]] causeway::Result<Y4mHeader> parse_y4m_header(std::string_view start, const std::string& file);

/// The length of the FRAME line at the start of text, with its end; 0 if there is none.
[[nodiscard]] std::size_t y4m_frame_line(std::string_view text) noexcept;

}  // namespace camera_to_gpu
