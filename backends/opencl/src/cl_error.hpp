// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>
#include <string>
#include <string_view>

#include "api.hpp"

namespace causeway::opencl_backend {

/// "CL_OUT_OF_RESOURCES"; "OpenCL error -77" where it is not known here.
[[nodiscard]] std::string to_string(cl_int code);

/// The failure of an OpenCL command that was tried in order to do attempt ("importing 4096 bytes").
/// Handles that were sound when the device was opened and are called invalid now are what some drivers answer
/// once the device has faulted: these, and CL_DEVICE_NOT_AVAILABLE, are DeviceLost.
[[nodiscard]] Error cl_error(std::string_view command, cl_int code, std::string_view attempt);

}  // namespace causeway::opencl_backend
