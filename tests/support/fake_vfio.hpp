// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_kernel.hpp"
#include "support/fake_memory.hpp"

namespace causeway::test {

/// What kind of card, and what kind of machine around it. The defaults are a card of the kind of QEMU's edu
/// that is bound to vfio-pci behind an IOMMU of Intel's, on Linux 6.12.
struct FakeVfioConfig {
  std::string address = "0000:00:04.0";
  std::string driver = "vfio-pci";  ///< empty: bound to none
  std::string group = "12";         ///< of the IOMMU; empty: there is no IOMMU
  /// Other functions of the group, with their drivers. One with a driver but vfio-pci makes it not viable.
  std::vector<std::pair<std::string, std::string>> companions{};
  bool modules = true;           ///< false: /dev/vfio has nothing in it
  bool noiommu = false;          ///< vfio's enable_unsafe_noiommu_mode
  int group_open_errno = 0;      ///< EACCES: not for this user
  int container_open_errno = 0;  ///< of /dev/vfio/vfio
  bool type1 = true;             ///< vfio_iommu_type1 is there
  int set_iommu_errno = 0;       ///< EPERM: no interrupt remapping
  bool coherent = false;         ///< VFIO_DMA_CC_IOMMU
  std::uint64_t page_sizes = 0x40201000;
  bool tells_ranges = true;  ///< false: as before Linux 5.4
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges{{0, 0xfedfffff}, {0xfef00000, 0x7fffffffff}};
  std::uint64_t memlock = ~std::uint64_t{0};  ///< RLIMIT_MEMLOCK in bytes
  std::uint32_t dma_entries = 65535;          ///< dma_entry_limit
  bool can_reset = true;
  std::uint32_t msi = 1;        ///< vectors
  std::uint32_t msix = 0;       ///< vectors
  bool bar_is_mappable = true;  ///< false: by read(2) and write(2) alone
  bool bar_has_parts = false;   ///< mappable in parts (VFIO_REGION_INFO_CAP_SPARSE_MMAP)
};

/// A card bound to vfio-pci, as Linux's VFIO shows it: sysfs, container, group and device in a FakeKernel. It
/// refuses what the real one refuses, in the same order. Its BAR 0 of 1 MiB and its BAR 2 of a page are
/// memory; what the card does with it is the test's part, as is the DMA, which its IOMMU checks.
///
/// The kernel that it is in must outlive it. Threads: thread-safe.
class FakeVfio {
public:
  explicit FakeVfio(FakeKernel& kernel, FakeVfioConfig config = {});
  FakeVfio(const FakeVfio&) = delete;
  FakeVfio& operator=(const FakeVfio&) = delete;
  ~FakeVfio();

  // ---- The card's side; false and 0 where it is not open

  /// DMA. False if the IOMMU blocks it: not mapped, or not so; or if bus mastering is off.
  [[nodiscard]] bool dma_read(std::uint64_t iova, std::span<std::byte> out);
  [[nodiscard]] bool dma_write(std::uint64_t iova, std::span<const std::byte> bytes);
  /// Signals interrupt n (MSI-X or MSI).
  bool raise(std::uint32_t n = 0);
  [[nodiscard]] std::uint32_t read_register(std::uint64_t offset);
  void write_register(std::uint64_t offset, std::uint32_t value);

  // ---- Books

  struct Dma {
    std::uint64_t iova;
    std::uint64_t size;
    std::uint32_t flags;  ///< VFIO_DMA_MAP_FLAG_
  };
  [[nodiscard]] std::vector<Dma> mapped();
  [[nodiscard]] std::size_t resets();
  [[nodiscard]] bool masters();
  void configure(FakeVfioConfig config);

  static constexpr std::uint64_t kBarSize = 1ULL << 20U;

private:
  struct Pinned {
    std::uint64_t size;
    std::uint32_t flags;
    OwnMapping memory;  // outlives the munmap of what was pinned
  };
  void publish();
  int container_ioctl(int fd, unsigned long request, void* argument);
  int group_ioctl(int fd, unsigned long request, void* argument);
  int device_ioctl(unsigned long request, void* argument);
  int get_iommu_info(void* argument) const;
  int map_dma(void* argument);
  int unmap_dma(void* argument);
  int region_info(void* argument) const;
  int set_irqs(void* argument);
  int open_device();
  [[nodiscard]] bool is_open() const;
  [[nodiscard]] bool viable() const;
  [[nodiscard]] std::span<std::byte> reach(std::uint64_t iova, std::size_t size, std::uint32_t flag);

  FakeKernel& kernel_;
  std::mutex mutex_;
  FakeVfioConfig config_;
  std::vector<std::string> paths_;
  int group_fd_ = -1;  // and which file it was, to tell whether it is still open
  std::uint64_t group_file_ = 0;
  bool in_container_ = false;
  bool has_iommu_ = false;
  std::map<std::uint64_t, Pinned> pinned_;
  std::vector<int> events_;
  OwnMapping bar_;
  OwnMapping config_space_;
  std::size_t resets_ = 0;
};

}  // namespace causeway::test
