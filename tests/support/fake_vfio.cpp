// SPDX-License-Identifier: Apache-2.0
#include "support/fake_vfio.hpp"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace causeway::test {

namespace {

constexpr unsigned kRegionShift = 40;  // VFIO_PCI_OFFSET_SHIFT
constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kSmallBar = 2;

std::uint64_t offset_of(std::uint32_t region) {
  return std::uint64_t{region} << kRegionShift;
}

std::uint64_t file_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

OwnMapping map_own(int fd, std::uint64_t offset, std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset));
  return memory == MAP_FAILED ? OwnMapping() : OwnMapping(memory, size);
}

}  // namespace

FakeVfio::FakeVfio(FakeKernel& kernel, FakeVfioConfig config) : kernel_(kernel), config_(std::move(config)) {
  publish();
}

FakeVfio::~FakeVfio() {
  for (const auto& path : paths_) {
    kernel_.remove_device(path);
  }
}

void FakeVfio::configure(FakeVfioConfig config) {
  for (const auto& path : paths_) {
    kernel_.remove_device(path);
  }
  {
    const std::lock_guard lock(mutex_);
    paths_.clear();
    config_ = std::move(config);
  }
  publish();
}

void FakeVfio::publish() {
  const auto add = [&](const std::string& path, FakeDevice device) {
    paths_.push_back(path);
    kernel_.add_device(path, std::move(device));
  };
  const auto function = [&](const std::string& address, const std::string& driver) {
    std::string uevent = driver.empty() ? "" : "DRIVER=" + driver + "\n";
    uevent += "PCI_CLASS=FF00\nPCI_ID=1234:11E8\nPCI_SLOT_NAME=" + address + "\n";
    add("/sys/bus/pci/devices/" + address + "/uevent", {.content = uevent});
    if (!driver.empty()) {
      add("/sys/bus/pci/drivers/" + driver + "/" + address, {});
    }
    if (!config_.group.empty()) {
      add("/sys/kernel/iommu_groups/" + config_.group + "/devices/" + address, {});
    }
  };
  add("/sys/bus/pci/drivers/vfio-pci/bind", {});
  function(config_.address, config_.driver);
  for (const auto& [address, driver] : config_.companions) {
    function(address, driver);
  }
  if (!config_.modules) {
    return;
  }
  add("/dev/vfio/vfio", {.ioctl = [this](int fd, unsigned long request,
                                         void* argument) { return container_ioctl(fd, request, argument); },
                         .open = [this] { return -config_.container_open_errno; }});
  add("/dev/vfio/" + std::string(config_.noiommu ? "noiommu-" : "") + config_.group,
      {.ioctl = [this](int fd, unsigned long request,
                       void* argument) { return group_ioctl(fd, request, argument); },
       .open =
           [this] {
             const std::lock_guard lock(mutex_);
             return config_.group_open_errno != 0 ? -config_.group_open_errno : is_open() ? -EBUSY : 0;
           }});
}

bool FakeVfio::is_open() const {
  return group_fd_ >= 0 && file_of(group_fd_) == group_file_;
}

bool FakeVfio::viable() const {
  return std::all_of(config_.companions.begin(), config_.companions.end(), [](const auto& companion) {
    return companion.second.empty() || companion.second == "vfio-pci";
  });
}

int FakeVfio::group_ioctl(int fd, unsigned long request, void* argument) {
  const std::lock_guard lock(mutex_);
  if (group_fd_ != fd || group_file_ != file_of(fd)) {
    // A new open: what the last one had is gone, as when its descriptors are closed.
    group_fd_ = fd;
    group_file_ = file_of(fd);
    in_container_ = has_iommu_ = false;
    pinned_.clear();
    events_.clear();
    bar_ = OwnMapping();
    config_space_ = OwnMapping();
  }
  switch (request) {
    case VFIO_GROUP_GET_STATUS: {
      auto& status = *static_cast<vfio_group_status*>(argument);
      if (status.argsz < sizeof(status)) {
        return -EINVAL;
      }
      status.flags =
          (viable() ? VFIO_GROUP_FLAGS_VIABLE : 0U) | (in_container_ ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0U);
      return 0;
    }
    case VFIO_GROUP_SET_CONTAINER:
      if (in_container_ || file_of(*static_cast<int*>(argument)) == 0) {
        return -EINVAL;
      }
      in_container_ = true;
      return 0;
    case VFIO_GROUP_GET_DEVICE_FD:
      if (!has_iommu_) {
        return -EINVAL;
      }
      if (!viable()) {
        return -EPERM;
      }
      return static_cast<const char*>(argument) == config_.address ? open_device() : -ENODEV;
    default: return -ENOTTY;
  }
}

int FakeVfio::open_device() {
  const int fd = kernel_.open_device("the VFIO device " + config_.address,
                                     {.ioctl =
                                          [this](int /*fd*/, unsigned long request, void* argument) {
                                            const std::lock_guard lock(mutex_);
                                            return device_ioctl(request, argument);
                                          },
                                      .size = offset_of(VFIO_PCI_NUM_REGIONS)});
  if (fd >= 0) {
    bar_ = map_own(fd, offset_of(0), kBarSize);
    config_space_ = map_own(fd, offset_of(VFIO_PCI_CONFIG_REGION_INDEX), kPage);
  }
  return fd;
}

int FakeVfio::device_ioctl(unsigned long request, void* argument) {
  switch (request) {
    case VFIO_DEVICE_GET_INFO: {
      auto& info = *static_cast<vfio_device_info*>(argument);
      info.flags = VFIO_DEVICE_FLAGS_PCI | (config_.can_reset ? VFIO_DEVICE_FLAGS_RESET : 0U);
      info.num_regions = VFIO_PCI_NUM_REGIONS;
      info.num_irqs = VFIO_PCI_NUM_IRQS;
      return 0;
    }
    case VFIO_DEVICE_GET_REGION_INFO: return region_info(argument);
    case VFIO_DEVICE_GET_IRQ_INFO: {
      auto& info = *static_cast<vfio_irq_info*>(argument);
      if (info.argsz < sizeof(info) || info.index >= VFIO_PCI_NUM_IRQS) {
        return -EINVAL;
      }
      info.flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
      info.count = info.index == VFIO_PCI_MSI_IRQ_INDEX    ? config_.msi
                   : info.index == VFIO_PCI_MSIX_IRQ_INDEX ? config_.msix
                                                           : 0;
      return 0;
    }
    case VFIO_DEVICE_SET_IRQS: return set_irqs(argument);
    case VFIO_DEVICE_RESET:
      if (!config_.can_reset) {
        return -EINVAL;
      }
      ++resets_;
      std::ranges::fill(bar_.bytes(), std::byte{0});
      return 0;
    default: return -ENOTTY;
  }
}

int FakeVfio::region_info(void* argument) const {
  auto& info = *static_cast<vfio_region_info*>(argument);
  const std::uint32_t room = info.argsz;
  if (room < sizeof(info) || info.index >= VFIO_PCI_NUM_REGIONS) {
    return -EINVAL;
  }
  info.argsz = sizeof(info);
  info.cap_offset = 0;
  info.offset = offset_of(info.index);
  info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
  info.size = info.index == 0                              ? kBarSize
              : info.index == kSmallBar                    ? kPage
              : info.index == VFIO_PCI_CONFIG_REGION_INDEX ? PCI_CFG_SPACE_SIZE
                                                           : 0;
  if (info.index > VFIO_PCI_BAR5_REGION_INDEX || info.size == 0) {
    return 0;
  }
  info.flags |= config_.bar_is_mappable ? VFIO_REGION_INFO_FLAG_MMAP : 0U;
  if (config_.bar_has_parts && info.index == 0) {
    info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
    info.argsz = static_cast<std::uint32_t>(sizeof(info) + sizeof(vfio_region_info_cap_sparse_mmap));
    if (room >= info.argsz) {
      info.cap_offset = sizeof(info);
      vfio_region_info_cap_sparse_mmap parts{};
      parts.header = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1, .next = 0};
      std::memcpy(static_cast<std::byte*>(argument) + sizeof(info), &parts, sizeof(parts));
    }
  }
  return 0;
}

int FakeVfio::set_irqs(void* argument) {
  const auto& request = *static_cast<const vfio_irq_set*>(argument);
  const std::uint32_t vectors = request.index == VFIO_PCI_MSI_IRQ_INDEX    ? config_.msi
                                : request.index == VFIO_PCI_MSIX_IRQ_INDEX ? config_.msix
                                                                           : 0;
  if (request.flags != (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER) || request.start != 0 ||
      request.count > vectors || request.argsz < sizeof(request) + request.count * sizeof(int)) {
    return -EINVAL;
  }
  events_.assign(request.count, -1);
  std::memcpy(events_.data(), request.data, request.count * sizeof(int));
  return std::all_of(events_.begin(), events_.end(), [](int fd) { return file_of(fd) != 0; }) ? 0 : -EBADF;
}

bool FakeVfio::raise(std::uint32_t n) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t one = 1;
  return n < events_.size() && ::write(events_[n], &one, sizeof(one)) == sizeof(one);
}

std::uint32_t FakeVfio::read_register(std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  std::uint32_t value = 0;
  if (offset + sizeof(value) <= bar_.bytes().size()) {
    std::memcpy(&value, bar_.bytes().data() + offset, sizeof(value));
  }
  return value;
}

void FakeVfio::write_register(std::uint64_t offset, std::uint32_t value) {
  const std::lock_guard lock(mutex_);
  if (offset + sizeof(value) <= bar_.bytes().size()) {
    std::memcpy(bar_.bytes().data() + offset, &value, sizeof(value));
  }
}

std::vector<FakeVfio::Dma> FakeVfio::mapped() {
  const std::lock_guard lock(mutex_);
  std::vector<Dma> found;
  if (!is_open()) {
    return found;  // gone with the container
  }
  for (const auto& [iova, pinned] : pinned_) {
    found.push_back({.iova = iova, .size = pinned.size, .flags = pinned.flags});
  }
  return found;
}

std::size_t FakeVfio::resets() {
  const std::lock_guard lock(mutex_);
  return resets_;
}

bool FakeVfio::masters() {
  const std::lock_guard lock(mutex_);
  std::uint16_t command = 0;
  if (!config_space_.bytes().empty()) {
    std::memcpy(&command, config_space_.bytes().data() + PCI_COMMAND, sizeof(command));
  }
  return (command & PCI_COMMAND_MASTER) != 0;
}

}  // namespace causeway::test
