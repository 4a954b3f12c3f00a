// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "context.hpp"

namespace causeway::opencl_backend {

/// The kinds of fences that this device can wait for, as CW_CAP_WAITS_ bits.
[[nodiscard]] std::uint32_t waits_of(const DeviceFacts& facts, plugin::Host host) noexcept;

/// Whether this kind is among them.
[[nodiscard]] bool waits_for(const Context& context, std::uint32_t kind) noexcept;
/// What to answer for one that is not.
[[nodiscard]] Error cannot_wait(const Context& context, std::uint32_t kind);

/// An event of OpenCL that ends with the fence: a sync_file by a semaphore on the queue, an event of the host
/// by a user event, which is set when the host tells. Empty if it has signalled already. The kind is one that
/// it waits for. Errors: Unsupported (the driver refuses it), OutOfFds, OutOfMemory, DeviceLost.
[[nodiscard]] Result<std::optional<EventHandle>> wait_on_device(const Context& context,
                                                                const cw_fence& fence);

}  // namespace causeway::opencl_backend
