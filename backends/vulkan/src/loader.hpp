// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/result.hpp>

namespace causeway::vulkan_backend {

/// The entry point of the machine's Vulkan loader, opened when first needed: a program that brings its own
/// device never gets here. The loader is not closed again, since drivers and layers leave threads and
/// handlers behind. Errors: NotFound (no loader). Threads: thread-safe.
[[nodiscard]] Result<PFN_vkGetInstanceProcAddr> system_loader();

}  // namespace causeway::vulkan_backend
