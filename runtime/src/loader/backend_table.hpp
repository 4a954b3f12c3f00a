// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>

namespace causeway::loader {

/// Asks an entry point for its table and checks it by the rules of backend_abi.h: same major version, a size
/// that covers every mandatory operation, none of them null. Answers a copy in the host's shape, in which
/// operations that the backend does not know are null. Errors: Incompatible, with what was found and what is
/// needed.
[[nodiscard]] Result<cw_backend> load_table(cw_backend_entry entry);

}  // namespace causeway::loader
