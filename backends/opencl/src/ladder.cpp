// SPDX-License-Identifier: Apache-2.0
#include "ladder.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace causeway::opencl_backend {

const char* to_string(ImportPath path) noexcept {
  switch (path) {
    case ImportPath::ExternalMemory: return "khr-dma-buf";
    case ImportPath::ArmImport: return "arm-dma-buf";
    case ImportPath::HostPointer: return "host-pointer";
  }
  return "";
}

Result<std::vector<ImportPath>> make_ladder(const DeviceFacts& facts, const ExtensionApi& extensions,
                                            const Api& api, std::uint32_t asked) {
  std::vector<ImportPath> offered;
  if (facts.external_dma_buf && api.CreateBufferWithProperties != nullptr &&
      extensions.AcquireExternalMemObjects != nullptr && extensions.ReleaseExternalMemObjects != nullptr) {
    offered.push_back(ImportPath::ExternalMemory);
  }
  if (facts.arm_dma_buf && extensions.ImportMemoryARM != nullptr) {
    offered.push_back(ImportPath::ArmImport);
  }
  offered.push_back(ImportPath::HostPointer);  // part of OpenCL 1.0
  if (asked == CW_OPENCL_ANY) {
    return offered;
  }
  if (asked > CW_OPENCL_HOST_POINTER) {
    return Error(
        Errc::InvalidArgument, "open",
        fmt::format("import path {} was named; there are {} (any), {} (cl_khr_external_memory), {} "
                    "(cl_arm_import_memory) and {} (host pointer)",
                    asked, static_cast<int>(CW_OPENCL_ANY), static_cast<int>(CW_OPENCL_EXTERNAL_MEMORY),
                    static_cast<int>(CW_OPENCL_ARM_IMPORT), static_cast<int>(CW_OPENCL_HOST_POINTER)));
  }
  const auto wanted = static_cast<ImportPath>(asked);
  if (std::find(offered.begin(), offered.end(), wanted) == offered.end()) {
    std::string names;
    for (const auto path : offered) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", to_string(path));
    }
    const char* what = wanted == ImportPath::ExternalMemory
                           ? "cl_khr_external_memory with dma-bufs among its handle types"
                           : "cl_arm_import_memory_dma_buf";
    return Error(Errc::Unsupported, "open",
                 fmt::format("the import path {} was named, and {} does not offer {}; it offers {}",
                             to_string(wanted), facts.name, what, names));
  }
  return std::vector{wanted};
}

}  // namespace causeway::opencl_backend
