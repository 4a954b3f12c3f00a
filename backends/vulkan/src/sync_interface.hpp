// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>

namespace causeway::vulkan_backend {

/// What get_interface(CW_VULKAN_SYNC_V1) returns, and every view has beside it.
[[nodiscard]] const cw_vulkan_sync_v1& sync_interface() noexcept;

}  // namespace causeway::vulkan_backend
