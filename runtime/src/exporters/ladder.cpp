// SPDX-License-Identifier: Apache-2.0
#include "exporters/ladder.hpp"

#include <utility>

namespace causeway::exporters {

std::vector<std::unique_ptr<core::Allocator>> make_ladder(const uapi::Kernel& kernel) {
  std::vector<std::unique_ptr<core::Allocator>> ladder;
  ladder.push_back(make_udmabuf(kernel));
  for (auto& heap : make_dma_heaps(kernel)) {
    ladder.push_back(std::move(heap));
  }
  ladder.push_back(make_memfd(kernel));
  for (auto& pool : make_hugetlbs(kernel)) {
    ladder.push_back(std::move(pool));
  }
  for (auto& card : make_drm_dumbs(kernel)) {
    ladder.push_back(std::move(card));
  }
  for (auto& driver : make_gbms(kernel)) {
    ladder.push_back(std::move(driver));
  }
  return ladder;
}

}  // namespace causeway::exporters
