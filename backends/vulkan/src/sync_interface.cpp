// SPDX-License-Identifier: Apache-2.0
#include "sync_interface.hpp"

#include <causeway/plugin/backend.hpp>

#include "device.hpp"

namespace causeway::vulkan_backend {
namespace {

Device& of(cw_device* device) noexcept {
  return *reinterpret_cast<Device*>(device);
}
Device::Attachment& of(cw_attachment* attachment) noexcept {
  return *reinterpret_cast<Device::Attachment*>(attachment);
}

const cw_vulkan_sync_v1 kSync{
    sizeof(cw_vulkan_sync_v1),
    0,
    [](cw_device* device, cw_attachment* attachment, cw_vulkan_turn_v1* turn, cw_error* error) {
      return plugin::detail::guarded(error, "vulkan::turn",
                                     [&] { return of(device).take_turn(of(attachment), *turn); });
    },
    [](cw_device*, cw_attachment* attachment, VkCommandBuffer commands) {
      of(attachment).order.state().transfer->record_acquire(commands);
    },
    [](cw_device*, cw_attachment* attachment, VkCommandBuffer commands) {
      of(attachment).order.state().transfer->record_release(commands);
    },
    [](cw_device*, cw_attachment* attachment, std::uint32_t keep) {
      of(attachment).order.state().kept = keep != 0;
    },
    [](cw_device* device) { QueueLock::lock(of(device).context()); },
    [](cw_device* device) { QueueLock::unlock(of(device).context()); },
    [](cw_device* device, cw_attachment* attachment, cw_error* error) {
      return plugin::detail::guarded(error, "vulkan::drop_turn",
                                     [&] { return of(device).drop_turn(of(attachment)); });
    }};

}  // namespace

const cw_vulkan_sync_v1& sync_interface() noexcept {
  return kSync;
}

}  // namespace causeway::vulkan_backend
