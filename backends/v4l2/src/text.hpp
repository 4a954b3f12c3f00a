// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sstream>
#include <string>

namespace causeway::v4l2_backend {

/// One sentence out of its parts. Only for failures and logs: it allocates.
template <class... Parts>
[[nodiscard]] std::string words(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace causeway::v4l2_backend
