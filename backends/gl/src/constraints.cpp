// SPDX-License-Identifier: Apache-2.0
#include "constraints.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "format_support.hpp"

namespace causeway::gl_backend {
namespace {

constexpr std::uint32_t kRasterBlock = 4;
// What rows and planes need is documented by no driver; 256 was met on the strictest. llvmpipe takes any
// number of pixels, and works in cache lines.
constexpr std::uint32_t kHardwareAlign = 256;
constexpr std::uint32_t kSoftwareAlign = 64;

constexpr std::uint64_t up(std::uint64_t value, std::uint64_t to) noexcept {
  return (value + to - 1) / to * to;
}

}  // namespace

std::uint64_t reach(const Context& context, std::uint64_t stride, std::uint32_t pixel_bytes,
                    std::uint32_t width, std::uint32_t height) noexcept {
  const std::uint32_t block = context.software ? kRasterBlock : 1;
  return (up(height, block) - 1) * stride + up(width, block) * pixel_bytes;
}

Status check_is_image(const Context& context, const cw_image_desc& image, std::uint32_t usage) {
  if (image.format == 0 || (usage & CW_USAGE_AS_BUFFER) != 0) {
    return Error(
        Errc::Unsupported, "attach",
        fmt::format("{} imports images alone, and {} asked for; OpenGL ES has no import of plain bytes",
                    context.name(), image.format == 0 ? "plain bytes were" : "Usage::AsBuffer was"));
  }
  return {};
}

Status constrain(const Context& context, const cw_image_desc& image, std::uint32_t usage,
                 cw_constraints& out) {
  if (auto status = check_is_image(context, image, usage); !status) {
    return status;
  }
  const Format format{image.format};
  const auto info = info_of(format);
  if (!info) {
    return Error(Errc::Unsupported, "query_constraints",
                 fmt::format("the layout of format {} is not known", format.to_string()));
  }
  auto modifiers = importable_modifiers(context, format);
  const auto first_plane = plane_image(format, 0, image.width, image.height);
  if (modifiers.empty() && first_plane && !importable_modifiers(context, first_plane->format).empty()) {
    modifiers = {Modifier::kLinear};  // plane by plane
  }
  if (modifiers.empty()) {
    return Error(Errc::Unsupported, "eglQueryDmaBufModifiersEXT",
                 fmt::format("{} imports no images in {}", context.name(), format.to_string()));
  }
  if (image.width > context.max_texture || image.height > context.max_texture) {
    return Error(Errc::Unsupported, "query_constraints",
                 fmt::format("an image on {} has at most {} pixels a side, and this one {} x {}",
                             context.name(), context.max_texture, image.width, image.height));
  }
  out.modifier_count = 0;
  for (const auto modifier : modifiers) {
    if (out.modifier_count < CW_MAX_MODIFIERS) {
      out.modifiers[out.modifier_count++] = modifier.value;
    }
  }
  const std::uint32_t align = context.software ? kSoftwareAlign : kHardwareAlign;
  out.stride_align = std::lcm(std::max(out.stride_align, 1U), align);
  out.offset_align = std::lcm(std::max(out.offset_align, 1U), align);
  if (!context.software) {
    return {};
  }
  // Room for whole blocks at the end; for others' longer rows, too, up to the strictest alignment.
  std::uint64_t together = 0;
  for (std::uint32_t p = 0; p < info->plane_count; ++p) {
    const std::uint64_t stride = up(info->min_stride(p, image.width), kHardwareAlign);
    const std::uint64_t bytes = up(info->rows(p, image.height), kRasterBlock) * stride;
    out.min_object_size[p] = std::max(out.min_object_size[p], bytes);
    together += bytes;
  }
  if (out.objects != info->plane_count) {
    out.min_object_size[0] = std::max(out.min_object_size[0], together);
  }
  return {};
}

}  // namespace causeway::gl_backend
