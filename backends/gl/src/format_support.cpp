// SPDX-License-Identifier: Apache-2.0
#include "format_support.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace causeway::gl_backend {
namespace {

constexpr Format kGR88 = Format::from_chars('G', 'R', '8', '8');
constexpr Format kR16 = Format::from_chars('R', '1', '6', ' ');
constexpr Format kGR1616 = Format::from_chars('G', 'R', '3', '2');

}  // namespace

std::optional<PlaneImage> plane_image(Format format, std::uint32_t plane, std::uint32_t width,
                                      std::uint32_t height) noexcept {
  const auto info = info_of(format);
  if (!info || plane >= info->plane_count) {
    return std::nullopt;
  }
  const auto& block = info->planes.at(plane);
  if (info->plane_count == 1) {
    return block.block_width == 1
               ? std::nullopt
               : std::optional(PlaneImage{formats::kABGR8888, width / block.block_width, height});
  }
  const bool wide = format == formats::kP010;  // two bytes a sample
  const bool pairs = block.block_bytes == (wide ? 4 : 2);
  const Format one = wide ? kR16 : formats::kR8;
  return PlaneImage{pairs ? (wide ? kGR1616 : kGR88) : one,
                    (width + block.block_width - 1U) / block.block_width,
                    static_cast<std::uint32_t>(info->rows(plane, height))};
}

std::vector<Modifier> importable_modifiers(const Context& context, Format format) {
  if (!context.modifiers) {
    return {Modifier::kLinear};
  }
  const auto& egl = context.api.egl;
  const auto fourcc = static_cast<EGLint>(format.fourcc);
  EGLint count = 0;
  // EGL_BAD_PARAMETER for a format that is not imported at all.
  if (egl.QueryDmaBufModifiers(context.display, fourcc, 0, nullptr, nullptr, &count) == EGL_FALSE) {
    egl.GetError();
    return {};
  }
  if (count <= 0) {  // imported, but only without naming a modifier
    return {Modifier::kLinear};
  }
  std::vector<EGLuint64KHR> values(static_cast<std::size_t>(count));
  // Which of them make external textures only is asked of the binding itself: llvmpipe says so of all, and
  // binds RGB as GL_TEXTURE_2D.
  std::vector<EGLBoolean> external(values.size());
  if (egl.QueryDmaBufModifiers(context.display, fourcc, count, values.data(), external.data(), &count) ==
      EGL_FALSE) {
    egl.GetError();
    return {};
  }
  std::vector<Modifier> modifiers;
  modifiers.reserve(values.size());
  for (const auto value : values) {
    modifiers.push_back({value});
  }
  return modifiers;
}

std::string list_of(const std::vector<Modifier>& modifiers) {
  std::string list;
  for (const auto modifier : modifiers) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", modifier.to_string());
  }
  return list.empty() ? "none" : list;
}

}  // namespace causeway::gl_backend
