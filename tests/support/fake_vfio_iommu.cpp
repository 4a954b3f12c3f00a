// SPDX-License-Identifier: Apache-2.0
//
// The container of the fake VFIO: what is mapped for the card, and what its DMA reaches.
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "support/fake_vfio.hpp"

namespace causeway::test {

namespace {

constexpr std::uint64_t kPage = 4096;

/// What mmap(2) permits of the memory there: "rw-s"; empty if nothing is mapped.
std::string permissions_of(std::uint64_t address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    char flags[5] = {};  // NOLINT(modernize-avoid-c-arrays): for sscanf
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &first, &end, flags) == 3 &&
        address >= first && address < end) {
      return flags;
    }
  }
  return {};
}

}  // namespace

int FakeVfio::container_ioctl(int /*fd*/, unsigned long request, void* argument) {
  const std::lock_guard lock(mutex_);
  const auto number = reinterpret_cast<std::uintptr_t>(argument);
  switch (request) {
    case VFIO_GET_API_VERSION: return VFIO_API_VERSION;
    case VFIO_CHECK_EXTENSION:
      return number == VFIO_TYPE1_IOMMU || number == VFIO_TYPE1v2_IOMMU ? (config_.type1 ? 1 : 0)
             : number == VFIO_DMA_CC_IOMMU                              ? (config_.coherent ? 1 : 0)
                                                                        : 0;
    case VFIO_SET_IOMMU:
      if (!in_container_ || has_iommu_ || !config_.type1) {
        return -EINVAL;
      }
      has_iommu_ = config_.set_iommu_errno == 0;
      return -config_.set_iommu_errno;
    default: break;
  }
  if (!has_iommu_) {
    return -EINVAL;
  }
  switch (request) {
    case VFIO_IOMMU_GET_INFO: return get_iommu_info(argument);
    case VFIO_IOMMU_MAP_DMA: return map_dma(argument);
    case VFIO_IOMMU_UNMAP_DMA: return unmap_dma(argument);
    default: return -ENOTTY;
  }
}

int FakeVfio::get_iommu_info(void* argument) const {
  auto& info = *static_cast<vfio_iommu_type1_info*>(argument);
  if (info.argsz < offsetof(vfio_iommu_type1_info, cap_offset)) {
    return -EINVAL;
  }
  const std::uint32_t room = info.argsz;
  info.flags = VFIO_IOMMU_INFO_PGSIZES;
  info.iova_pgsizes = config_.page_sizes;
  if (!config_.tells_ranges) {
    return 0;
  }
  // A capability that nobody asked for stands before the ranges, as the kernel's order is its own business.
  const auto first = static_cast<std::uint32_t>((sizeof(info) + 7) / 8 * 8);
  const auto second = first + static_cast<std::uint32_t>(sizeof(vfio_iommu_type1_info_dma_avail) + 4);
  const auto ranges = static_cast<std::uint32_t>(config_.ranges.size());
  const auto needed = static_cast<std::uint32_t>(second + sizeof(vfio_iommu_type1_info_cap_iova_range) +
                                                 ranges * sizeof(vfio_iova_range));
  info.flags |= VFIO_IOMMU_INFO_CAPS;
  info.argsz = needed;
  if (room < needed) {
    if (room >= sizeof(info)) {
      info.cap_offset = 0;
    }
    return 0;
  }
  info.cap_offset = first;
  auto* bytes = static_cast<std::byte*>(argument);
  vfio_iommu_type1_info_dma_avail avail{};
  avail.header = {.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1, .next = second};
  avail.avail = config_.dma_entries;
  std::memcpy(bytes + first, &avail, sizeof(avail));
  vfio_iommu_type1_info_cap_iova_range head{};
  head.header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1, .next = 0};
  head.nr_iovas = ranges;
  std::memcpy(bytes + second, &head, sizeof(head));
  for (std::uint32_t i = 0; i < ranges; ++i) {
    const vfio_iova_range range{.start = config_.ranges[i].first, .end = config_.ranges[i].second};
    std::memcpy(bytes + second + sizeof(head) + i * sizeof(range), &range, sizeof(range));
  }
  return 0;
}

// vfio_dma_do_map() of vfio_iommu_type1.c.
int FakeVfio::map_dma(void* argument) {
  const auto& request = *static_cast<const vfio_iommu_type1_dma_map*>(argument);
  constexpr std::uint32_t kKnown = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
  if (request.argsz < sizeof(request) || (request.flags & kKnown) == 0 || (request.flags & ~kKnown) != 0 ||
      request.size == 0 || (request.size | request.iova | request.vaddr) % kPage != 0 ||
      request.iova + request.size - 1 < request.iova) {
    return -EINVAL;
  }
  const std::uint64_t last = request.iova + request.size - 1;
  const auto after = pinned_.upper_bound(last);
  if (after != pinned_.begin() && std::prev(after)->first + std::prev(after)->second.size > request.iova) {
    return -EEXIST;
  }
  if (pinned_.size() >= config_.dma_entries) {
    return -ENOSPC;
  }
  if (std::none_of(config_.ranges.begin(), config_.ranges.end(),
                   [&](const auto& range) { return request.iova >= range.first && last <= range.second; })) {
    return -EINVAL;
  }
  std::uint64_t locked = request.size;
  for (const auto& [iova, pinned] : pinned_) {
    locked += pinned.size;
  }
  if (locked > config_.memlock) {
    return -ENOMEM;
  }
  void* memory = reinterpret_cast<void*>(static_cast<std::uintptr_t>(request.vaddr));  // NOLINT
  const std::string permitted = permissions_of(request.vaddr);
  const bool writes = (request.flags & VFIO_DMA_MAP_FLAG_WRITE) != 0;
  if (permitted.empty() || (writes && permitted[1] != 'w') || kernel_.maps_dma_buf(memory)) {
    return -EFAULT;
  }
  // Of a shared mapping, a length of 0 makes a second mapping of the same pages (mremap(2)).
  void* again = ::mremap(memory, 0, request.size, MREMAP_MAYMOVE);
  if (again == MAP_FAILED) {
    return -EFAULT;
  }
  pinned_.emplace(
      request.iova,
      Pinned{.size = request.size, .flags = request.flags, .memory = OwnMapping(again, request.size)});
  return 0;
}

int FakeVfio::unmap_dma(void* argument) {
  auto& request = *static_cast<vfio_iommu_type1_dma_unmap*>(argument);
  if (request.argsz < sizeof(request) || request.flags != 0 || request.size == 0 ||
      (request.size | request.iova) % kPage != 0) {
    return -EINVAL;
  }
  // Type 1v2 does not part a mapping.
  std::uint64_t unmapped = 0;
  for (auto each = pinned_.lower_bound(request.iova); each != pinned_.end();) {
    if (each->first + each->second.size > request.iova + request.size) {
      return each->first < request.iova + request.size ? -EINVAL : (request.size = unmapped, 0);
    }
    unmapped += each->second.size;
    each = pinned_.erase(each);
  }
  request.size = unmapped;
  return 0;
}

std::span<std::byte> FakeVfio::reach(std::uint64_t iova, std::size_t size, std::uint32_t flag) {
  std::uint16_t command = 0;
  if (!config_space_.bytes().empty()) {
    std::memcpy(&command, config_space_.bytes().data() + PCI_COMMAND, sizeof(command));
  }
  const auto after = pinned_.upper_bound(iova);
  if ((command & PCI_COMMAND_MASTER) == 0 || after == pinned_.begin()) {
    return {};
  }
  const auto& [start, pinned] = *std::prev(after);
  if (size > pinned.size || iova - start > pinned.size - size || (pinned.flags & flag) == 0) {
    return {};
  }
  return pinned.memory.bytes().subspan(iova - start, size);
}

bool FakeVfio::dma_read(std::uint64_t iova, std::span<std::byte> out) {
  const std::lock_guard lock(mutex_);
  const auto memory = reach(iova, out.size(), VFIO_DMA_MAP_FLAG_READ);
  std::ranges::copy(memory, out.begin());
  return !memory.empty();
}

bool FakeVfio::dma_write(std::uint64_t iova, std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  const auto memory = reach(iova, bytes.size(), VFIO_DMA_MAP_FLAG_WRITE);
  if (!memory.empty()) {
    std::ranges::copy(bytes, memory.begin());
  }
  return !memory.empty();
}

}  // namespace causeway::test
