// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

namespace causeway::opencl_backend {

/// What this device needs of an allocation.
void constrain(const Context& context, const cw_image_desc& image, std::uint32_t usage, cw_constraints& out);

}  // namespace causeway::opencl_backend
