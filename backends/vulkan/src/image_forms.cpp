// SPDX-License-Identifier: Apache-2.0
#include "image_forms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <causeway/format.hpp>
#include <utility>

#include "format_table.hpp"
#include "layout_check.hpp"

namespace causeway::vulkan_backend {
namespace {

constexpr std::uint64_t kLinear = 0;

/// Goes through the forms of one frame, and keeps why each did not go.
class Forms {
public:
  Forms(const Context& context, const cw_attach_info& info, std::span<const ImportedBuffer> buffers)
      : context_(context), info_(info), format_{info.image.format}, buffers_(buffers) {}

  Result<ImageForm> find() {
    if (auto status = check(); !status) {
      return std::move(status.error());
    }
    if (reasons_.empty() && (info_.usage & CW_USAGE_AS_PLANES) == 0) {
      if (auto status = try_image(); !status) {
        return std::move(status.error());
      }
    }
    if (form_.kind == CW_VULKAN_BUFFER && planes_wanted()) {
      if (auto status = try_planes(); !status) {
        return std::move(status.error());
      }
    }
    if (form_.kind == CW_VULKAN_BUFFER && !buffer_will_do()) {
      return Error(Errc::Unsupported, "attach", reasons_);
    }
    form_.why_not = std::move(reasons_);
    return std::move(form_);
  }

private:
  [[nodiscard]] bool buffer_will_do() const noexcept {
    constexpr std::uint32_t kImages = CW_USAGE_AS_IMAGE | CW_USAGE_AS_PLANES;
    return info_.image.modifier == kLinear && (info_.usage & kImages) == 0;
  }
  [[nodiscard]] bool planes_wanted() const noexcept {
    const bool asked = (info_.usage & CW_USAGE_AS_PLANES) != 0;
    const bool possible = reasons_.empty() || image_tried_;
    return possible && info_.image.modifier == kLinear && (info_.usage & CW_USAGE_AS_IMAGE) == 0 &&
           (asked || plane_formats(format_).size() > 1);
  }

  /// What no form of image can do without. A failure that has to end the attach is returned; reasons are
  /// kept.
  Status check() {
    auto wish = info_.image.format != 0
                    ? image_wish(context_, info_.image, info_.usage)
                    : Result<ImageWish>(Error(Errc::Unsupported, "attach", "plain bytes are no image"));
    if (!wish) {
      return refuse("as an image", std::move(wish.error()));
    }
    wish_ = *wish;
    form_.usage = wish_.usage;
    if (auto status = check_layout(info_); !status) {
      return refuse("as an image", std::move(status.error()));
    }
    for (const auto& buffer : buffers_) {
      if (buffer.path() != ImportPath::DmaBuf) {
        return refuse("as an image",
                      Error(Errc::Unsupported, "attach",
                            fmt::format("images are imported as dma-bufs, and its memory came in by {}",
                                        to_string(buffer.path()))));
      }
    }
    return {};
  }

  Status try_image() {
    image_tried_ = true;
    const bool insists = (info_.usage & CW_USAGE_AS_IMAGE) != 0;
    if (!insists && has_chroma(format_) && (wish_.usage & VK_IMAGE_USAGE_SAMPLED_BIT) != 0 &&
        !context_.ycbcr) {
      // VUID-VkImageViewCreateInfo-format-06415: it could be made, and not be sampled.
      return refuse("as one image",
                    Error(Errc::Unsupported, "attach",
                          fmt::format("{} is sampled through a YCbCr conversion, and the feature "
                                      "samplerYcbcrConversion is not enabled on this device",
                                      format_.to_string())));
    }
    std::vector<PlaneSource> planes;
    for (std::uint32_t p = 0; p < info_.plane_count; ++p) {
      planes.push_back(source_of(p));
    }
    return try_ways(wish_, planes, "as one image", CW_VULKAN_IMAGE);
  }

  Status try_planes() {
    const auto formats = plane_formats(format_);
    for (std::uint32_t p = 0; p < info_.plane_count; ++p) {
      const ImageWish wish = plane_wish(wish_, formats[p]);
      const PlaneSource plane = source_of(p);
      if (auto status = try_ways(wish, {&plane, 1}, fmt::format("plane {} as an image", p), CW_VULKAN_PLANES);
          !status) {
        return status;
      }
      if (form_.images.size() != p + 1) {
        form_.images.clear();
        form_.kind = CW_VULKAN_BUFFER;
        return {};
      }
    }
    return {};
  }

  /// By modifier, and where that does not go and the layout is LINEAR, in LINEAR tiling.
  Status try_ways(const ImageWish& wish, std::span<const PlaneSource> planes, std::string_view what,
                  std::uint32_t kind) {
    const ImageSource source{wish, info_.image.modifier, planes};
    auto image = import_by_modifier(context_, source);
    if (image) {
      return take(std::move(*image), kind);
    }
    if (auto status = refuse(what, std::move(image.error())); !status || info_.image.modifier != kLinear) {
      return status;
    }
    auto linear = import_linear(context_, source);
    if (!linear) {
      return refuse(fmt::format("{} in LINEAR tiling", what), std::move(linear.error()));
    }
    return take(std::move(*linear), kind);
  }

  Status take(ImportedImage image, std::uint32_t kind) {
    form_.images.push_back(std::move(image));
    form_.kind = kind;
    return {};
  }

  [[nodiscard]] PlaneSource source_of(std::uint32_t p) const {
    const auto& plane = info_.planes[p];
    const auto formats = plane_formats(format_);
    std::uint64_t end = 0;
    if (info_.image.modifier == kLinear && p < formats.size()) {
      const std::uint64_t rows = info_.image.height / formats[p].down;
      const std::uint64_t row = std::uint64_t{info_.image.width / formats[p].across} * formats[p].bytes;
      end = plane.offset + (rows - 1) * plane.stride + row;
    }
    const std::uint32_t object = same_.first[plane.object];
    return {&info_.objects[object], &buffers_[object], plane.offset, plane.stride, end};
  }

  /// Keeps the reason, unless it is one that another form would run into as well.
  Status refuse(std::string_view what, Error why) {
    if (why.code() != Errc::Unsupported && why.code() != Errc::InvalidArgument) {
      return std::move(why).within("the frame cannot be imported as an image");
    }
    reasons_ += fmt::format("{}{}: {}", reasons_.empty() ? "" : "; ", what, why.detail());
    return {};
  }

  const Context& context_;
  const cw_attach_info& info_;
  Format format_;
  std::span<const ImportedBuffer> buffers_;
  SameObjects same_{info_};
  ImageWish wish_{};
  ImageForm form_;
  std::string reasons_;
  bool image_tried_ = false;
};

}  // namespace

Result<ImageForm> import_form(const Context& context, const cw_attach_info& info,
                              std::span<const ImportedBuffer> buffers) {
  const bool insists = (info.usage & (CW_USAGE_AS_IMAGE | CW_USAGE_AS_PLANES)) != 0;
  if (!insists && (info.image.format == 0 || (info.usage & CW_USAGE_AS_BUFFER) != 0)) {
    return ImageForm{};
  }
  auto form = Forms(context, info, buffers).find();
  if (!form && form.error().code() == Errc::Unsupported) {
    return std::move(form.error()).within("the frame cannot be imported as an image");
  }
  return form;
}

void describe_form(const cw_attach_info& info, const ImageForm& form, cw_vulkan_view_v1& view) {
  view.kind = form.kind;
  view.why_not = form.why_not.c_str();
  const auto planes = plane_formats(Format{info.image.format});
  for (std::size_t p = 0; p < planes.size() && p < info.plane_count; ++p) {
    view.plane_formats[p] = planes[p].format;
    view.plane_widths[p] = info.image.width / planes[p].across;
    view.plane_heights[p] = info.image.height / planes[p].down;
    if (form.kind == CW_VULKAN_PLANES) {
      view.plane_images[p] = form.images[p].image();
    }
  }
  if (form.images.empty()) {
    return;
  }
  const auto& first = form.images.front();
  view.image_usage = form.usage;
  view.image_tiling = first.how().tiling;
  view.image_flags = create_flags(first.how());
  view.image_memory = first.memory();
  view.images_in_buffers = std::all_of(form.images.begin(), form.images.end(),
                                       [](const ImportedImage& image) { return image.in_buffers_memory(); })
                               ? 1
                               : 0;
  if (form.kind == CW_VULKAN_IMAGE) {
    view.image = first.image();
  }
}

}  // namespace causeway::vulkan_backend
