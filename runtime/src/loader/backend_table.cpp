// SPDX-License-Identifier: Apache-2.0
#include "loader/backend_table.hpp"

#include <causeway/plugin/backend.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace causeway::loader {
namespace {

/// Every version of the ABI, of whatever major number, begins with the two words before this one.
constexpr std::size_t kVersionSize = offsetof(cw_backend, name);
/// A table of this major version must reach to here; what follows is optional.
constexpr std::size_t kMandatorySize = offsetof(cw_backend, allocate);
/// Longer names are taken for text that does not end.
constexpr std::size_t kLongestName = 63;

Error refusal(std::string text) {
  return {Errc::Incompatible, "load_backend", std::move(text)};
}

std::string version_text(std::uint32_t version) {
  return fmt::format("{}.{}", version >> 16, version & 0xffffU);
}

/// The entry point belongs to a stranger: what it throws must not get further.
Result<const cw_backend*> ask(cw_backend_entry entry, std::uint32_t host_version) {
  try {
    return entry != nullptr ? entry(host_version) : nullptr;
  } catch (const std::exception& thrown) {
    return refusal(fmt::format("the backend's entry point threw an exception, which no C function may do: {}",
                               thrown.what()));
  } catch (...) {
    return refusal("the backend's entry point threw an exception, which no C function may do");
  }
}

/// Looks at nothing but the first two words until they are known to make sense.
Status check_version_and_size(const cw_backend& offered, std::uint32_t host_version) {
  const std::uint32_t size = offered.struct_size;
  if (size < kVersionSize) {
    return refusal(
        fmt::format("the backend's table says it has {} bytes, and its size and version alone need {}", size,
                    kVersionSize));
  }
  const std::uint32_t version = offered.abi_version;
  if (version >> 16 != host_version >> 16) {
    return refusal(fmt::format("the backend was built for ABI version {}, and this host speaks {}.x",
                               version_text(version), host_version >> 16));
  }
  if (size < kMandatorySize) {
    return refusal(
        fmt::format("the backend's table says it has {} bytes, and the mandatory operations need {}", size,
                    kMandatorySize));
  }
  // A size that cuts a member in two would make half an address of it.
  if (size % alignof(cw_backend) != 0) {
    return refusal(
        fmt::format("the backend's table says it has {} bytes, and a table of pointers has a multiple of {}",
                    size, alignof(cw_backend)));
  }
  // Only a newer table can be longer than ours. Any other that claims to be would have us read past its end.
  if (size > sizeof(cw_backend) && version <= host_version) {
    return refusal(fmt::format(
        "the backend's table says it has {} bytes at ABI version {}, and such a table has at most {}", size,
        version_text(version), sizeof(cw_backend)));
  }
  return {};
}

Status check_name(const char* name) {
  if (name == nullptr || *name == '\0') {
    return refusal("the backend's table has no name");
  }
  const std::string_view text(name, ::strnlen(name, kLongestName + 1));
  if (text.size() > kLongestName) {
    return refusal(fmt::format("the backend's name is longer than {} letters: it begins with \"{}\"",
                               kLongestName, text.substr(0, 16)));
  }
  const bool sound = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!sound) {
    return refusal(fmt::format("the backend is called \"{}\"; a name is made of a to z, 0 to 9 and _", text));
  }
  return {};
}

std::string_view first_missing(const cw_backend& table) noexcept {
  const std::pair<std::string_view, bool> mandatory[] = {
      {"enumerate", table.enumerate != nullptr},
      {"open", table.open != nullptr},
      {"close", table.close != nullptr},
      {"device_info", table.device_info != nullptr},
      {"query_constraints", table.query_constraints != nullptr},
      {"attach", table.attach != nullptr},
      {"detach", table.detach != nullptr},
      {"map", table.map != nullptr},
      {"unmap", table.unmap != nullptr},
      {"begin_access", table.begin_access != nullptr},
      {"end_access", table.end_access != nullptr},
      {"get_interface", table.get_interface != nullptr},
  };
  for (const auto& [operation, there] : mandatory) {
    if (!there) {
      return operation;
    }
  }
  return {};
}

}  // namespace

Result<cw_backend> load_table(cw_backend_entry entry, std::uint32_t host_version) {
  const auto offered = ask(entry, host_version);
  if (!offered) {
    return offered.error();
  }
  if (*offered == nullptr) {
    return refusal(
        fmt::format("the backend offers nothing to a host of ABI version {}", version_text(host_version)));
  }
  if (auto sound = check_version_and_size(**offered, host_version); !sound) {
    return std::move(sound.error());
  }
  cw_backend table = plugin::sized_copy(**offered);
  table.abi_version = std::min(table.abi_version, host_version);
  if (auto sound = check_name(table.name); !sound) {
    return std::move(sound.error());
  }
  if (const auto missing = first_missing(table); !missing.empty()) {
    return refusal(fmt::format("backend {} lacks the mandatory operation {}", table.name, missing));
  }
  if ((table.allocate == nullptr) != (table.release == nullptr)) {
    return refusal(
        fmt::format("backend {} has one of allocate and release; it takes both or none", table.name));
  }
  if ((table.fence_wait == nullptr) != (table.fence_release == nullptr)) {
    return refusal(
        fmt::format("backend {} has one of fence_wait and fence_release; it takes both or none", table.name));
  }
  if (table.fence_export != nullptr && table.fence_wait == nullptr) {
    return refusal(
        fmt::format("backend {} has fence_export, and no fence_wait for what it exports", table.name));
  }
  if (table.fence_import != nullptr && table.fence_wait == nullptr) {
    return refusal(
        fmt::format("backend {} has fence_import, and no fence_wait for what it imports", table.name));
  }
  return table;
}

}  // namespace causeway::loader
