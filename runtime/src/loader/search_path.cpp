// SPDX-License-Identifier: Apache-2.0
#include "loader/search_path.hpp"

#include <sys/auxv.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace causeway::loader {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> places;
  while (!path.empty()) {
    const auto colon = std::min(path.find(':'), path.size());
    if (colon > 0) {
      places.emplace_back(path.substr(0, colon));
    }
    path.remove_prefix(std::min(colon + 1, path.size()));
  }
  return places;
}

}  // namespace

SearchPath search_path(const SearchPathSource& source) {
  if (source.option) {
    return {.places = split(*source.option), .asked_for = true};
  }
  if (source.environment && !source.secure) {
    return {.places = split(*source.environment), .asked_for = true};
  }
  return {.places = {CAUSEWAY_BACKEND_FOLDER}, .asked_for = false};
}

SearchPathSource process_source(std::optional<std::string> option) {
  SearchPathSource source{.option = std::move(option), .secure = ::getauxval(AT_SECURE) != 0};
  if (const char* value = std::getenv("CAUSEWAY_BACKEND_PATH"); value != nullptr) {
    source.environment = value;
  }
  return source;
}

}  // namespace causeway::loader
