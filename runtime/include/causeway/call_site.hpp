// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace causeway {

/// Where a call was written, for ledgers and leak reports. What CallSite is, for compilers that do not
/// have it with every standard library (clang before 16). Take it as a defaulted last parameter.
/// Threads: reentrant (an immutable value).
struct CallSite {
  const char* file = "";
  std::uint32_t line = 0;

  [[nodiscard]] static constexpr CallSite current(const char* file = __builtin_FILE(),
                                                  std::uint32_t line = __builtin_LINE()) noexcept {
    return {.file = file, .line = line};
  }
};

}  // namespace causeway
