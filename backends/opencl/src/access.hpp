// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "hand_over.hpp"
#include "import_buffer.hpp"
#include "timeline.hpp"

namespace causeway::opencl_backend {

/// Begin and end of accesses: what the queue waits for before, and the fences that come out.
///
/// Threads: as rule 6 of backend_abi.h.
class Accessor {
public:
  Accessor(const Context& context, Timeline& timeline) : context_(context), timeline_(timeline) {}

  [[nodiscard]] Status begin(std::span<const ImportedBuffer> buffers, const cw_access_begin& begin);
  /// last: with which the caller's commands end, or none; it saves the marker where nothing has to come after
  /// it, and no other access overlaps: points of the timeline have to end in their order. Where the host
  /// gives no room for a fence, the CPU waits, and the wait is counted.
  [[nodiscard]] Status end(std::span<const ImportedBuffer> buffers, cw_access_end& end, EventHandle last);

  /// From now on accesses map and unmap, because without it the device was seen to work on a copy.
  void use_map_and_unmap() noexcept { copies_ = Copies::MapAndUnmap; }

private:
  [[nodiscard]] Status wait_for(std::span<const cw_fence> fences, std::int64_t deadline_ns);
  /// On the device, or on the CPU where the driver does not take the fence after all: then it is empty.
  [[nodiscard]] Result<std::optional<EventHandle>> wait_for_one(const cw_fence& fence,
                                                                std::int64_t deadline_ns);

  const Context& context_;
  Timeline& timeline_;
  Copies copies_ = Copies::No;
  std::uint32_t open_ = 0;  // accesses that have begun and not ended
  bool alone_ = false;      // the one that goes on has met no other
};

}  // namespace causeway::opencl_backend
