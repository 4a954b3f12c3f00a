// SPDX-License-Identifier: Apache-2.0
#include "pci_function.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <causeway/fd.hpp>
#include <causeway/plugin/text.hpp>
#include <cctype>
#include <cstdlib>

namespace causeway::fpga_vfio_backend {
namespace {

constexpr const char* kDevices = "/sys/bus/pci/devices/";
constexpr const char* kBound = "/sys/bus/pci/drivers/vfio-pci";
constexpr const char* kGroups = "/sys/kernel/iommu_groups";

/// A small file of sysfs; empty if it cannot be read.
std::string read_text(plugin::Host host, const std::string& path) {
  const auto& calls = host.syscalls();
  const UniqueFd file(calls.open(calls.context, path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> text{};
  const ssize_t size = file.valid() ? ::read(file.get(), text.data(), text.size()) : -1;
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

/// The value of KEY=value in a uevent file; empty if it has no such line.
std::string value_of(const std::string& uevent, std::string_view key) {
  std::size_t at = 0;
  while (at < uevent.size()) {
    const std::size_t end = std::min(uevent.find('\n', at), uevent.size());
    const auto line = std::string_view(uevent).substr(at, end - at);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == '=') {
      return std::string(line.substr(key.size() + 1));
    }
    at = end + 1;
  }
  return {};
}

std::uint32_t number_of(const std::string& digits) {
  return static_cast<std::uint32_t>(std::strtoul(digits.c_str(), nullptr, 16));
}

}  // namespace

bool is_pci_address(std::string_view text) {
  constexpr std::string_view kForm = "xxxx:xx:xx.x";
  if (text.size() != kForm.size()) {
    return false;
  }
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
    if (kForm[i] == 'x' ? !digit : text[i] != kForm[i]) {
      return false;
    }
  }
  return true;
}

std::vector<std::string> list(plugin::Host host, const std::string& path) {
  std::vector<std::string> names;
  const auto& calls = host.syscalls();
  const auto visit = [](void* user, const char* name) {
    static_cast<std::vector<std::string>*>(user)->emplace_back(name);
  };
  if (calls.list_directory(calls.context, path.c_str(), visit, &names) < 0) {
    names.clear();
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<PciFunction> look_up(plugin::Host host, const std::string& address) {
  const std::string uevent = read_text(host, kDevices + address + "/uevent");
  if (uevent.empty()) {
    return std::nullopt;
  }
  PciFunction found{.address = address, .driver = value_of(uevent, "DRIVER")};
  const std::string id = value_of(uevent, "PCI_ID");  // "1234:11E8"
  if (const auto colon = id.find(':'); colon != std::string::npos) {
    found.vendor = number_of(id.substr(0, colon));
    found.device = number_of(id.substr(colon + 1));
  }
  return found;
}

std::vector<std::string> bound_to_vfio(plugin::Host host) {
  auto names = list(host, kBound);
  std::erase_if(names, [](const std::string& name) { return !is_pci_address(name); });
  return names;
}

std::optional<std::string> group_of(plugin::Host host, const std::string& address) {
  for (const auto& group : list(host, kGroups)) {
    const auto members = members_of(host, group);
    if (std::find(members.begin(), members.end(), address) != members.end()) {
      return group;
    }
  }
  return std::nullopt;
}

bool has_iommu(plugin::Host host) {
  return !list(host, kGroups).empty();
}

std::vector<std::string> members_of(plugin::Host host, const std::string& group) {
  return list(host, std::string(kGroups) + "/" + group + "/devices");
}

std::string how_to_bind(const std::string& address, bool bound_elsewhere) {
  const std::string function = kDevices + address;
  return plugin::words(
      "modprobe vfio-pci; echo vfio-pci > ", function, "/driver_override; ",
      bound_elsewhere ? plugin::words("echo ", address, " > ", function, "/driver/unbind; ") : std::string(),
      "echo ", address, " > /sys/bus/pci/drivers_probe");
}

}  // namespace causeway::fpga_vfio_backend
