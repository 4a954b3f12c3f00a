// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <cstdint>

namespace causeway::vulkan_backend {

/// What was found out about a memory object.
struct CheckedObject {
  bool is_dma_buf;
  bool writable;  ///< neither opened read-only nor sealed against writing
};

/// Checks the descriptor before a driver sees it: drivers check little, and some take anything (lavapipe's
/// vkGetMemoryFdPropertiesKHR accepts a number that is not open). index: for the text.
/// Errors: InvalidArgument (not open, not memory, size 0 or larger than the file).
[[nodiscard]] Result<CheckedObject> check_object(plugin::Host host, const cw_object& object,
                                                 std::uint32_t index);

}  // namespace causeway::vulkan_backend
