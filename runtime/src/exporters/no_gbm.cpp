// SPDX-License-Identifier: Apache-2.0
//
// Stands in for gbm.cpp where libgbm's header was not found at build time (third_party/CMakeLists.txt).
#include "exporters/ladder.hpp"

namespace causeway::exporters {

std::vector<std::unique_ptr<core::Allocator>> make_gbms(const uapi::Kernel& /*kernel*/) {
  return {};
}

}  // namespace causeway::exporters
