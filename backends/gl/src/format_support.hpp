// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/format.hpp>
#include <optional>
#include <string>
#include <vector>

#include "context.hpp"

namespace causeway::gl_backend {

/// A plane of a frame, as an image of its own.
struct PlaneImage {
  Format format;
  std::uint32_t width;  ///< pixels of that format
  std::uint32_t height;
};

/// NV12's planes are R8 and GR88 of half the size, YUYV's is AB24 of half the width. Empty for RGB and the
/// like, which are images already.
[[nodiscard]] std::optional<PlaneImage> plane_image(Format format, std::uint32_t plane, std::uint32_t width,
                                                    std::uint32_t height) noexcept;

/// The modifiers that the driver imports this format with; LINEAR alone where it cannot be asked
/// (EGL_EXT_image_dma_buf_import_modifiers), none if it does not import the format.
[[nodiscard]] std::vector<Modifier> importable_modifiers(const Context& context, Format format);

/// "LINEAR, 0x100000000000001" of them; "none".
[[nodiscard]] std::string list_of(const std::vector<Modifier>& modifiers);

}  // namespace causeway::gl_backend
