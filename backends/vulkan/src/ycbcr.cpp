// SPDX-License-Identifier: Apache-2.0
#include "ycbcr.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "format_table.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

constexpr VkFormatFeatureFlags kCosited = VK_FORMAT_FEATURE_COSITED_CHROMA_SAMPLES_BIT;
constexpr VkFormatFeatureFlags kMidpoint = VK_FORMAT_FEATURE_MIDPOINT_CHROMA_SAMPLES_BIT;

Error no(Errc code, std::string text) {
  return Error(code, "vulkan::conversion", std::move(text));
}

/// What is unsaid is BT.601 with limited range, as V4L2 takes it (V4L2_MAP_YCBCR_ENC_DEFAULT,
/// V4L2_MAP_QUANTIZATION_DEFAULT).
Result<VkSamplerYcbcrModelConversion> model_of(const ColorFacts& facts) {
  switch (facts.encoding) {
    case 0:
    case CW_COLOR_ENCODING_BT601: return VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_601;
    case CW_COLOR_ENCODING_BT709: return VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_709;
    case CW_COLOR_ENCODING_BT2020: return VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_2020;
    default:
      return no(Errc::InvalidArgument,
                fmt::format("the frame's colour encoding is {}; known are 0 (unsaid) to {}", facts.encoding,
                            CW_COLOR_ENCODING_BT2020));
  }
}

Result<VkSamplerYcbcrRange> range_of(const ColorFacts& facts) {
  switch (facts.range) {
    case 0:
    case CW_COLOR_RANGE_LIMITED: return VK_SAMPLER_YCBCR_RANGE_ITU_NARROW;
    case CW_COLOR_RANGE_FULL: return VK_SAMPLER_YCBCR_RANGE_ITU_FULL;
    default:
      return no(Errc::InvalidArgument,
                fmt::format("the frame's colour range is {}; known are 0 (unsaid) to {}", facts.range,
                            CW_COLOR_RANGE_FULL));
  }
}

/// VUID-VkSamplerYcbcrConversionCreateInfo-xChromaOffset-01651 and -01652: only sitings that the format has.
Result<VkChromaLocation> siting_of(const ColorFacts& facts, std::uint32_t said, std::uint32_t preferred,
                                   const char* direction) {
  const bool cosited = (facts.features & kCosited) != 0;
  const bool midpoint = (facts.features & kMidpoint) != 0;
  if (said > CW_CHROMA_SITING_MIDPOINT) {
    return no(Errc::InvalidArgument,
              fmt::format("the frame's chroma siting {} is {}; known are 0 (unsaid) to {}", direction, said,
                          CW_CHROMA_SITING_MIDPOINT));
  }
  if (!cosited && !midpoint) {
    return no(Errc::Unsupported,
              fmt::format("the driver converts no {} while sampling; Usage::AsPlanes gives its planes",
                          facts.format.to_string()));
  }
  if ((said == CW_CHROMA_SITING_COSITED && !cosited) || (said == CW_CHROMA_SITING_MIDPOINT && !midpoint)) {
    return no(Errc::Unsupported,
              fmt::format("the frame's chroma is {} {}, and for {} the driver has {} alone; leave the siting "
                          "unspecified to take that, or sample the planes (Usage::AsPlanes)",
                          said == CW_CHROMA_SITING_COSITED ? "cosited" : "at midpoints", direction,
                          facts.format.to_string(), cosited ? "cosited" : "midpoint"));
  }
  const std::uint32_t wanted = said != 0 ? said : preferred;
  return cosited && (wanted == CW_CHROMA_SITING_COSITED || !midpoint) ? VK_CHROMA_LOCATION_COSITED_EVEN
                                                                      : VK_CHROMA_LOCATION_MIDPOINT;
}

Result<VkSamplerYcbcrConversionCreateInfo> choose(const ColorFacts& facts) {
  VkSamplerYcbcrConversionCreateInfo info{VK_STRUCTURE_TYPE_SAMPLER_YCBCR_CONVERSION_CREATE_INFO};
  info.format = vk_format(facts.format);
  const auto model = model_of(facts);
  const auto range = range_of(facts);
  // Unsaid: where MPEG-2, H.264 and HEVC have it by default, left and between the rows.
  const auto x = siting_of(facts, facts.siting_x, CW_CHROMA_SITING_COSITED, "across");
  // Rows share chroma in 4:2:0 alone; elsewhere the vertical siting means nothing, but must be one that is
  // there.
  const bool rows_share = plane_formats(facts.format).back().down > 1;
  const auto y = siting_of(facts, rows_share ? facts.siting_y : 0U, CW_CHROMA_SITING_MIDPOINT, "down");
  if (!model || !range) {
    return !model ? model.error() : range.error();
  }
  if (!x || !y) {
    return !x ? x.error() : y.error();
  }
  info.ycbcrModel = *model;
  info.ycbcrRange = *range;
  info.xChromaOffset = *x;
  info.yChromaOffset = *y;
  // VUID-VkSamplerYcbcrConversionCreateInfo-chromaFilter-01657
  info.chromaFilter =
      (facts.features & VK_FORMAT_FEATURE_SAMPLED_IMAGE_YCBCR_CONVERSION_LINEAR_FILTER_BIT) != 0
          ? VK_FILTER_LINEAR
          : VK_FILTER_NEAREST;
  return info;
}

bool same(const VkSamplerYcbcrConversionCreateInfo& a, const VkSamplerYcbcrConversionCreateInfo& b) noexcept {
  return a.format == b.format && a.ycbcrModel == b.ycbcrModel && a.ycbcrRange == b.ycbcrRange &&
         a.xChromaOffset == b.xChromaOffset && a.yChromaOffset == b.yChromaOffset &&
         a.chromaFilter == b.chromaFilter;
}

Status check(const Context& context, const ColorFacts& facts) {
  if (!has_chroma(facts.format)) {
    return no(Errc::InvalidArgument,
              fmt::format("{} has no chroma that pixels share, so it is sampled without "
                          "a YCbCr conversion",
                          facts.format.to_string()));
  }
  if (!context.ycbcr) {
    return no(Errc::Unsupported,
              fmt::format("the feature samplerYcbcrConversion is not enabled on {}; {}", context.name(),
                          context.adopted
                              ? "enable it in VkDeviceCreateInfo where the driver has it, and say so in "
                                "AdoptInfo::sampler_ycbcr_conversion"
                              : "the driver has it not"));
  }
  if (facts.kind != CW_VULKAN_IMAGE) {
    return no(
        Errc::Unsupported,
        fmt::format("the frame is {}, and only one image is sampled through a conversion; view->why_not "
                    "has the reason, and Usage::AsImage asks for an image or none",
                    facts.kind == CW_VULKAN_PLANES ? "an image a plane" : "a buffer alone"));
  }
  return {};
}

}  // namespace

ColorFacts color_facts(const cw_attach_info& info, const ImageForm& form) {
  ColorFacts facts{.format = Format{info.image.format},
                   .encoding = info.color_encoding,
                   .range = info.color_range,
                   .siting_x = info.chroma_siting_x,
                   .siting_y = info.chroma_siting_y,
                   .kind = form.kind};
  if (form.kind == CW_VULKAN_IMAGE) {
    facts.features = form.images.front().answer().features;
    facts.descriptor_count = form.images.front().answer().descriptor_count;
  }
  return facts;
}

Conversions::~Conversions() {
  for (const auto& one : made_) {
    context_.api.DestroySamplerYcbcrConversion(context_.device, one.handle, nullptr);
  }
}

Status Conversions::find(const ColorFacts& facts, cw_vulkan_conversion_v1& out) {
  if (auto status = check(context_, facts); !status) {
    return status;
  }
  auto info = choose(facts);
  if (!info) {
    return std::move(info.error());
  }
  const std::lock_guard lock(mutex_);
  auto found =
      std::find_if(made_.begin(), made_.end(), [&](const Made& one) { return same(one.info, *info); });
  if (found == made_.end()) {
    made_.reserve(made_.size() + 1);
    VkSamplerYcbcrConversion handle = VK_NULL_HANDLE;
    if (const VkResult result =
            context_.api.CreateSamplerYcbcrConversion(context_.device, &*info, nullptr, &handle);
        result != VK_SUCCESS) {
      return vk_error("vkCreateSamplerYcbcrConversion", result,
                      fmt::format("making a conversion for {}", facts.format.to_string()));
    }
    made_.push_back({*info, handle});
    found = std::prev(made_.end());
  }
  out.assumed = (facts.encoding == 0 ? CW_VULKAN_ASSUMED_ENCODING : 0U) |
                (facts.range == 0 ? CW_VULKAN_ASSUMED_RANGE : 0U) |
                (facts.siting_x == 0 ? CW_VULKAN_ASSUMED_SITING_X : 0U) |
                (facts.siting_y == 0 ? CW_VULKAN_ASSUMED_SITING_Y : 0U);
  out.conversion = found->handle;
  out.info = found->info;
  out.descriptor_count = facts.descriptor_count;
  return {};
}

}  // namespace causeway::vulkan_backend
