// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gbm.h>

#include <causeway/result.hpp>

namespace causeway::exporters {

/// The entry points of libgbm that we use. The library is opened when first needed and never linked, so that
/// Causeway runs where it is not installed; a test puts functions of its own here.
struct GbmLibrary {
  decltype(&gbm_create_device) create_device = nullptr;
  decltype(&gbm_device_destroy) device_destroy = nullptr;
  decltype(&gbm_device_get_backend_name) device_get_backend_name = nullptr;
  decltype(&gbm_bo_create) bo_create = nullptr;
  decltype(&gbm_bo_create_with_modifiers2) bo_create_with_modifiers2 = nullptr;  ///< null before Mesa 21.1
  decltype(&gbm_bo_destroy) bo_destroy = nullptr;
  decltype(&gbm_bo_get_plane_count) bo_get_plane_count = nullptr;
  decltype(&gbm_bo_get_offset) bo_get_offset = nullptr;
  decltype(&gbm_bo_get_stride_for_plane) bo_get_stride_for_plane = nullptr;
  decltype(&gbm_bo_get_modifier) bo_get_modifier = nullptr;
  decltype(&gbm_bo_get_handle_for_plane) bo_get_handle_for_plane = nullptr;
  decltype(&gbm_bo_get_fd_for_plane) bo_get_fd_for_plane = nullptr;
};

/// The system's library, opened once and for the life of the process, as its drivers are.
/// Errors: NotFound (not installed), Incompatible (too old).
[[nodiscard]] Result<const GbmLibrary*> load_gbm();

}  // namespace causeway::exporters
