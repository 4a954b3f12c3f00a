// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <array>
#include <causeway/result.hpp>
#include <cstdint>

#include "context.hpp"

namespace causeway::vulkan_backend {

/// Where the planes of a LINEAR frame lie in one object.
struct ExportLayout {
  std::uint64_t size = 0;  ///< whole pages
  std::uint32_t plane_count = 1;
  std::array<cw_plane_layout, CW_MAX_PLANES> planes{};
};

/// The layout that this device finds natural, one plane after the other.
/// Errors: InvalidArgument (nothing to lay out, or no whole number of blocks), Unsupported (unknown format).
[[nodiscard]] Result<ExportLayout> export_layout(const Context& context, const cw_image_desc& desc,
                                                 std::uint32_t usage);

}  // namespace causeway::vulkan_backend
