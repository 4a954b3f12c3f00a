// SPDX-License-Identifier: Apache-2.0
#include "adopt.hpp"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

namespace causeway::vulkan_backend {
namespace {

Status check_handles(const cw_vulkan_adopt_v1& info) {
  const std::array<std::pair<const char*, bool>, 6> parts{{
      {"get_instance_proc_addr", info.get_instance_proc_addr != nullptr},
      {"instance", info.instance != VK_NULL_HANDLE},
      {"physical_device", info.physical_device != VK_NULL_HANDLE},
      {"device", info.device != VK_NULL_HANDLE},
      {"queue", info.queue != VK_NULL_HANDLE},
      {"extensions", info.extension_count == 0 || info.extensions != nullptr},
  }};
  for (const auto& [name, there] : parts) {
    if (!there) {
      return Error(
          Errc::InvalidArgument, "adopt",
          fmt::format("{} is null; a device is adopted with its instance, physical device, queue and "
                      "vkGetInstanceProcAddr",
                      name));
    }
  }
  if ((info.lock_queue == nullptr) != (info.unlock_queue == nullptr)) {
    return Error(Errc::InvalidArgument, "adopt", "lock_queue and unlock_queue go together, and one is null");
  }
  return {};
}

Status check_queue(const Context& context) {
  const auto& families = context.physical.queue_families;
  if (context.queue_family >= families.size()) {
    return Error(Errc::InvalidArgument, "adopt",
                 fmt::format("queue_family is {}, and {} has {} families", context.queue_family,
                             context.name(), families.size()));
  }
  constexpr VkQueueFlags kCopies = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT;
  if ((families[context.queue_family].queueFlags & kCopies) == 0) {
    return Error(Errc::Unsupported, "adopt",
                 fmt::format("queue family {} of {} is for neither graphics, compute nor transfers",
                             context.queue_family, context.name()));
  }
  return {};
}

Status check_extensions(const Context& context) {
  const auto& enabled = context.extensions;
  if (enabled.dma_buf() || enabled.host_pointer()) {
    return {};
  }
  std::string missing;
  std::string unavailable;
  for (const char* name :
       {VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
        VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME}) {
    if (!enabled.has(name)) {
      auto& list = context.physical.offers(name) ? missing : unavailable;
      list += fmt::format("{}{}", list.empty() ? "" : ", ", name);
    }
  }
  return Error(
      Errc::Unsupported, "adopt",
      fmt::format("no memory can be imported into this device of {}: it needs "
                  "VK_KHR_external_memory_fd with VK_EXT_external_memory_dma_buf, or "
                  "VK_EXT_external_memory_host; offered by the driver but not in the list of enabled "
                  "extensions: {}; not offered: {}; vulkan::required_extensions() names what to enable",
                  context.name(), missing.empty() ? "none" : missing,
                  unavailable.empty() ? "none" : unavailable));
}

}  // namespace

Result<std::unique_ptr<Context>> adopt(plugin::Host host, const cw_vulkan_adopt_v1& info) {
  if (auto status = check_handles(info); !status) {
    return std::move(status.error());
  }
  auto instance_api = load_instance(info.get_instance_proc_addr, info.instance);
  if (!instance_api) {
    return std::move(instance_api.error());
  }
  auto physical = inspect(*instance_api, info.physical_device, 0, info.api_version);
  if (!physical) {
    return std::move(physical.error());
  }
  auto context = std::make_unique<Context>(host);
  context->adopted = true;
  context->instance_api = *instance_api;
  context->instance = info.instance;
  context->physical = std::move(*physical);
  context->device = info.device;
  context->queue = info.queue;
  context->queue_family = info.queue_family;
  context->extensions = ExtensionSet({info.extensions, info.extension_count});
  context->lock_context = info.lock_context;
  context->lock_queue = info.lock_queue;
  context->unlock_queue = info.unlock_queue;
  if (auto status = check_queue(*context); !status) {
    return std::move(status.error());
  }
  if (auto status = check_extensions(*context); !status) {
    return std::move(status.error());
  }
  context->ycbcr = (info.flags & CW_VULKAN_ADOPT_SAMPLER_YCBCR_CONVERSION) != 0;
  context->timeline = (info.flags & CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE) != 0;
  context->submits = (info.flags & CW_VULKAN_ADOPT_SUBMITS) != 0;
  context->takes_turns = !context->submits && (info.flags & CW_VULKAN_ADOPT_TAKES_TURNS) != 0;
  context->may_submit = context->submits || (info.flags & CW_VULKAN_ADOPT_MAY_SUBMIT) != 0;
  auto api = load_device(context->instance_api, context->device, enabled_parts(*context));
  if (!api) {
    return std::move(api.error());
  }
  context->api = *api;
  learn_habits(*context);
  return context;
}

}  // namespace causeway::vulkan_backend
