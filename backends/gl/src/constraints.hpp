// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

namespace causeway::gl_backend {

/// What an image in this format needs, to be imported and drawn into. Errors: Unsupported (plain bytes, or a
/// format that the driver does not import; says what it imports).
[[nodiscard]] Status constrain(const Context& context, const cw_image_desc& image, std::uint32_t usage,
                               cw_constraints& out);

/// Bytes that an image reaches into its object, counted from its offset. llvmpipe works in blocks of 4 x 4
/// pixels, and reads and writes whole ones at the edges of an image: behind the last row, too.
[[nodiscard]] std::uint64_t reach(const Context& context, std::uint64_t stride, std::uint32_t pixel_bytes,
                                  std::uint32_t width, std::uint32_t height) noexcept;

/// No image of plain bytes, none of Usage::AsBuffer.
[[nodiscard]] Status check_is_image(const Context& context, const cw_image_desc& image, std::uint32_t usage);

}  // namespace causeway::gl_backend
