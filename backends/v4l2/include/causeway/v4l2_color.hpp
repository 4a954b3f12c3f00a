// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/color.hpp>

#include <cstdint>

namespace causeway::v4l2 {

/// How the numbers of a camera's YCbCr pictures are colours: what the driver says (V4L2's values,
/// videodev2.h), and where it says 0 for "default", what V4L2 means by that (V4L2_MAP_YCBCR_ENC_DEFAULT,
/// V4L2_MAP_QUANTIZATION_DEFAULT). V4L2 does not tell where chroma is sited; SMPTE 240M is Unspecified.
[[nodiscard]] constexpr Color color_of(std::uint32_t colorspace, std::uint32_t ycbcr_encoding,
                                       std::uint32_t quantization) noexcept {
  constexpr std::uint32_t kSmpte240m = 2, kRec709 = 3, kJpeg = 7, kBt2020 = 10,
                          kDciP3 = 12;  // v4l2_colorspace
  Color color;
  switch (ycbcr_encoding) {  // v4l2_ycbcr_encoding
    case 0:
      color.encoding = colorspace == kRec709 || colorspace == kDciP3 ? ColorEncoding::Bt709
                       : colorspace == kBt2020                       ? ColorEncoding::Bt2020
                       : colorspace == kSmpte240m                    ? ColorEncoding::Unspecified
                                                                     : ColorEncoding::Bt601;
      break;
    case 1:                                                 // 601
    case 3:                                                 // XV601
    case 5: color.encoding = ColorEncoding::Bt601; break;   // SYCC
    case 2:                                                 // 709
    case 4: color.encoding = ColorEncoding::Bt709; break;   // XV709
    case 6: color.encoding = ColorEncoding::Bt2020; break;  // BT2020; 7 is its constant luminance
    default: color.encoding = ColorEncoding::Unspecified; break;
  }
  const bool full = quantization == 0 ? colorspace == kJpeg : quantization == 1;  // v4l2_quantization
  color.range = full ? ColorRange::Full : ColorRange::Limited;
  return color;
}

}  // namespace causeway::v4l2
