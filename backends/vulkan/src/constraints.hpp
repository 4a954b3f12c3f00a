// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>
#include <cstdint>

#include "context.hpp"

namespace causeway::vulkan_backend {

/// Narrows out to what this device needs of such an image or buffer.
/// Errors: Unsupported (a form was asked for that the device cannot give), OutOfMemory.
[[nodiscard]] Status constrain(const Context& context, const cw_image_desc& image, std::uint32_t usage,
                               cw_constraints& out);

}  // namespace causeway::vulkan_backend
