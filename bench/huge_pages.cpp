// SPDX-License-Identifier: Apache-2.0
#include "huge_pages.hpp"

#include <sys/mman.h>

#include "suite.hpp"

namespace causeway::bench {
namespace {

#ifdef MADV_COLLAPSE
constexpr int kCollapse = MADV_COLLAPSE;
#else
constexpr int kCollapse = 25;  // older C libraries lack the name
#endif

}  // namespace

bool collapse(std::byte* data, std::uint64_t bytes) noexcept {
  for (std::uint64_t at = 0; at + kHugePage <= bytes; at += kHugePage) {
    // A block without any page cannot be collapsed (EINVAL).
    *static_cast<volatile std::byte*>(data + at) = std::byte{1};
    if (::madvise(data + at, kHugePage, kCollapse) != 0) {
      return false;
    }
  }
  return true;
}

bool huge_pages_work() {
  static const bool works = [] {
    const auto fd = raw_memfd(kHugePage);
    const RawMapping mapping(fd.borrow(), kHugePage, 0, kHugePage);
    return collapse(mapping.data(), kHugePage);
  }();
  return works;
}

}  // namespace causeway::bench
