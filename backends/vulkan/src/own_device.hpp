// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend.hpp>
#include <memory>
#include <string_view>
#include <vector>

#include "context.hpp"
#include "physical_device.hpp"

namespace causeway::vulkan_backend {

/// The physical devices of this machine; none where there is no loader or no driver.
[[nodiscard]] Result<std::vector<PhysicalDevice>> find_devices(plugin::Host host);

/// Makes an instance, a device with every known extension that it has, and one queue.
/// id: an index, a part of a device's name in any case, or empty for the best (discrete, integrated, virtual,
/// CPU). Errors: NotFound (no loader, driver or such device), Unsupported, OutOfMemory.
[[nodiscard]] Result<std::unique_ptr<Context>> open_own_device(plugin::Host host, std::string_view id);

}  // namespace causeway::vulkan_backend
