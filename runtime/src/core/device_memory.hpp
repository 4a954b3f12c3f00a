// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>
#include <causeway/usage.hpp>

#include <memory>

#include "core/allocator.hpp"
#include "core/device_state.hpp"

namespace causeway::core {

/// Memory of a device's own, exported by its backend. Each object keeps the allocation, and the device, until
/// its descriptor is closed.
[[nodiscard]] Result<ImageStorage> allocate_device_memory(const std::shared_ptr<DeviceState>& device,
                                                          const FrameDesc& desc, Usage usage);

}  // namespace causeway::core
