// SPDX-License-Identifier: Apache-2.0
#include "exporters/gbm_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string>

namespace causeway::exporters {
namespace {

constexpr const char* kName = "libgbm.so.1";

/// What opening the library came to; whole or with a reason.
struct Opened {
  GbmLibrary table;
  std::string missing;  ///< a function that is not there
  std::string failure;  ///< of dlopen
};

Opened open_library() {
  Opened opened;
  void* library = ::dlopen(kName, RTLD_NOW | RTLD_LOCAL);  // never closed: its drivers do not bear it
  if (library == nullptr) {
    const char* reason = ::dlerror();
    opened.failure = reason != nullptr ? reason : "no reason was given";
    return opened;
  }
  const auto find = [&](auto& entry, const char* name, bool optional = false) {
    entry = reinterpret_cast<std::remove_reference_t<decltype(entry)>>(::dlsym(library, name));
    if (entry == nullptr && !optional) {
      opened.missing = name;
    }
  };
  auto& table = opened.table;
  find(table.create_device, "gbm_create_device");
  find(table.device_destroy, "gbm_device_destroy");
  find(table.device_get_backend_name, "gbm_device_get_backend_name");
  find(table.bo_create, "gbm_bo_create");
  find(table.bo_create_with_modifiers2, "gbm_bo_create_with_modifiers2", true);
  find(table.bo_destroy, "gbm_bo_destroy");
  find(table.bo_get_plane_count, "gbm_bo_get_plane_count");
  find(table.bo_get_offset, "gbm_bo_get_offset");
  find(table.bo_get_stride_for_plane, "gbm_bo_get_stride_for_plane");
  find(table.bo_get_modifier, "gbm_bo_get_modifier");
  find(table.bo_get_handle_for_plane, "gbm_bo_get_handle_for_plane");
  find(table.bo_get_fd_for_plane, "gbm_bo_get_fd_for_plane");
  return opened;
}

}  // namespace

Result<const GbmLibrary*> load_gbm() {
  // The address of a library that stays loaded does not change: a fact of the process, not state.
  static const Opened opened = open_library();
  if (!opened.failure.empty()) {
    return Error(Errc::NotFound, "dlopen",
                 fmt::format("{} cannot be opened; install it (Debian: libgbm1): {}", kName, opened.failure));
  }
  if (!opened.missing.empty()) {
    return Error(Errc::Incompatible, "dlsym",
                 fmt::format("{} has no {}; Mesa 21.1 or newer is needed", kName, opened.missing));
  }
  return &opened.table;
}

}  // namespace causeway::exporters
