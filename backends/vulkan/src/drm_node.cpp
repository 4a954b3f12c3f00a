// SPDX-License-Identifier: Apache-2.0
#include "drm_node.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "extensions.hpp"

namespace causeway::vulkan_backend {
namespace {

using Number = vulkan::DrmNodes::Number;

std::string text(const std::optional<Number>& number) {
  return number ? fmt::format("{}:{}", number->major, number->minor) : "none";
}

std::string name_of(const InstanceApi& api, VkPhysicalDevice device) {
  VkPhysicalDeviceProperties properties{};
  api.GetPhysicalDeviceProperties(device, &properties);
  return static_cast<const char*>(properties.deviceName);
}

Result<Number> number_of(const std::string& node) {
  struct stat status {};
  if (::stat(node.c_str(), &status) != 0) {
    const int why = errno;
    return Error(why == ENOENT || why == ENOTDIR ? Errc::NotFound : errc_from_errno(why), "stat",
                 fmt::format("the device node '{}' cannot be looked at", node), why);
  }
  if (!S_ISCHR(status.st_mode)) {
    return Error(Errc::InvalidArgument, "vulkan::find_physical_device",
                 fmt::format("'{}' is no device node; those of GPUs are /dev/dri/card0 or "
                             "/dev/dri/renderD128 and so on",
                             node));
  }
  return Number{static_cast<std::int64_t>(::major(status.st_rdev)),
                static_cast<std::int64_t>(::minor(status.st_rdev))};
}

}  // namespace

Result<vulkan::DrmNodes> drm_nodes(const InstanceApi& api, VkPhysicalDevice device) {
  const auto offered = offers(api, device, VK_EXT_PHYSICAL_DEVICE_DRM_EXTENSION_NAME);
  if (!offered) {
    return offered.error();
  }
  if (!*offered) {
    return Error(Errc::Unsupported, "vulkan::drm_nodes",
                 fmt::format("{} does not say which node of the kernel it is, since its driver has no "
                             "VK_EXT_physical_device_drm; choose it by its name or index",
                             name_of(api, device)));
  }
  VkPhysicalDeviceDrmPropertiesEXT drm{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRM_PROPERTIES_EXT};
  VkPhysicalDeviceProperties2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &drm, {}};
  api.GetPhysicalDeviceProperties2(device, &all);
  vulkan::DrmNodes nodes;
  if (drm.hasPrimary == VK_TRUE) {
    nodes.primary = Number{drm.primaryMajor, drm.primaryMinor};
  }
  if (drm.hasRender == VK_TRUE) {
    nodes.render = Number{drm.renderMajor, drm.renderMinor};
  }
  if (!nodes.primary && !nodes.render) {
    return Error(
        Errc::Unsupported, "vulkan::drm_nodes",
        fmt::format("{} says that it has neither a primary nor a render node", name_of(api, device)));
  }
  return nodes;
}

Result<VkPhysicalDevice> find_by_node(const InstanceApi& api, std::span<const VkPhysicalDevice> devices,
                                      const std::string& node) {
  const auto wanted = number_of(node);
  if (!wanted) {
    return wanted.error();
  }
  std::string others;
  for (VkPhysicalDevice device : devices) {
    const auto nodes = drm_nodes(api, device);
    if (nodes && (nodes->primary == *wanted || nodes->render == *wanted)) {
      return device;
    }
    others += others.empty() ? "" : "; ";
    others += nodes ? fmt::format("{} is {} and {}", name_of(api, device), text(nodes->primary),
                                  text(nodes->render))
                    : nodes.error().detail();
  }
  return Error(Errc::NotFound, "vulkan::find_physical_device",
               fmt::format("no Vulkan device is known to be '{}' ({}:{}): {}", node, wanted->major,
                           wanted->minor, others.empty() ? "there is none" : others));
}

}  // namespace causeway::vulkan_backend
