// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend_abi.h>
#include <causeway/vulkan_abi.h>
#include <causeway/format.hpp>
#include <causeway/result.hpp>
#include <mutex>
#include <vector>

#include "context.hpp"
#include "image_forms.hpp"

namespace causeway::vulkan_backend {

/// What a frame says of its colours, and what its image can do: all that a conversion depends on.
struct ColorFacts {
  Format format;
  std::uint32_t encoding = 0;  ///< CW_COLOR_ENCODING_, CW_COLOR_RANGE_ and CW_CHROMA_SITING_; 0: unsaid
  std::uint32_t range = 0;
  std::uint32_t siting_x = 0;
  std::uint32_t siting_y = 0;
  std::uint32_t kind = CW_VULKAN_BUFFER;  ///< cw_vulkan_kind
  VkFormatFeatureFlags features = 0;
  std::uint32_t descriptor_count = 1;
};

[[nodiscard]] ColorFacts color_facts(const cw_attach_info& info, const ImageForm& form);

/// The YCbCr conversions of a device: one for each distinct VkSamplerYcbcrConversionCreateInfo, kept until
/// the device closes, so that programs can build pipelines with them.
///
/// Threads: thread-safe.
class Conversions {
public:
  explicit Conversions(const Context& context) noexcept : context_(context) {}
  Conversions(const Conversions&) = delete;
  Conversions& operator=(const Conversions&) = delete;
  ~Conversions();

  /// Fills all but struct_size. Errors: InvalidArgument (a format without chroma, values that are none),
  /// Unsupported (the feature is off; planes or bytes, not an image; the driver has not this siting),
  /// OutOfMemory.
  [[nodiscard]] Status find(const ColorFacts& facts, cw_vulkan_conversion_v1& out);

private:
  const Context& context_;
  std::mutex mutex_;
  struct Made {
    VkSamplerYcbcrConversionCreateInfo info;
    VkSamplerYcbcrConversion handle;
  };
  std::vector<Made> made_;
};

}  // namespace causeway::vulkan_backend
