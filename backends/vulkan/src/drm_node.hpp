// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>
#include <causeway/vulkan.hpp>
#include <span>
#include <string>

#include "dispatch.hpp"

namespace causeway::vulkan_backend {

/// Which nodes of the kernel a physical device is (VK_EXT_physical_device_drm).
/// Errors: Unsupported (the driver does not say, or has none).
[[nodiscard]] Result<vulkan::DrmNodes> drm_nodes(const InstanceApi& api, VkPhysicalDevice device);

/// The one of devices that the node is. Errors: NotFound (no such node; no device is it, or says so, each
/// named), InvalidArgument (no device node), Permission.
[[nodiscard]] Result<VkPhysicalDevice> find_by_node(const InstanceApi& api,
                                                    std::span<const VkPhysicalDevice> devices,
                                                    const std::string& node);

}  // namespace causeway::vulkan_backend
