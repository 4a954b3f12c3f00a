// SPDX-License-Identifier: Apache-2.0
#include "vfio_device.hpp"

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <thread>
#include <utility>

namespace causeway::fpga_vfio_backend {
namespace {

// Kernels before 5.4 do not tell; these are x86's interrupts, which look like memory to the IOMMU.
const std::vector<IovaRange> kUntold = {{0, 0xfedfffff}, {0xfef00000, ~std::uint64_t{0}}};

// VFIO answers EAGAIN while somebody holds the device's lock, the PCI core for one.
constexpr int kResetTries = 50;
constexpr auto kResetPause = std::chrono::milliseconds(20);

std::string memlock_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return "unlimited";
  }
  return plugin::words(limit.rlim_cur, " bytes");
}

/// The chain of capabilities behind an info struct: each begins with an id and the offset of the next one.
template <class Capability>
const Capability* find_capability(std::span<const std::byte> info, std::uint32_t first, std::uint16_t id) {
  std::size_t at = first;
  while (at != 0 && at + sizeof(Capability) <= info.size()) {
    vfio_info_cap_header header{};
    std::memcpy(&header, info.data() + at, sizeof(header));
    if (header.id == id) {
      return reinterpret_cast<const Capability*>(info.data() + at);
    }
    if (header.next <= at) {
      break;  // a chain that does not go on, or goes back
    }
    at = header.next;
  }
  return nullptr;
}

}  // namespace

Result<VfioDevice::Dma> VfioDevice::dma() const {
  vfio_iommu_type1_info asked{};
  asked.argsz = sizeof(asked);
  const auto failed = [&](int result) {
    return Error(errc_from_errno(-result), "VFIO_IOMMU_GET_INFO",
                 plugin::words("the kernel does not tell which addresses ", address_, " may be given"),
                 -result);
  };
  if (const int result = call(container_.get(), VFIO_IOMMU_GET_INFO, &asked); result < 0) {
    return failed(result);
  }
  // The first answer says how much there is to tell.
  std::vector<std::byte> told(std::max<std::size_t>(asked.argsz, sizeof(asked)));
  auto* info = reinterpret_cast<vfio_iommu_type1_info*>(told.data());
  info->argsz = static_cast<std::uint32_t>(told.size());
  if (const int result = call(container_.get(), VFIO_IOMMU_GET_INFO, told.data()); result < 0) {
    return failed(result);
  }
  Dma dma;
  const auto cpu_page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t smallest = (info->flags & VFIO_IOMMU_INFO_PGSIZES) != 0
                                     ? info->iova_pgsizes & (~info->iova_pgsizes + 1)
                                     : cpu_page;
  dma.page = std::max(cpu_page, smallest);
  if ((info->flags & VFIO_IOMMU_INFO_CAPS) != 0) {
    using Ranges = vfio_iommu_type1_info_cap_iova_range;
    const auto* found = find_capability<Ranges>(told, info->cap_offset, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
    if (found != nullptr) {
      const auto* entries = reinterpret_cast<const std::byte*>(found) + offsetof(Ranges, iova_ranges);
      const auto room =
          static_cast<std::size_t>(told.data() + told.size() - entries) / sizeof(vfio_iova_range);
      for (std::size_t i = 0; i < std::min<std::size_t>(found->nr_iovas, room); ++i) {
        vfio_iova_range range{};
        std::memcpy(&range, entries + i * sizeof(range), sizeof(range));
        dma.ranges.push_back({.first = range.start, .last = range.end});
      }
    }
  }
  if (dma.ranges.empty()) {
    dma.ranges = kUntold;
  }
  return dma;
}

Status VfioDevice::map(const void* memory, std::uint64_t bytes, std::uint64_t iova, bool card_reads,
                       bool card_writes) const {
  vfio_iommu_type1_dma_map request{};
  request.argsz = sizeof(request);
  request.flags = (card_reads ? VFIO_DMA_MAP_FLAG_READ : 0U) | (card_writes ? VFIO_DMA_MAP_FLAG_WRITE : 0U);
  request.vaddr = reinterpret_cast<std::uintptr_t>(memory);
  request.iova = iova;
  request.size = bytes;
  const int result = call(container_.get(), VFIO_IOMMU_MAP_DMA, &request);
  switch (result) {
    case 0: return {};
    case -ENOMEM:
      return Error(
          Errc::OutOfMemory, "VFIO_IOMMU_MAP_DMA",
          plugin::words(
              bytes, " bytes were to be pinned for ", address_, ", and this process may lock ",
              memlock_limit(),
              " of memory in all (RLIMIT_MEMLOCK); raise that: ulimit -l unlimited in a shell of root's, "
              "LimitMEMLOCK=infinity in a systemd unit, or memlock in /etc/security/limits.conf"),
          ENOMEM);
    case -EFAULT:
      return Error(
          Errc::Unsupported, "VFIO_IOMMU_MAP_DMA",
          plugin::words(
              "the kernel cannot pin these pages for ", address_,
              ": a dma-buf's own mapping cannot be pinned, the memfd beneath it can (exporters udmabuf "
              "and memfd)"),
          EFAULT);
    case -ENOSPC:
      return Error(
          Errc::OutOfMemory, "VFIO_IOMMU_MAP_DMA",
          plugin::words("the container of ", address_,
                        " has as many mappings as it may have; raise the parameter dma_entry_limit of "
                        "vfio_iommu_type1, or map fewer and larger buffers"),
          ENOSPC);
    default:
      return Error(
          errc_from_errno(-result), "VFIO_IOMMU_MAP_DMA",
          plugin::words(bytes, " bytes could not be mapped for ", address_, " at ", plugin::hex(iova)),
          -result);
  }
}

Status VfioDevice::unmap(std::uint64_t iova, std::uint64_t bytes) const {
  vfio_iommu_type1_dma_unmap request{};
  request.argsz = sizeof(request);
  request.iova = iova;
  request.size = bytes;
  const int result = call(container_.get(), VFIO_IOMMU_UNMAP_DMA, &request);
  if (result < 0 || request.size != bytes) {
    return Error(result < 0 ? errc_from_errno(-result) : Errc::Internal, "VFIO_IOMMU_UNMAP_DMA",
                 plugin::words(bytes, " bytes at ", plugin::hex(iova), " were to be unmapped from ", address_,
                               ", and ", result < 0 ? 0 : request.size, " were"),
                 result < 0 ? -result : 0);
  }
  return {};
}

Result<Region> VfioDevice::region(std::uint32_t index) const {
  vfio_region_info info{};
  info.argsz = sizeof(info);
  info.index = index;
  if (const int result = call(device_.get(), VFIO_DEVICE_GET_REGION_INFO, &info); result < 0) {
    return Error(errc_from_errno(-result), "VFIO_DEVICE_GET_REGION_INFO",
                 plugin::words("the kernel does not describe region ", index, " of ", address_), -result);
  }
  // A mappable region with capabilities may be so in parts only (VFIO_REGION_INFO_CAP_SPARSE_MMAP): read(2)
  // and write(2) reach all of it.
  std::vector<std::byte> told(std::max<std::size_t>(info.argsz, sizeof(info)));
  bool in_parts = false;
  if ((info.flags & VFIO_REGION_INFO_FLAG_CAPS) != 0) {
    std::memcpy(told.data(), &info, sizeof(info));
    if (call(device_.get(), VFIO_DEVICE_GET_REGION_INFO, told.data()) == 0) {
      std::memcpy(&info, told.data(), sizeof(info));
    }
    in_parts = find_capability<vfio_region_info_cap_sparse_mmap>(told, info.cap_offset,
                                                                 VFIO_REGION_INFO_CAP_SPARSE_MMAP) != nullptr;
  }
  return Region{.size = info.size,
                .offset = info.offset,
                .mappable = (info.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0 && !in_parts};
}

Result<InterruptKind> VfioDevice::interrupts() const {
  for (const std::uint32_t index : {VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX}) {
    vfio_irq_info info{.argsz = sizeof(vfio_irq_info), .flags = 0, .index = index, .count = 0};
    if (const int result = call(device_.get(), VFIO_DEVICE_GET_IRQ_INFO, &info); result < 0) {
      return Error(errc_from_errno(-result), "VFIO_DEVICE_GET_IRQ_INFO",
                   plugin::words("the kernel does not tell the interrupts of ", address_), -result);
    }
    if (info.count > 0 && (info.flags & VFIO_IRQ_INFO_EVENTFD) != 0) {
      return InterruptKind{.index = index, .count = info.count};
    }
  }
  return InterruptKind{};
}

Status VfioDevice::set_interrupts(std::uint32_t index, std::span<const int> eventfds) const {
  std::vector<std::byte> request(sizeof(vfio_irq_set) + eventfds.size_bytes());
  const vfio_irq_set head{.argsz = static_cast<std::uint32_t>(request.size()),
                          .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                          .index = index,
                          .start = 0,
                          .count = static_cast<std::uint32_t>(eventfds.size())};
  std::memcpy(request.data(), &head, sizeof(head));
  std::memcpy(request.data() + sizeof(head), eventfds.data(), eventfds.size_bytes());
  if (const int result = call(device_.get(), VFIO_DEVICE_SET_IRQS, request.data()); result < 0) {
    return Error(errc_from_errno(-result), "VFIO_DEVICE_SET_IRQS",
                 plugin::words(eventfds.size(), " interrupts of ", address_, " could not be led to eventfds"),
                 -result);
  }
  return {};
}

Status VfioDevice::set_mastering(bool on) const {
  const auto config = region(VFIO_PCI_CONFIG_REGION_INDEX);
  if (!config) {
    return config.error();
  }
  const auto at = static_cast<off_t>(config->offset + PCI_COMMAND);
  std::uint16_t command = 0;
  bool done = ::pread(device_.get(), &command, sizeof(command), at) == sizeof(command);
  if (done) {
    command = static_cast<std::uint16_t>(on ? command | PCI_COMMAND_MASTER : command & ~PCI_COMMAND_MASTER);
    done = ::pwrite(device_.get(), &command, sizeof(command), at) == sizeof(command);
  }
  if (!done) {
    return Error(Errc::Io, "PCI_COMMAND",
                 plugin::words("bus mastering of ", address_, " could not be turned ", on ? "on" : "off",
                               " in its configuration space"),
                 errno);
  }
  return {};
}

Status VfioDevice::reset() const {
  if (!can_reset_) {
    return Error(Errc::Unsupported, "VFIO_DEVICE_RESET",
                 plugin::words(address_, " has no reset that the kernel knows (/sys/bus/pci/devices/",
                               address_, "/reset_method is empty)"));
  }
  int result = 0;
  for (int i = 0; i < kResetTries; ++i) {
    result = host_.ioctl_once(device_.get(), VFIO_DEVICE_RESET, nullptr);
    if (result != -EAGAIN && result != -EINTR) {
      break;
    }
    std::this_thread::sleep_for(kResetPause);
  }
  if (result < 0) {
    return Error(Errc::Io, "VFIO_DEVICE_RESET", plugin::words(address_, " could not be reset"), -result);
  }
  return {};
}

}  // namespace causeway::fpga_vfio_backend
