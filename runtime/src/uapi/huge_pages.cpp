// SPDX-License-Identifier: Apache-2.0
#include "uapi/huge_pages.hpp"

#include <sys/mman.h>

#include <cerrno>

namespace causeway::uapi {
namespace {

#ifdef MADV_COLLAPSE
constexpr int kCollapse = MADV_COLLAPSE;
#else
constexpr int kCollapse = 25;  // since Linux 6.1; older C libraries lack the name
#endif

/// More than any frame: who asks for more wants address space to fill slowly, and huge pages would commit it.
constexpr std::uint64_t kMost = std::uint64_t{1} << 30;

/// EAGAIN and EBUSY pass (a page was just being moved); the kernel's advice is to try again (madvise(2)).
constexpr int kAttempts = 3;

/// A page of its own for the block, huge where that is permitted: a block with no page at all cannot be
/// collapsed (EINVAL).
void touch(std::byte* block) noexcept {
  *static_cast<volatile std::byte*>(block) = std::byte{0};
}

bool collapse(const Kernel& kernel, std::byte* block) noexcept {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (kernel.madvise(block, kHugePageSize, kCollapse) == 0) {
      return true;
    }
    if (errno != EAGAIN && errno != EBUSY) {
      return false;
    }
    touch(block);  // the page that was being moved may be another now
  }
  return false;
}

}  // namespace

std::uint64_t obtain_huge_pages(const Kernel& kernel, BorrowedFd memfd, std::uint64_t offset,
                                std::uint64_t size) noexcept {
  const std::uint64_t whole = size / kHugePageSize * kHugePageSize;
  if (whole == 0 || whole > kMost || offset % kHugePageSize != 0) {
    return 0;
  }
  const auto mapped = kernel.map(memfd, offset, whole, true, false, kHugePageSize);
  if (!mapped || reinterpret_cast<std::uintptr_t>(mapped->address()) % kHugePageSize != 0) {
    return 0;
  }
  // It succeeds where it has no effect, too, so that its answer tells nothing but whether to go on without
  // the other advice.
  const bool advised = kernel.madvise(mapped->address(), whole, MADV_HUGEPAGE) == 0;
  // The first refusal ends the collapsing: EINVAL would come each time, and ENOMEM after as long a search for
  // free memory.
  std::uint64_t obtained = 0;
  for (std::uint64_t at = 0; at < whole; at += kHugePageSize) {
    touch(mapped->address() + at);
    if (obtained == at && collapse(kernel, mapped->address() + at)) {
      obtained += kHugePageSize;
    } else if (!advised) {
      break;
    }
  }
  return obtained;
}

}  // namespace causeway::uapi
