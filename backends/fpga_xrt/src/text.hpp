// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <sstream>
#include <string>

namespace causeway::fpga_xrt_backend {

/// One sentence out of its parts. Only for failures and logs: it allocates.
template <class... Parts>
[[nodiscard]] std::string words(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return std::move(text).str();
}

/// 0x1f00, as data sheets write it.
[[nodiscard]] inline std::string hex(std::uint64_t number) {
  std::ostringstream text;
  text << "0x" << std::hex << number;
  return std::move(text).str();
}

}  // namespace causeway::fpga_xrt_backend
