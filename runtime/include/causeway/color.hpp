// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace causeway {

/// The matrix between YCbCr and RGB; the words of KMS's plane property COLOR_ENCODING. Values equal
/// CW_COLOR_ENCODING_ of plugin/backend_abi.h, as those of the two enums below equal theirs.
enum class ColorEncoding : std::uint8_t { Unspecified = 0, Bt601 = 1, Bt709 = 2, Bt2020 = 3 };

/// Which numbers mean black and white: 16 and 235 of 8 bits (Limited), or 0 and 255 (Full). The words of
/// KMS's plane property COLOR_RANGE.
enum class ColorRange : std::uint8_t { Unspecified = 0, Limited = 1, Full = 2 };

/// Where a chroma sample that several pixels share lies: on the first of them, or in their midst.
enum class ChromaSiting : std::uint8_t { Unspecified = 0, Cosited = 1, Midpoint = 2 };

/// How the numbers of an image are to be seen as colours. What is unspecified is left to whoever shows it;
/// for formats without YCbCr it means nothing. Threads: reentrant (a value).
struct Color {
  ColorEncoding encoding = ColorEncoding::Unspecified;
  ColorRange range = ColorRange::Unspecified;
  ChromaSiting siting_x = ChromaSiting::Unspecified;  ///< across
  ChromaSiting siting_y = ChromaSiting::Unspecified;  ///< down
  bool operator==(const Color&) const = default;
};

}  // namespace causeway
