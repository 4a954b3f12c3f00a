// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/syscalls.h>

namespace causeway::uapi {

/// The table that leads to the kernel this process runs on. Threads: thread-safe.
[[nodiscard]] const cw_syscalls& real_syscalls() noexcept;

}  // namespace causeway::uapi
