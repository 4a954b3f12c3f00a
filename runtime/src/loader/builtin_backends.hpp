// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>

#include <span>

namespace causeway::loader {

/// The backends that are part of this library. CMake makes the definition from the folders under backends/.
[[nodiscard]] std::span<const cw_backend_entry> builtin_backends() noexcept;

}  // namespace causeway::loader
