// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>

#include <cstdint>

namespace causeway::bench {

/// Memory that costs nothing: descriptors are mere numbers, each an object of its own, and all show the same
/// page. What a runtime over it costs, is the runtime's own; and there may be more buffers than a process may
/// have descriptors.
struct NullKernel {
  /// For RuntimeOptions::syscalls; lives as long as the program.
  [[nodiscard]] static const cw_syscalls* table() noexcept;
  /// A buffer of one page over that number. Throws tl::bad_expected_access<Error>.
  [[nodiscard]] static DmaBuf buffer(Runtime& runtime, int number);
};

}  // namespace causeway::bench
