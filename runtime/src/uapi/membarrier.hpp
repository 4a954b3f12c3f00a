// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace causeway::uapi {

/// membarrier(2) for this process: has every thread of it that runs at this moment pass a full memory
/// barrier, so that hot paths on the other side need none. It is about this process's own threads and no
/// device, and so is no part of the injectable table.
///
/// Says that this process will use it; once is enough. False where the kernel or a filter of system calls
/// refuses it. Threads: thread-safe.
[[nodiscard]] bool register_membarrier() noexcept;

/// True once all have passed it. Threads: thread-safe.
[[nodiscard]] bool membarrier() noexcept;

}  // namespace causeway::uapi
