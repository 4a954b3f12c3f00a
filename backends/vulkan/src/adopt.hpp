// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>
#include <causeway/plugin/backend.hpp>
#include <memory>

#include "context.hpp"

namespace causeway::vulkan_backend {

/// Takes up the caller's device. Uses nothing that is not in info: neither the system's loader nor an
/// extension that is not listed. Errors: InvalidArgument (null handles), Unsupported (Vulkan 1.0, a queue
/// without transfers, no way to import memory; names the extensions that would give one).
[[nodiscard]] Result<std::unique_ptr<Context>> adopt(plugin::Host host, const cw_vulkan_adopt_v1& info);

}  // namespace causeway::vulkan_backend
