// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vulkan/vulkan_core.h>

#include <causeway/plugin/backend.hpp>
#include <vector>

#include "dispatch.hpp"

namespace causeway::vulkan_backend {

/// The Khronos validation layer, on our own instances, if the environment has CAUSEWAY_VULKAN_VALIDATION=1.
/// Its warnings and errors go to the host's log, each beginning with "Vulkan validation: ".
class Validation {
public:
  /// Finds out whether it is asked for and there; says so in the log if it is not there.
  Validation(plugin::Host host, const GlobalApi& api);

  /// Adds layer, extensions and the receiver of messages to info, which must not outlive this object.
  void add_to(VkInstanceCreateInfo& info);
  /// The messenger for the lifetime of the instance, or null.
  [[nodiscard]] VkDebugUtilsMessengerEXT start(const InstanceApi& api, VkInstance instance) const;

private:
  bool on_ = false;
  std::vector<const char*> layers_;
  std::vector<const char*> extensions_;
  VkDebugUtilsMessengerCreateInfoEXT receiver_{};
  VkValidationFeaturesEXT features_{};
};

void stop_validation(const InstanceApi& api, VkInstance instance, VkDebugUtilsMessengerEXT messenger);

}  // namespace causeway::vulkan_backend
