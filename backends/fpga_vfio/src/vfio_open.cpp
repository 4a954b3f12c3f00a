// SPDX-License-Identifier: Apache-2.0
//
// From an address to an opened device, and for each step that fails the command that would mend it.
#include <fcntl.h>
#include <linux/vfio.h>

#include <algorithm>
#include <causeway/plugin/text.hpp>
#include <cerrno>
#include <utility>

#include "vfio_device.hpp"

namespace causeway::fpga_vfio_backend {
namespace {

constexpr const char* kContainer = "/dev/vfio/vfio";

Result<UniqueFd> open_node(plugin::Host host, const std::string& path) {
  const auto& calls = host.syscalls();
  const int fd = calls.open(calls.context, path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd >= 0) {
    return UniqueFd(fd);
  }
  const int failure = errno;
  return Error(errc_from_errno(failure), "open", plugin::words(path, " could not be opened"), failure);
}

Error wrong_driver(const PciFunction& function) {
  const bool elsewhere = !function.driver.empty();
  return Error(
      elsewhere ? Errc::Busy : Errc::WrongState, "open",
      plugin::words(function.address, elsewhere ? " is bound to the driver " : " is bound to no driver",
                    function.driver,
                    ", and vfio-pci must have it; as root: ", how_to_bind(function.address, elsewhere)));
}

Error no_iommu(const std::string& address, bool in_use) {
  return Error(Errc::Unsupported, "open",
               plugin::words(
                   address,
                   in_use ? " is in no IOMMU group, so nothing would keep it from memory that is not its own"
                          : " cannot be used, since this kernel uses no IOMMU",
                   "; enable VT-d or AMD-Vi in the firmware, and boot with intel_iommu=on or amd_iommu=on on "
                   "the kernel's command line (dmesg | grep -e DMAR -e AMD-Vi tells)"));
}

// The open of a group's node or of the container's failed.
Error cannot_open(const std::string& node, const std::string& address, const Error& failure) {
  const int code = failure.system_errno();
  if (code == EACCES || code == EPERM) {
    return Error(Errc::Permission, "open",
                 plugin::words("this user may not open ", node, ", which ", address,
                               " needs; as root: chown $USER ", node,
                               ", or for good a udev rule: SUBSYSTEM==\"vfio\", "
                               "OWNER=\"…\""),
                 code);
  }
  if (code == EBUSY) {
    return Error(Errc::Busy, "open",
                 plugin::words(node, " is open already, here or in another process, and ", address,
                               " can have one owner; fuser -v ", node, " tells which process that is"),
                 code);
  }
  if (code == ENOENT || code == ENODEV || code == ENXIO) {
    return Error(Errc::Unsupported, "open",
                 plugin::words(node, " is not there, and ", address,
                               " is reached through it; load VFIO: modprobe vfio_iommu_type1 vfio-pci"),
                 code);
  }
  return failure;
}

}  // namespace

Result<VfioDevice> VfioDevice::open(plugin::Host host, const PciFunction& function) {
  VfioDevice made(host, function.address);
  auto done = made.enter_group(function);
  for (auto step : {&VfioDevice::check_viable, &VfioDevice::enter_container, &VfioDevice::take_device}) {
    if (done) {
      done = (made.*step)();
    }
  }
  if (!done) {
    return std::move(done.error());
  }
  return made;
}

Status VfioDevice::enter_group(const PciFunction& function) {
  if (function.driver != "vfio-pci") {
    return wrong_driver(function);
  }
  const auto group = group_of(host_, address_);
  if (!group) {
    return no_iommu(address_, has_iommu(host_));
  }
  group_ = *group;
  const auto nodes = list(host_, "/dev/vfio");
  if (std::find(nodes.begin(), nodes.end(), "noiommu-" + group_) != nodes.end()) {
    return no_iommu(address_, false);  // vfio's enable_unsafe_noiommu_mode: DMA to anywhere
  }
  auto container = open_node(host_, kContainer);
  if (!container) {
    return cannot_open(kContainer, address_, container.error());
  }
  container_ = std::move(*container);
  const std::string node = "/dev/vfio/" + group_;
  auto opened = open_node(host_, node);
  if (!opened) {
    return cannot_open(node, address_, opened.error());
  }
  group_fd_ = std::move(*opened);
  return {};
}

Status VfioDevice::check_viable() {
  vfio_group_status status{.argsz = sizeof(vfio_group_status), .flags = 0};
  if (const int result = call(group_fd_.get(), VFIO_GROUP_GET_STATUS, &status); result < 0) {
    return Error(errc_from_errno(-result), "VFIO_GROUP_GET_STATUS",
                 plugin::words("the kernel does not tell the state of group ", group_), -result);
  }
  if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) != 0) {
    return {};
  }
  std::string others;
  std::string first;
  for (const auto& member : members_of(host_, group_)) {
    const auto function = look_up(host_, member);
    if (member == address_ || !function || function->driver.empty() || function->driver == "vfio-pci") {
      continue;
    }
    others += plugin::words(others.empty() ? "" : ", ", member, " (", function->driver, ")");
    first = first.empty() ? member : first;
  }
  return Error(Errc::Unsupported, "VFIO_GROUP_GET_STATUS",
               plugin::words("group ", group_, " of ", address_,
                             " is not viable: the IOMMU cannot keep its functions apart, and "
                             "drivers hold others of it: ",
                             others.empty() ? "unknown ones" : others, "; unbind each, as root: echo ",
                             first.empty() ? "ADDRESS" : first, " > /sys/bus/pci/devices/",
                             first.empty() ? "ADDRESS" : first, "/driver/unbind"));
}

Status VfioDevice::enter_container() {
  const int container = container_.get();
  if (const int version = call(container, VFIO_GET_API_VERSION, nullptr); version != VFIO_API_VERSION) {
    return Error(Errc::Incompatible, "VFIO_GET_API_VERSION",
                 plugin::words("the kernel's VFIO has version ", version, ", and version ", VFIO_API_VERSION,
                               " is what this backend speaks"));
  }
  const auto has = [&](std::uintptr_t extension) {
    // The argument of this ioctl is a number, not an address.
    return call(container, VFIO_CHECK_EXTENSION, reinterpret_cast<void*>(extension)) > 0;  // NOLINT
  };
  std::uintptr_t type = VFIO_TYPE1v2_IOMMU;
  if (!has(type)) {
    type = VFIO_TYPE1_IOMMU;
  }
  if (!has(type)) {
    return Error(
        Errc::Unsupported, "VFIO_CHECK_EXTENSION",
        "the kernel offers VFIO without an IOMMU driver of type 1; as root: modprobe vfio_iommu_type1");
  }
  int number = container;
  if (const int result = call(group_fd_.get(), VFIO_GROUP_SET_CONTAINER, &number); result < 0) {
    return Error(errc_from_errno(-result), "VFIO_GROUP_SET_CONTAINER",
                 plugin::words("group ", group_, " could not be put into a container"), -result);
  }
  if (const int result = call(container, VFIO_SET_IOMMU, reinterpret_cast<void*>(type));
      result < 0) {  // NOLINT
    if (result == -EPERM) {
      return Error(
          Errc::Permission, "VFIO_SET_IOMMU",
          plugin::words(
              "the kernel does not give group ", group_,
              " away, since its interrupts cannot be kept apart (no interrupt remapping); enable that in the "
              "firmware, or where every card is trusted, as root: "
              "echo 1 > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"),
          -result);
    }
    return Error(errc_from_errno(-result), "VFIO_SET_IOMMU",
                 plugin::words("the IOMMU could not be set up for group ", group_), -result);
  }
  coherent_ = has(VFIO_DMA_CC_IOMMU);
  return {};
}

Status VfioDevice::take_device() {
  std::string name = address_;
  const int fd = call(group_fd_.get(), VFIO_GROUP_GET_DEVICE_FD, name.data());
  if (fd < 0) {
    return Error(errc_from_errno(-fd), "VFIO_GROUP_GET_DEVICE_FD",
                 plugin::words("group ", group_, " does not give ", address_, " out"), -fd);
  }
  device_ = UniqueFd(fd);
  vfio_device_info info{};
  info.argsz = sizeof(info);
  if (const int result = call(device_.get(), VFIO_DEVICE_GET_INFO, &info); result < 0) {
    return Error(errc_from_errno(-result), "VFIO_DEVICE_GET_INFO",
                 plugin::words("the kernel does not tell what ", address_, " has"), -result);
  }
  can_reset_ = (info.flags & VFIO_DEVICE_FLAGS_RESET) != 0;
  return {};
}

}  // namespace causeway::fpga_vfio_backend
