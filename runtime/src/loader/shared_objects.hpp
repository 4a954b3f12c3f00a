// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/runtime.hpp>

#include <vector>

#include "loader/search_path.hpp"

namespace causeway::loader {

/// What came of the shared objects on a search path.
struct SharedObjects {
  std::vector<cw_backend> tables;
  std::vector<RefusedBackend> refused;
};

/// Opens every backend on the path: each file that it names, and each *.so in each folder that it names, in
/// the order of their names. A backend whose name one of `known`, or an earlier one, has already is refused.
/// What is refused stops nothing. A file that is reached twice is opened once.
///
/// Nothing is ever closed again, not even what was refused: its code may have left threads or handlers
/// behind.
///
/// This reads the file system directly and not through cw_syscalls, since dlopen(3) does so too.
/// Threads: may be called from any thread.
[[nodiscard]] SharedObjects load_shared_objects(const SearchPath& path, const std::vector<cw_backend>& known);

}  // namespace causeway::loader
