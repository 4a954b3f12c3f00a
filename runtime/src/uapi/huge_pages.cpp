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

bool collapse(const Kernel& kernel, std::byte* block) noexcept {
  const auto& table = kernel.table();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    // A block with no page at all is refused with EINVAL: there is nothing to collapse.
    *static_cast<volatile std::byte*>(block) = std::byte{0};
    if (table.madvise(table.context, block, kHugePageSize, kCollapse) == 0) {
      return true;
    }
    if (errno != EAGAIN && errno != EBUSY) {
      return false;
    }
  }
  return false;
}

}  // namespace

std::uint64_t collapse_memfd(const Kernel& kernel, BorrowedFd memfd, std::uint64_t offset,
                             std::uint64_t size) noexcept {
  const std::uint64_t whole = size / kHugePageSize * kHugePageSize;
  if (whole == 0 || whole > kMost || offset % kHugePageSize != 0) {
    return 0;
  }
  const auto mapped = kernel.map(memfd, offset, whole, true, false, kHugePageSize);
  if (!mapped || reinterpret_cast<std::uintptr_t>(mapped->address()) % kHugePageSize != 0) {
    return 0;
  }
  // The first refusal ends it: EINVAL would come each time, and ENOMEM after as long a search for free
  // memory.
  std::uint64_t obtained = 0;
  while (obtained < whole && collapse(kernel, mapped->address() + obtained)) {
    obtained += kHugePageSize;
  }
  return obtained;
}

}  // namespace causeway::uapi
