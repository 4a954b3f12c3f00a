// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>
#include <cstdint>
#include <vector>

#include "device_facts.hpp"

namespace causeway::opencl_backend {

/// How memory comes in; the values of cw_opencl_path.
enum class ImportPath : std::uint32_t {
  ExternalMemory = CW_OPENCL_EXTERNAL_MEMORY,
  ArmImport = CW_OPENCL_ARM_IMPORT,
  HostPointer = CW_OPENCL_HOST_POINTER
};

/// For cw_mapping::import_path.
[[nodiscard]] const char* to_string(ImportPath path) noexcept;

/// The steps to try, in their order: those that the device offers, or the one that was named.
/// asked: a cw_opencl_path. Errors: InvalidArgument (a number that is none), Unsupported (the one that was
/// named is not offered; says what is).
[[nodiscard]] Result<std::vector<ImportPath>> make_ladder(const DeviceFacts& facts,
                                                          const ExtensionApi& extensions, const Api& api,
                                                          std::uint32_t asked);

}  // namespace causeway::opencl_backend
