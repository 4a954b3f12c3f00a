// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace causeway::loader {

/// Where backends are looked for.
struct SearchPath {
  std::vector<std::string> places;  ///< folders and files, in the order of the search
  bool asked_for = false;           ///< somebody named these places, so that a missing one is worth a word
};

/// What a search path is made from.
struct SearchPathSource {
  std::optional<std::string> option;       ///< RuntimeOptions::backend_path
  std::optional<std::string> environment;  ///< CAUSEWAY_BACKEND_PATH
  /// The program runs with more rights than its user (set-user-ID, file capabilities): who sets its
  /// environment must not choose the code that it loads.
  bool secure = true;
};

/// The first of these that is there, whole: the option, the environment (unless secure), the folder of the
/// installation. Parts are separated by colons; empty ones are left out, and do not mean the current folder.
[[nodiscard]] SearchPath search_path(const SearchPathSource& source);

/// The source as this process has it.
[[nodiscard]] SearchPathSource process_source(std::optional<std::string> option);

}  // namespace causeway::loader
