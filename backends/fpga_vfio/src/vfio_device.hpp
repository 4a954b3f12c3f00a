// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fd.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "iova_space.hpp"
#include "pci_function.hpp"

namespace causeway::fpga_vfio_backend {

/// A part of a device that VFIO shows: a BAR, or the configuration space.
struct Region {
  std::uint64_t size = 0;    ///< bytes; 0: there is none
  std::uint64_t offset = 0;  ///< in the device's descriptor
  bool mappable = false;     ///< by mmap(2), as a whole
};

/// Which interrupts a device has, the better kind of those that it offers.
struct InterruptKind {
  std::uint32_t index = 0;  ///< VFIO_PCI_MSIX_IRQ_INDEX or VFIO_PCI_MSI_IRQ_INDEX
  std::uint32_t count = 0;
};

/// One PCI function opened through its group and a container of type 1 (Documentation/driver-api/vfio.rst),
/// alone in both. The kernel ends DMA and interrupts, and lets go of all mappings, when the descriptors
/// close, however the process ends. Threads: thread-safe, as the kernel's ioctls are.
class VfioDevice {
public:
  /// Errors: as fpga_vfio::open() of the public header.
  static Result<VfioDevice> open(plugin::Host host, const PciFunction& function);

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] const std::string& group() const { return group_; }
  [[nodiscard]] int fd() const { return device_.get(); }
  [[nodiscard]] bool can_reset() const { return can_reset_; }
  /// Whether the IOMMU makes the card's DMA snoop the CPU's caches.
  [[nodiscard]] bool enforces_coherence() const { return coherent_; }

  struct Dma {
    std::uint64_t page = 4096;  ///< of the IOMMU: addresses and sizes are multiples
    std::vector<IovaRange> ranges;
  };
  /// What may be mapped. Errors: Unsupported.
  [[nodiscard]] Result<Dma> dma() const;
  /// Pins the pages and maps them for the card. All are whole pages.
  /// Errors: OutOfMemory (RLIMIT_MEMLOCK), Unsupported (pages that cannot be pinned), and others.
  [[nodiscard]] Status map(const void* memory, std::uint64_t bytes, std::uint64_t iova, bool card_reads,
                           bool card_writes) const;
  [[nodiscard]] Status unmap(std::uint64_t iova, std::uint64_t bytes) const;

  [[nodiscard]] Result<Region> region(std::uint32_t index) const;
  [[nodiscard]] Result<InterruptKind> interrupts() const;
  /// An eventfd for each interrupt from the first on.
  [[nodiscard]] Status set_interrupts(std::uint32_t index, std::span<const int> eventfds) const;

  /// Whether the card may reach memory: bus mastering of its configuration space.
  [[nodiscard]] Status set_mastering(bool on) const;
  /// Resets the function. Errors: Unsupported (it has no reset that VFIO can use), Io.
  [[nodiscard]] Status reset() const;

private:
  VfioDevice(plugin::Host host, std::string address) : host_(host), address_(std::move(address)) {}

  // vfio_open.cpp
  Status enter_group(const PciFunction& function);
  Status check_viable();
  Status enter_container();
  Status take_device();

  [[nodiscard]] int call(int fd, unsigned long request, void* argument) const {
    return host_.ioctl(fd, request, argument);
  }

  plugin::Host host_;
  std::string address_;
  std::string group_;
  bool can_reset_ = false;
  bool coherent_ = false;
  // Closed in the order of what stands on what: device, group, container.
  UniqueFd container_;
  UniqueFd group_fd_;
  UniqueFd device_;
};

}  // namespace causeway::fpga_vfio_backend
