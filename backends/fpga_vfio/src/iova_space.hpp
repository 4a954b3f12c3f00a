// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace causeway::fpga_vfio_backend {

/// Device addresses from first to last, both included.
struct IovaRange {
  std::uint64_t first;
  std::uint64_t last;
};

/// Which device addresses are free. Behind each run that is given out a page stays unmapped, so that a card
/// that runs off its end meets the IOMMU; and address 0 is never given out, so that a card whose address
/// register was never written meets it too. Threads: thread-bound (its owner locks).
class IovaSpace {
public:
  /// What the IOMMU permits, less what the card cannot drive. page: a power of two.
  IovaSpace(const std::vector<IovaRange>& permitted, unsigned address_bits, std::uint64_t page);

  /// The lowest place for so many bytes (whole pages), if there is one.
  [[nodiscard]] std::optional<std::uint64_t> take(std::uint64_t bytes);
  /// What take() gave, and for how many bytes.
  void give_back(std::uint64_t address, std::uint64_t bytes);

  /// The longest run of an empty space, in bytes; 0: nothing can be mapped at all.
  [[nodiscard]] std::uint64_t largest() const { return largest_; }
  /// The lowest and the highest address of an empty space.
  [[nodiscard]] IovaRange bounds() const { return bounds_; }
  [[nodiscard]] std::uint64_t page() const { return page_; }

private:
  std::uint64_t page_;
  std::uint64_t largest_ = 0;
  IovaRange bounds_{0, 0};
  std::map<std::uint64_t, std::uint64_t> free_;  // first to last, apart from one another
};

}  // namespace causeway::fpga_vfio_backend
