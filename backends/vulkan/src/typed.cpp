// SPDX-License-Identifier: Apache-2.0
#include <causeway/plugin/backend.hpp>
#include <causeway/runtime.hpp>
#include <causeway/vulkan.hpp>
#include <string>

namespace causeway::vulkan {

Result<Device> open(Runtime& runtime, std::string_view id) {
  return runtime.open_device("vulkan", {.id = std::string(id)});
}

Result<Device> adopt(Runtime& runtime, const AdoptInfo& info) {
  auto raw = plugin::sized<cw_vulkan_adopt_v1>();
  raw.api_version = info.api_version;
  raw.get_instance_proc_addr = info.get_instance_proc_addr;
  raw.instance = info.instance;
  raw.physical_device = info.physical_device;
  raw.device = info.device;
  raw.queue = info.queue;
  raw.queue_family = info.queue_family;
  raw.extension_count = static_cast<std::uint32_t>(info.enabled_extensions.size());
  raw.extensions = info.enabled_extensions.data();
  raw.lock_context = info.lock_context;
  raw.lock_queue = info.lock_queue;
  raw.unlock_queue = info.unlock_queue;
  raw.flags = (info.timeline_semaphore ? CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE : 0U) |
              (info.takes_turns ? CW_VULKAN_ADOPT_TAKES_TURNS : 0U) |
              (info.may_submit ? CW_VULKAN_ADOPT_MAY_SUBMIT : 0U) |
              (info.submits ? CW_VULKAN_ADOPT_SUBMITS : 0U) |
              (info.sampler_ycbcr_conversion ? CW_VULKAN_ADOPT_SAMPLER_YCBCR_CONVERSION : 0U);
  return runtime.open_device("vulkan", {.id = {}, .adopt_interface = CW_VULKAN_ADOPT_V1, .adopt = &raw});
}

namespace {

Result<const cw_vulkan_device_v1*> table_of(const Device& device, const char* asked) {
  const auto* table = static_cast<const cw_vulkan_device_v1*>(device.interface(CW_VULKAN_DEVICE_V1));
  if (table == nullptr) {
    return Error(
        Errc::InvalidArgument, asked,
        "the device " + device.name() + " is of the backend '" + device.backend() + "', not of 'vulkan'");
  }
  return table;
}

}  // namespace

Result<Handles> handles(const Device& device) {
  const auto table = table_of(device, "vulkan::handles");
  if (!table) {
    return table.error();
  }
  auto raw = plugin::sized<cw_vulkan_handles_v1>();
  (*table)->handles(device.raw(), &raw);
  return Handles{raw.get_instance_proc_addr,
                 raw.api_version,
                 raw.instance,
                 raw.physical_device,
                 raw.device,
                 raw.queue,
                 raw.queue_family,
                 {raw.extensions, raw.extension_count}};
}

Status pin_import(const Device& device, ImportStep step) {
  const auto table = table_of(device, "vulkan::pin_import");
  if (!table) {
    return table.error();
  }
  (*table)->pin_import(device.raw(), static_cast<std::uint32_t>(step));
  return {};
}

Result<const View*> view(const Mapping& mapping) {
  const auto* found = static_cast<const View*>(mapping.native(CW_VULKAN_VIEW_V1));
  if (found == nullptr) {
    return Error(Errc::InvalidArgument, "vulkan::view",
                 "the mapping is empty, or of a device that is not of the backend 'vulkan'");
  }
  return found;
}

Result<Conversion> conversion(const Mapping& mapping) {
  const auto seen = view(mapping);
  if (!seen) {
    return seen.error();
  }
  auto made = plugin::sized<Conversion>();
  auto failure = plugin::sized<cw_error>();
  const auto status = (*seen)->ycbcr->conversion((*seen)->device, (*seen)->attachment, &made, &failure);
  return status == CW_OK ? Result<Conversion>(made) : plugin::take_error(status, failure);
}

Result<Turn> turn(const Mapping& mapping) {
  const auto seen = view(mapping);
  if (!seen) {
    return seen.error();
  }
  auto turn = plugin::sized<Turn>();
  auto failure = plugin::sized<cw_error>();
  const auto status = (*seen)->sync->take_turn((*seen)->device, (*seen)->attachment, &turn, &failure);
  return status == CW_OK ? Result<Turn>(turn) : plugin::take_error(status, failure);
}

Status drop_turn(const Mapping& mapping) {
  const auto seen = view(mapping);
  if (!seen) {
    return seen.error();
  }
  auto failure = plugin::sized<cw_error>();
  const auto status = (*seen)->sync->drop_turn((*seen)->device, (*seen)->attachment, &failure);
  return status == CW_OK ? Status() : plugin::take_error(status, failure);
}

Status record_acquire(const Mapping& mapping, VkCommandBuffer commands) {
  const auto seen = view(mapping);
  if (!seen) {
    return seen.error();
  }
  (*seen)->sync->record_acquire((*seen)->device, (*seen)->attachment, commands);
  return {};
}

Status record_release(const Mapping& mapping, VkCommandBuffer commands) {
  const auto seen = view(mapping);
  if (!seen) {
    return seen.error();
  }
  (*seen)->sync->record_release((*seen)->device, (*seen)->attachment, commands);
  return {};
}

Status keep(const Mapping& mapping, bool kept) {
  const auto seen = view(mapping);
  if (!seen) {
    return seen.error();
  }
  (*seen)->sync->keep((*seen)->device, (*seen)->attachment, kept ? 1 : 0);
  return {};
}

}  // namespace causeway::vulkan
