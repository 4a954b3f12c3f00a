// SPDX-License-Identifier: Apache-2.0
#include "own_device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "drm_node.hpp"
#include "loader.hpp"
#include "validation.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

struct Instance {
  std::unique_ptr<Context> context;  // owns it; no device yet
  std::uint32_t version;
};

Result<Instance> make_instance(plugin::Host host) {
  auto entry = system_loader();
  if (!entry) {
    return std::move(entry.error());
  }
  auto global = load_global(*entry);
  if (!global) {
    return std::move(global.error());
  }
  std::uint32_t loader_version = VK_API_VERSION_1_0;
  if (global->EnumerateInstanceVersion != nullptr) {
    global->EnumerateInstanceVersion(&loader_version);
  }
  if (loader_version < VK_API_VERSION_1_1) {
    return Error(
        Errc::Unsupported, "vkEnumerateInstanceVersion",
        fmt::format("the Vulkan loader knows version {}; 1.1 is needed", version_text(loader_version)));
  }
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                nullptr,
                                "causeway",
                                1,
                                "causeway",
                                1,
                                std::min(loader_version, std::uint32_t{VK_API_VERSION_1_3})};
  VkInstanceCreateInfo info{
      VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, nullptr, 0, &application, 0, nullptr, 0, nullptr};
  Validation validation(host, *global);
  validation.add_to(info);

  auto context = std::make_unique<Context>(host);
  if (const VkResult result = global->CreateInstance(&info, nullptr, &context->instance);
      result != VK_SUCCESS) {
    context->instance = VK_NULL_HANDLE;
    return vk_error("vkCreateInstance", result, "making a Vulkan instance");
  }
  auto api = load_instance(*entry, context->instance);
  if (!api) {
    context->instance = VK_NULL_HANDLE;  // without its table it cannot even be destroyed
    return std::move(api.error());
  }
  context->instance_api = *api;
  context->messenger = validation.start(*api, context->instance);
  return Instance{std::move(context), application.apiVersion};
}

int rank(VkPhysicalDeviceType type) noexcept {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return 4;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return 3;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return 1;
    default: return 0;
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

Result<PhysicalDevice> choose(const InstanceApi& api, const std::vector<PhysicalDevice>& devices,
                              std::string_view id) {
  if (devices.empty()) {
    return Error(Errc::NotFound, "vkEnumeratePhysicalDevices",
                 "this machine has no Vulkan device of version 1.1 or later: no driver is installed or none "
                 "starts; Debian's package mesa-vulkan-drivers has one that runs on any CPU");
  }
  if (id.empty()) {
    return *std::max_element(devices.begin(), devices.end(), [](const auto& a, const auto& b) {
      return rank(a.properties.deviceType) < rank(b.properties.deviceType);
    });
  }
  if (id.front() == '/') {
    std::vector<VkPhysicalDevice> handles;
    handles.reserve(devices.size());
    for (const auto& device : devices) {
      handles.push_back(device.handle);
    }
    const auto found = find_by_node(api, handles, std::string(id));
    if (!found) {
      return found.error();
    }
    return *std::find_if(devices.begin(), devices.end(),
                         [&](const auto& device) { return device.handle == *found; });
  }
  std::string names;
  for (const auto& device : devices) {
    if (std::to_string(device.index) == id) {
      return device;
    }
    names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", device.index, device.properties.deviceName);
  }
  const std::string wanted = lower(id);
  for (const auto& device : devices) {
    if (lower(device.properties.deviceName).find(wanted) != std::string::npos) {
      return device;
    }
  }
  return Error(
      Errc::NotFound, "open",
      fmt::format("no Vulkan device has the index '{}' or that in its name; there are: {}", id, names));
}

Status make_device(Context& context) {
  auto family = context.physical.pick_queue_family();
  if (!family) {
    return std::move(family.error());
  }
  context.queue_family = *family;
  context.extensions = ExtensionSet(context.physical.offered);

  // A feature must be asked for beside its extension, and asking for one that is not there fails
  // (VUID-VkDeviceCreateInfo-pNext, Features).
  FeatureChain features(context.physical.offered);
  context.instance_api.GetPhysicalDeviceFeatures2(context.physical.handle, &features.all);
  features.all.features = {};  // of the core features none is needed

  const float priority = 1.0F;
  const VkDeviceQueueCreateInfo queue{
      VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, nullptr, 0, context.queue_family, 1, &priority};
  const auto names = context.extensions.pointers();
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  info.pNext = &features.all;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<std::uint32_t>(names.size());
  info.ppEnabledExtensionNames = names.data();
  VkDevice device = VK_NULL_HANDLE;
  if (const VkResult result =
          context.instance_api.CreateDevice(context.physical.handle, &info, nullptr, &device);
      result != VK_SUCCESS) {
    return vk_error("vkCreateDevice", result, fmt::format("making a device on {}", context.name()));
  }
  context.timeline = features.timeline.timelineSemaphore != VK_FALSE;
  context.ycbcr = features.ycbcr.samplerYcbcrConversion != VK_FALSE;
  auto api = load_device(context.instance_api, device, enabled_parts(context));
  if (!api) {
    return std::move(api.error());  // a driver without the core commands: its device is lost to us
  }
  context.api = *api;
  context.device = device;
  context.api.GetDeviceQueue(device, context.queue_family, 0, &context.queue);
  return {};
}

}  // namespace

Result<std::vector<PhysicalDevice>> find_devices(plugin::Host host) {
  auto instance = make_instance(host);
  if (!instance) {
    if (instance.error().code() == Errc::NotFound) {
      host.log(CW_LOG_DEBUG, instance.error().message());
      return std::vector<PhysicalDevice>{};
    }
    return std::move(instance.error());
  }
  const Context& context = *instance->context;
  return list_physical_devices(context.instance_api, context.instance, instance->version);
}

Result<std::unique_ptr<Context>> open_own_device(plugin::Host host, std::string_view id) {
  auto instance = make_instance(host);
  if (!instance) {
    return std::move(instance.error());
  }
  auto context = std::move(instance->context);
  auto devices = list_physical_devices(context->instance_api, context->instance, instance->version);
  if (!devices) {
    return std::move(devices.error());
  }
  auto chosen = choose(context->instance_api, *devices, id);
  if (!chosen) {
    return std::move(chosen.error());
  }
  context->physical = std::move(*chosen);
  if (auto status = make_device(*context); !status) {
    return std::move(status.error());
  }
  learn_habits(*context);
  return context;
}

}  // namespace causeway::vulkan_backend
