// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/vulkan_abi.h>
#include <causeway/result.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "context.hpp"
#include "import_buffer.hpp"
#include "import_image.hpp"

namespace causeway::vulkan_backend {

/// What a frame is besides the buffers over its objects.
struct ImageForm {
  std::uint32_t kind = CW_VULKAN_BUFFER;  ///< cw_vulkan_kind
  std::vector<ImportedImage> images;      ///< one; one a plane; none
  VkImageUsageFlags usage = 0;
  std::string why_not;  ///< why none of the forms before this one; empty where none was wanted
};

/// Finds the form: one image in the frame's modifier, or in LINEAR tiling; one image a plane; buffers alone.
/// The usage may ask for one of them (CW_USAGE_AS_…). buffers: over info's objects, which have been checked.
/// Errors: Unsupported (the form that was asked for does not go, or tiled memory is no image; with the reason
/// of each), OutOfMemory, OutOfFds, DeviceLost.
[[nodiscard]] Result<ImageForm> import_form(const Context& context, const cw_attach_info& info,
                                            std::span<const ImportedBuffer> buffers);

/// Writes what became of the frame into its view. form must outlive it.
void describe_form(const cw_attach_info& info, const ImageForm& form, cw_vulkan_view_v1& view);

}  // namespace causeway::vulkan_backend
