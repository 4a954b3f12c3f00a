// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <causeway/result.hpp>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace causeway {

/// A pixel format: its value is a DRM fourcc (drm_fourcc.h), whatever the API at hand calls it.
/// 0 stands for plain bytes. Threads: reentrant (an immutable value), as is everything in this header.
struct Format {
  std::uint32_t fourcc = 0;

  constexpr auto operator<=>(const Format&) const = default;
  /// "NV12", or "0x…" where a character cannot be shown; "bytes" for 0.
  [[nodiscard]] std::string to_string() const;
  /// The format of that name ("NV12", "YUYV", "XR24"), known to Causeway or not.
  [[nodiscard]] static Result<Format> parse(std::string_view name);

  [[nodiscard]] static constexpr Format from_chars(char a, char b, char c, char d) noexcept {
    const auto byte = [](char ch) { return static_cast<std::uint32_t>(static_cast<unsigned char>(ch)); };
    return Format{byte(a) | (byte(b) << 8U) | (byte(c) << 16U) | (byte(d) << 24U)};
  }
};

namespace formats {
inline constexpr Format kBytes{};  ///< no image: width bytes, height 1
inline constexpr Format kXRGB8888 = Format::from_chars('X', 'R', '2', '4');  ///< memory order B G R X
inline constexpr Format kARGB8888 = Format::from_chars('A', 'R', '2', '4');  ///< memory order B G R A
inline constexpr Format kXBGR8888 = Format::from_chars('X', 'B', '2', '4');  ///< memory order R G B X
inline constexpr Format kABGR8888 = Format::from_chars('A', 'B', '2', '4');  ///< memory order R G B A
inline constexpr Format kBGRX8888 = Format::from_chars('B', 'X', '2', '4');  ///< memory order X R G B
inline constexpr Format kBGRA8888 = Format::from_chars('B', 'A', '2', '4');  ///< memory order A R G B
inline constexpr Format kRGBX8888 = Format::from_chars('R', 'X', '2', '4');  ///< memory order X B G R
inline constexpr Format kRGBA8888 = Format::from_chars('R', 'A', '2', '4');  ///< memory order A B G R
inline constexpr Format kR8 = Format::from_chars('R', '8', ' ', ' ');
inline constexpr Format kYUYV = Format::from_chars('Y', 'U', 'Y', 'V');
inline constexpr Format kUYVY = Format::from_chars('U', 'Y', 'V', 'Y');
inline constexpr Format kNV12 = Format::from_chars('N', 'V', '1', '2');
inline constexpr Format kP010 = Format::from_chars('P', '0', '1', '0');
inline constexpr Format kYUV420 = Format::from_chars('Y', 'U', '1', '2');
}  // namespace formats

/// How the bytes of a plane are arranged; values equal DRM's format modifiers.
/// INVALID means "not said", which is not the same as LINEAR (drm_fourcc.h, DRM_FORMAT_MOD_INVALID).
/// Threads: reentrant (a value).
struct Modifier {
  std::uint64_t value = 0;

  constexpr auto operator<=>(const Modifier&) const = default;
  [[nodiscard]] std::string to_string() const;

  static const Modifier kLinear;
  static const Modifier kInvalid;
};
inline constexpr Modifier Modifier::kLinear{0};
inline constexpr Modifier Modifier::kInvalid{0x00ff'ffff'ffff'ffffULL};

/// What is known of a format in LINEAR layout. Threads: reentrant (a value).
struct FormatInfo {
  struct Plane {
    std::uint8_t block_bytes;   ///< bytes of one block
    std::uint8_t block_width;   ///< pixels of the image that one block covers, across
    std::uint8_t block_height;  ///< and down
  };
  Format format;
  std::uint8_t plane_count;
  std::array<Plane, 4> planes;

  /// The smallest stride, in bytes, of a row of plane p of an image that wide. 64 bits: it cannot overflow.
  [[nodiscard]] std::uint64_t min_stride(std::uint32_t p, std::uint32_t width) const noexcept {
    const auto& plane = planes.at(p);
    return (std::uint64_t{width} + plane.block_width - 1) / plane.block_width * plane.block_bytes;
  }
  /// Rows of plane p of an image that high.
  [[nodiscard]] std::uint64_t rows(std::uint32_t p, std::uint32_t height) const noexcept {
    const auto& plane = planes.at(p);
    return (std::uint64_t{height} + plane.block_height - 1) / plane.block_height;
  }
  /// True if pixels share chroma, as in formats with YCbCr, and in no others.
  [[nodiscard]] bool is_ycbcr() const noexcept { return plane_count > 1 || planes[0].block_width > 1; }
  /// True if the size is a whole number of blocks in every plane: NV12 wants both even, YUYV the width.
  [[nodiscard]] bool takes_size(std::uint32_t width, std::uint32_t height) const noexcept;
};

/// Facts about a format; empty if Causeway does not know it.
[[nodiscard]] std::optional<FormatInfo> info_of(Format format) noexcept;

/// A set of (format, modifier) pairs, as devices offer them; sorted, without duplicates.
/// Threads: reentrant (a value).
class FormatSet {
public:
  struct Entry {
    Format format;
    Modifier modifier;
    constexpr auto operator<=>(const Entry&) const = default;
  };

  FormatSet() = default;
  FormatSet(std::initializer_list<Entry> entries);

  void add(Format format, Modifier modifier);
  [[nodiscard]] bool contains(Format format, Modifier modifier) const noexcept;
  [[nodiscard]] std::span<const Entry> entries() const noexcept { return entries_; }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }

  /// What both offer. INVALID meets only INVALID.
  [[nodiscard]] FormatSet intersect(const FormatSet& other) const;
  /// What either offers.
  [[nodiscard]] FormatSet unite(const FormatSet& other) const;

  bool operator==(const FormatSet&) const = default;

private:
  std::vector<Entry> entries_;
};

}  // namespace causeway
