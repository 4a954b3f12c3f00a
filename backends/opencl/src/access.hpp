// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "hand_over.hpp"
#include "import_buffer.hpp"

namespace causeway::opencl_backend {

/// Begin and end of accesses: what was waited for before, and the fences that come out.
///
/// An end becomes a fence as an event of the host, which the driver signals by clSetEventCallback. Where the
/// host gives no room for fences, the CPU waits, and the wait is counted.
///
/// Threads: as rule 6 of backend_abi.h; drivers call back on threads of theirs.
class Accessor {
public:
  explicit Accessor(const Context& context) : context_(context) {}
  Accessor(const Accessor&) = delete;
  Accessor& operator=(const Accessor&) = delete;
  /// Waits until the driver has made its last call.
  ~Accessor();

  [[nodiscard]] Status begin(std::span<const ImportedBuffer> buffers, const cw_access_begin& begin);
  [[nodiscard]] Status end(std::span<const ImportedBuffer> buffers, cw_access_end& end);

  /// From now on accesses map and unmap, because without it the device was seen to work on a copy.
  void use_map_and_unmap() noexcept { copies_ = Copies::MapAndUnmap; }

private:
  struct Completion;
  [[nodiscard]] Status wait_for(const cw_fence& fence, std::vector<cl_event>& events,
                                std::vector<EventHandle>& owned);
  [[nodiscard]] Result<EventHandle> wait_for_sync_file(const cw_fence& fence);
  [[nodiscard]] Status make_fence(EventHandle& event, cw_fence& out);
  [[nodiscard]] bool is_signalled(const cw_fence& fence) const noexcept;
  void reap();

  const Context& context_;
  Copies copies_ = Copies::No;
  std::vector<std::shared_ptr<Completion>> pending_;
};

}  // namespace causeway::opencl_backend
