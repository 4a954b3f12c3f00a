// SPDX-License-Identifier: Apache-2.0
#include "loader/shared_objects.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "loader/backend_table.hpp"

namespace causeway::loader {
namespace {

namespace fs = std::filesystem;

Error refusal(std::string text) {
  return {Errc::Incompatible, "load_backend", std::move(text)};
}

Result<cw_backend_entry> open_entry(const fs::path& file) {
  // dlopen would wait at a FIFO until somebody writes to it.
  std::error_code failure;
  if (!fs::is_regular_file(file, failure)) {
    return refusal(failure ? fmt::format("it cannot be looked at: {}", failure.message())
                           : "it is no regular file, so it cannot be a shared object");
  }
  // NOW: a symbol that is missing is found here and not amid a frame. LOCAL: backends do not see each other.
  void* object = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    const char* reason = ::dlerror();
    return refusal(
        fmt::format("it cannot be loaded: {}", reason != nullptr ? reason : "no reason was given"));
  }
  void* symbol = ::dlsym(object, CW_BACKEND_SYMBOL);
  if (symbol == nullptr) {
    return refusal("it is no backend: it exports no symbol " CW_BACKEND_SYMBOL);
  }
  return reinterpret_cast<cw_backend_entry>(symbol);
}

/// One search: what it has seen so far, and what came of it.
class Search {
public:
  explicit Search(const std::vector<cw_backend>& known) : known_(known) {}

  void visit(const fs::path& place, bool asked_for) {
    std::error_code failure;
    const auto status = fs::status(place, failure);
    if (!fs::exists(status)) {
      if (asked_for) {
        refuse(place, fmt::format("the search path for backends names it, and it cannot be found: {}",
                                  failure.message()));
      }
    } else if (fs::is_directory(status)) {
      visit_folder(place);
    } else {
      visit_file(place);
    }
  }

  SharedObjects take() && { return std::move(result_); }

private:
  void visit_folder(const fs::path& folder) {
    std::error_code failure;
    std::vector<fs::path> files;
    for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end;
         entry.increment(failure)) {
      if (entry->path().extension() == ".so") {
        files.push_back(entry->path());
      }
    }
    if (failure) {
      refuse(folder, fmt::format("the folder cannot be listed: {}", failure.message()));
    }
    // By name, so that the same files give the same backends on every machine.
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      visit_file(file);
    }
  }

  void visit_file(const fs::path& file) {
    std::error_code failure;
    // Absolute, too: dlopen looks for a name without a slash in the system's folders.
    const auto real = fs::canonical(file, failure);
    if (failure) {
      refuse(file, fmt::format("it leads nowhere: {}", failure.message()));
      return;
    }
    if (!seen_.insert(real).second) {
      return;
    }
    auto table = open_entry(real).and_then([](cw_backend_entry entry) { return load_table(entry); });
    if (!table) {
      refuse(file, table.error().detail());
    } else if (taken(table->name)) {
      refuse(file,
             fmt::format("there is a backend called {} already, and a name stands for one", table->name));
    } else {
      result_.tables.push_back(*table);
    }
  }

  [[nodiscard]] bool taken(std::string_view name) const {
    const auto same = [&](const cw_backend& backend) { return name == backend.name; };
    return std::any_of(known_.begin(), known_.end(), same) ||
           std::any_of(result_.tables.begin(), result_.tables.end(), same);
  }

  void refuse(const fs::path& file, std::string reason) {
    result_.refused.push_back({.file = file.string(), .reason = std::move(reason)});
  }

  const std::vector<cw_backend>& known_;
  std::set<fs::path> seen_;
  SharedObjects result_;
};

}  // namespace

SharedObjects load_shared_objects(const SearchPath& path, const std::vector<cw_backend>& known) {
  Search search(known);
  for (const auto& place : path.places) {
    search.visit(place, path.asked_for);
  }
  return std::move(search).take();
}

}  // namespace causeway::loader
