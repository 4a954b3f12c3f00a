// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>

#include <cstdint>

namespace causeway::loader {

/// Asks an entry point for its table and checks it by the rules of docs/plugin-abi.md: same major version, a
/// size that fits the version and covers every mandatory operation, none of them null, a sound name. Answers
/// a copy in the host's shape: operations that the backend does not know are null, those that the host does
/// not know are left out, and abi_version is the version in force, the lower one of both sides. host_version:
/// another than CW_ABI_VERSION only in tests. Errors: Incompatible, with what was found and what is needed;
/// also if the entry point throws.
[[nodiscard]] Result<cw_backend> load_table(cw_backend_entry entry,
                                            std::uint32_t host_version = CW_ABI_VERSION);

}  // namespace causeway::loader
