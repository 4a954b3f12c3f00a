// SPDX-License-Identifier: Apache-2.0
#include "loader/backend_table.hpp"

#include <causeway/plugin/backend.hpp>

#include <fmt/format.h>

#include <cstddef>
#include <string_view>

namespace causeway::loader {
namespace {

/// A table must reach to here; what follows is optional.
constexpr std::size_t kMandatorySize = offsetof(cw_backend, allocate);

std::string_view first_missing(const cw_backend& table) noexcept {
  if (table.enumerate == nullptr)
    return "enumerate";
  if (table.open == nullptr)
    return "open";
  if (table.close == nullptr)
    return "close";
  if (table.device_info == nullptr)
    return "device_info";
  if (table.query_constraints == nullptr)
    return "query_constraints";
  if (table.attach == nullptr)
    return "attach";
  if (table.detach == nullptr)
    return "detach";
  if (table.map == nullptr)
    return "map";
  if (table.unmap == nullptr)
    return "unmap";
  if (table.begin_access == nullptr)
    return "begin_access";
  if (table.end_access == nullptr)
    return "end_access";
  if (table.get_interface == nullptr)
    return "get_interface";
  return {};
}

}  // namespace

Result<cw_backend> load_table(cw_backend_entry entry) {
  const cw_backend* offered = entry != nullptr ? entry(CW_ABI_VERSION) : nullptr;
  if (offered == nullptr) {
    return Error(
        Errc::Incompatible, "load_backend",
        fmt::format("the backend offers nothing to a host of ABI version {}.{}", CW_ABI_MAJOR, CW_ABI_MINOR));
  }
  if (offered->struct_size < kMandatorySize) {
    return Error(Errc::Incompatible, "load_backend",
                 fmt::format("the backend's table says it has {} bytes, and the mandatory operations need {}",
                             offered->struct_size, kMandatorySize));
  }
  if (offered->abi_version >> 16 != CW_ABI_MAJOR) {
    return Error(Errc::Incompatible, "load_backend",
                 fmt::format("the backend was built for ABI version {}.{}, and this host speaks {}.x",
                             offered->abi_version >> 16, offered->abi_version & 0xffffU, CW_ABI_MAJOR));
  }
  const cw_backend table = plugin::sized_copy(*offered);
  if (table.name == nullptr || *table.name == '\0') {
    return Error(Errc::Incompatible, "load_backend", "the backend's table has no name");
  }
  if (const auto missing = first_missing(table); !missing.empty()) {
    return Error(Errc::Incompatible, "load_backend",
                 fmt::format("backend {} lacks the mandatory operation {}", table.name, missing));
  }
  if ((table.allocate == nullptr) != (table.release == nullptr)) {
    return Error(
        Errc::Incompatible, "load_backend",
        fmt::format("backend {} has one of allocate and release; it takes both or none", table.name));
  }
  return table;
}

}  // namespace causeway::loader
