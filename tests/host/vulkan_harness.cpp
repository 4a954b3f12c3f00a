// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_harness.hpp"

#include "host/vulkan_caller.hpp"
#include "uapi/real_syscalls.hpp"

namespace causeway::test {
namespace {

VulkanHost& self_of(void* context) {
  return static_cast<VulkanHost&>(*static_cast<TableHost*>(context));
}

cw_open_info named(const char* id) {
  auto info = plugin::sized<cw_open_info>();
  info.id = id;
  return info;
}
cw_open_info adopting(const cw_vulkan_adopt_v1& words) {
  auto info = plugin::sized<cw_open_info>();
  info.adopt_interface = CW_VULKAN_ADOPT_V1;
  info.adopt = &words;
  return info;
}

}  // namespace

VulkanHost::VulkanHost() : TableHost(uapi::real_syscalls()) {
  static_cast<void>(validation_wanted());
  table_.log = [](void* context, std::int32_t, const char* text) {
    self_of(context).keep_message(text);
    note_log_line(text);
  };
  table_.fence_wait = [](void* context, const cw_fence*, std::int64_t, cw_error*) -> std::int32_t {
    self_of(context).count_cpu_waits(1);
    if (self_of(context).while_waiting) {
      self_of(context).while_waiting();
    }
    return CW_OK;
  };
}

std::vector<std::string> VulkanHost::complaints() const {
  auto found = messages();
  std::erase_if(found, [](const auto& text) {
    return text.find("Vulkan validation") == std::string::npos || is_false_positive(text);
  });
  return found;
}

OpenedDevice::OpenedDevice(const VulkanHost& host, const char* id)
    : TableDevice(vulkan_table(), *host.raw(), named(id)) {}

OpenedDevice::OpenedDevice(const VulkanHost& host, const cw_vulkan_adopt_v1& adopt)
    : TableDevice(vulkan_table(), *host.raw(), adopting(adopt)) {}

cw_vulkan_handles_v1 OpenedDevice::handles() const {
  const auto* table =
      static_cast<const cw_vulkan_device_v1*>(vulkan_table().get_interface(raw(), CW_VULKAN_DEVICE_V1));
  auto handles = plugin::sized<cw_vulkan_handles_v1>();
  table->handles(raw(), &handles);
  return handles;
}

}  // namespace causeway::test
