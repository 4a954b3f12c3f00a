// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fd.hpp>
#include <causeway/plugin/attach_check.hpp>
#include <cstddef>

#include "context.hpp"

namespace causeway::opencl_backend {

/// A cl_mem over a whole memory object, and how it came to be.
struct ImportedBuffer {
  UniqueFd kept;  ///< the descriptor that clImportMemoryARM was shown; closed after the cl_mem
  MemHandle memory;
  ImportPath path;
  std::byte* address;  ///< the CPU's, with HostPointer; null otherwise
  bool writable;
  std::uint64_t size;
};

/// Climbs the device's ladder. Errors: that of the step that came furthest, with the reasons of all.
[[nodiscard]] Result<ImportedBuffer> import_buffer(const Context& context, const cw_object& object,
                                                   const plugin::CheckedObject& checked);

}  // namespace causeway::opencl_backend
