// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace causeway::core {

/// memcpy, but past the caches where both ends together do not fit into them: the target's lines are then not
/// read before they are overwritten, which saves a third of the traffic. Whoever looks next sees the bytes,
/// on any thread that is told of them. The ranges do not overlap. Threads: reentrant.
void copy_bytes(std::byte* to, const std::byte* from, std::size_t size) noexcept;

/// From how many bytes on it goes past the caches; never where the compiler knows no such stores for this
/// machine.
[[nodiscard]] std::size_t streams_from() noexcept;

}  // namespace causeway::core
