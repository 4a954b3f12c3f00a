// SPDX-License-Identifier: Apache-2.0
#include "validation.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

namespace causeway::vulkan_backend {
namespace {

constexpr const char* kLayer = "VK_LAYER_KHRONOS_validation";
constexpr VkValidationFeatureEnableEXT kSynchronization =
    VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;

VKAPI_ATTR VkBool32 VKAPI_CALL receive(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                       VkDebugUtilsMessageTypeFlagsEXT,
                                       const VkDebugUtilsMessengerCallbackDataEXT* message, void* user) {
  const plugin::Host host(static_cast<const cw_host*>(user));
  host.log(severity >= VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT ? CW_LOG_ERROR : CW_LOG_WARNING,
           std::string("Vulkan validation: ") + message->pMessage);
  return VK_FALSE;  // VK_TRUE would make the command fail (VK_EXT_debug_utils)
}

bool layer_there(const GlobalApi& api) {
  std::uint32_t count = 0;
  api.EnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  api.EnumerateInstanceLayerProperties(&count, layers.data());
  return std::any_of(layers.begin(), layers.end(),
                     [](const auto& layer) { return std::strcmp(layer.layerName, kLayer) == 0; });
}

}  // namespace

Validation::Validation(plugin::Host host, const GlobalApi& api) {
  const char* asked = ::secure_getenv("CAUSEWAY_VULKAN_VALIDATION");
  if (asked == nullptr || std::strcmp(asked, "1") != 0) {
    return;
  }
  if (!layer_there(api)) {
    host.log(CW_LOG_WARNING,
             "CAUSEWAY_VULKAN_VALIDATION is 1, but VK_LAYER_KHRONOS_validation is not installed (Debian's "
             "package is vulkan-validationlayers)");
    return;
  }
  on_ = true;
  layers_ = {kLayer};
  // Both come with the layer itself.
  extensions_ = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME};
  receiver_.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
  receiver_.messageSeverity =
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  receiver_.messageType =
      VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT;
  receiver_.pfnUserCallback = &receive;
  receiver_.pUserData = const_cast<cw_host*>(host.raw());  // NOLINT: C's void*
  features_.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT;
  features_.enabledValidationFeatureCount = 1;
  features_.pEnabledValidationFeatures = &kSynchronization;
}

void Validation::add_to(VkInstanceCreateInfo& info) {
  if (!on_) {
    return;
  }
  receiver_.pNext = info.pNext;
  features_.pNext = &receiver_;
  info.pNext = &features_;
  info.enabledLayerCount = static_cast<std::uint32_t>(layers_.size());
  info.ppEnabledLayerNames = layers_.data();
  info.enabledExtensionCount = static_cast<std::uint32_t>(extensions_.size());
  info.ppEnabledExtensionNames = extensions_.data();
}

VkDebugUtilsMessengerEXT Validation::start(const InstanceApi& api, VkInstance instance) const {
  VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
  if (on_) {
    auto* create = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
        api.GetInstanceProcAddr(instance, "vkCreateDebugUtilsMessengerEXT"));
    VkDebugUtilsMessengerCreateInfoEXT info = receiver_;
    info.pNext = nullptr;
    if (create == nullptr || create(instance, &info, nullptr, &messenger) != VK_SUCCESS) {
      messenger = VK_NULL_HANDLE;  // the layer then writes to stdout
    }
  }
  return messenger;
}

void stop_validation(const InstanceApi& api, VkInstance instance, VkDebugUtilsMessengerEXT messenger) {
  if (messenger != VK_NULL_HANDLE) {
    auto* destroy = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
        api.GetInstanceProcAddr(instance, "vkDestroyDebugUtilsMessengerEXT"));
    destroy(instance, messenger, nullptr);
  }
}

}  // namespace causeway::vulkan_backend
