// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/allocator.hpp"
#include "exporters/gbm_library.hpp"
#include "uapi/kernel.hpp"

namespace causeway::exporters {

/// The graphics driver of one DRM node, as libgbm offers it. load is asked before each first use until it
/// succeeds.
[[nodiscard]] std::unique_ptr<core::Allocator> make_gbm(const uapi::Kernel& kernel, std::string node,
                                                        Result<const GbmLibrary*> (*load)() = &load_gbm);

}  // namespace causeway::exporters
