// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sentences for backends that link no formatting library. Only for failures and logs: everything here
// allocates.

#include <cstdint>
#include <sstream>
#include <string>
#include <utility>

namespace causeway::plugin {

/// One sentence out of its parts, which are streamed. Threads: reentrant.
template <class... Parts>
[[nodiscard]] std::string words(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return std::move(text).str();
}

/// 0x1f00, as data sheets write it: one word of hexadecimal digits, without leading zeros. Threads:
/// reentrant.
[[nodiscard]] inline std::string hex(std::uint64_t number) {
  std::ostringstream text;
  text << "0x" << std::hex << number;
  return std::move(text).str();
}

}  // namespace causeway::plugin
