// SPDX-License-Identifier: Apache-2.0
#include "iova_space.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

namespace causeway::fpga_vfio_backend {

IovaSpace::IovaSpace(const std::vector<IovaRange>& permitted, unsigned address_bits, std::uint64_t page)
    : page_(page) {
  const std::uint64_t highest =
      address_bits >= 64 ? std::numeric_limits<std::uint64_t>::max() : (std::uint64_t{1} << address_bits) - 1;
  for (const IovaRange& range : permitted) {
    const std::uint64_t reach = std::min(range.last, highest);
    // Whole pages inside of the range; its last page ends where the next one would begin.
    const std::uint64_t lowest = std::max(range.first, page);
    if (lowest > std::numeric_limits<std::uint64_t>::max() - page) {
      continue;
    }
    const std::uint64_t first = (lowest + page - 1) / page * page;
    const std::uint64_t end =
        reach == std::numeric_limits<std::uint64_t>::max() ? reach / page * page : (reach + 1) / page * page;
    // A run has a page behind it.
    if (end < first || end - first < 2 * page) {
      continue;
    }
    if (free_.empty()) {
      bounds_ = {.first = first, .last = end - 1};
    }
    bounds_ = {.first = std::min(bounds_.first, first), .last = std::max(bounds_.last, end - 1)};
    free_.emplace(first, end - 1);
    largest_ = std::max(largest_, end - first - page);
  }
}

std::optional<std::uint64_t> IovaSpace::take(std::uint64_t bytes) {
  if (bytes == 0 || bytes > largest_) {
    return std::nullopt;
  }
  const std::uint64_t needed = bytes + page_;
  for (auto run = free_.begin(); run != free_.end(); ++run) {
    const auto [first, last] = *run;
    if (last - first + 1 < needed) {
      continue;
    }
    free_.erase(run);
    if (last - first + 1 > needed) {
      free_.emplace(first + needed, last);
    }
    return first;
  }
  return std::nullopt;
}

void IovaSpace::give_back(std::uint64_t address, std::uint64_t bytes) {
  std::uint64_t first = address;
  std::uint64_t last = address + bytes + page_ - 1;
  const auto after = free_.lower_bound(first);
  if (after != free_.end() && after->first == last + 1) {
    last = after->second;
    free_.erase(after);
  }
  const auto behind = free_.lower_bound(first);
  if (behind != free_.begin()) {
    if (const auto before = std::prev(behind); before->second + 1 == first) {
      first = before->first;
      free_.erase(before);
    }
  }
  free_.emplace(first, last);
}

}  // namespace causeway::fpga_vfio_backend
