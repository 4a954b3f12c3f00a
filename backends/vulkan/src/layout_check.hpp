// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>

namespace causeway::vulkan_backend {

/// Checks the layout of a frame that is to become an image, before a driver sees it: drivers work with wrong
/// pitches and offsets, and read beyond the memory (lavapipe does both). In LINEAR layout everything is
/// known; of others only that the planes start within their objects. Errors: InvalidArgument, with the plane,
/// what it says and what it would have to say.
[[nodiscard]] Status check_layout(const cw_attach_info& info);

/// The objects that hold the frame, each once: two descriptors of one dma-buf are one object. first[i] is the
/// first object that is the same as i.
struct SameObjects {
  explicit SameObjects(const cw_attach_info& info) noexcept;
  uint32_t first[CW_MAX_PLANES] = {};  // NOLINT: indexed by what the ABI's arrays are indexed by
};

}  // namespace causeway::vulkan_backend
