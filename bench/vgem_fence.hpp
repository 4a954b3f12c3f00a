// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fd.hpp>

#include <string>

namespace causeway::bench {

/// A fence of the kernel's that stays pending until this object goes, or for 10 s: the module vgem attaches
/// it to a buffer of its own, and signals it then (drivers/gpu/drm/vgem/vgem_fence.c).
///
/// Threads: thread-bound.
class VgemFence {
public:
  /// Throws std::runtime_error.
  VgemFence();
  VgemFence(const VgemFence&) = delete;
  VgemFence& operator=(const VgemFence&) = delete;
  ~VgemFence();
  [[nodiscard]] BorrowedFd sync_file() const noexcept { return sync_file_.borrow(); }

  /// Empty if there is a card of vgem here, or a sentence that says that there is none.
  [[nodiscard]] static std::string missing();

private:
  UniqueFd card_;
  unsigned fence_ = 0;
  UniqueFd sync_file_;
};

}  // namespace causeway::bench
