// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend.hpp>

namespace causeway::opencl_backend {

/// What a look at the descriptor found; drivers look less closely, and some take what is none.
struct CheckedObject {
  bool is_dma_buf;
  bool writable;
};

/// Errors: InvalidArgument (not open, no memory of that size).
[[nodiscard]] Result<CheckedObject> check_object(plugin::Host host, const cw_object& object,
                                                 std::uint32_t index);

}  // namespace causeway::opencl_backend
