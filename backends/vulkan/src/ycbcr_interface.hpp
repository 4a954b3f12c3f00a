// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>

namespace causeway::vulkan_backend {

/// The function behind each view: YCbCr conversions, for the typed header.
[[nodiscard]] const cw_vulkan_ycbcr_v1& ycbcr_interface() noexcept;

}  // namespace causeway::vulkan_backend
