// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

namespace causeway::core {

/// Places of devices in the flat tables of frames, below Device::kMaxDevices. They count for the whole
/// process, so that a device of another runtime finds an empty place in a frame's table and never somebody
/// else's mapping. Threads: thread-safe, without a lock.

/// Empty if all are taken.
[[nodiscard]] std::optional<std::uint32_t> take_device_slot() noexcept;
void give_device_slot(std::uint32_t slot) noexcept;

}  // namespace causeway::core
