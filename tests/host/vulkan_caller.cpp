// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_caller.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <mutex>

namespace causeway::test {

struct CallerDevice::Library {
  PFN_vkGetInstanceProcAddr entry = nullptr;
  VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
  mutable std::mutex mutex;
  std::vector<std::string> complaints;

  template <class Function>
  Function get(VkInstance instance, const char* name) const {
    return reinterpret_cast<Function>(entry(instance, name));
  }
};

namespace {

constexpr const char* kLayer = "VK_LAYER_KHRONOS_validation";

VKAPI_ATTR VkBool32 VKAPI_CALL complain(VkDebugUtilsMessageSeverityFlagBitsEXT,
                                        VkDebugUtilsMessageTypeFlagsEXT,
                                        const VkDebugUtilsMessengerCallbackDataEXT* message, void* user) {
  auto& library = *static_cast<CallerDevice::Library*>(user);
  const std::lock_guard lock(library.mutex);
  if (!is_false_positive(message->pMessage)) {
    library.complaints.emplace_back(message->pMessage);
  }
  note_validation(message->pMessage);
  return VK_FALSE;
}

bool has_layer(const CallerDevice::Library& library) {
  if (!validation_wanted()) {
    return false;
  }
  const auto list =
      library.get<PFN_vkEnumerateInstanceLayerProperties>(nullptr, "vkEnumerateInstanceLayerProperties");
  if (list == nullptr) {
    return false;
  }
  std::uint32_t count = 0;
  list(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  list(&count, layers.data());
  return std::any_of(layers.begin(), layers.end(),
                     [](const auto& layer) { return std::strcmp(layer.layerName, kLayer) == 0; });
}

}  // namespace

CallerDevice::CallerDevice(std::vector<const char*> extensions, bool timelines, bool ycbcr)
    : extensions_(std::move(extensions)), library_(std::make_unique<Library>()) {
  void* loader = ::dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (loader == nullptr) {
    why_ = "there is no Vulkan loader";
    return;
  }
  library_->entry = reinterpret_cast<PFN_vkGetInstanceProcAddr>(::dlsym(loader, "vkGetInstanceProcAddr"));
  const bool validate = has_layer(*library_);

  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.apiVersion = VK_API_VERSION_1_2;
  VkDebugUtilsMessengerCreateInfoEXT receiver{VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
  receiver.messageSeverity =
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  receiver.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  receiver.pfnUserCallback = &complain;
  receiver.pUserData = library_.get();
  const VkValidationFeatureEnableEXT sync = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
  VkValidationFeaturesEXT features{VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT};
  features.enabledValidationFeatureCount = 1;
  features.pEnabledValidationFeatures = &sync;
  const char* instance_extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME,
                                       VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME};
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;
  if (validate) {
    info.pNext = &features;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = &kLayer;
    info.enabledExtensionCount = 2;
    info.ppEnabledExtensionNames = instance_extensions;
  }
  words_.struct_size = sizeof(words_);
  words_.api_version = application.apiVersion;
  words_.get_instance_proc_addr = library_->entry;
  if (library_->get<PFN_vkCreateInstance>(nullptr, "vkCreateInstance")(&info, nullptr, &words_.instance) !=
      VK_SUCCESS) {
    why_ = "vkCreateInstance failed";
    return;
  }
  if (validate) {
    library_->get<PFN_vkCreateDebugUtilsMessengerEXT>(words_.instance, "vkCreateDebugUtilsMessengerEXT")(
        words_.instance, &receiver, nullptr, &library_->messenger);
  }
  const auto list =
      library_->get<PFN_vkEnumeratePhysicalDevices>(words_.instance, "vkEnumeratePhysicalDevices");
  std::uint32_t count = 0;
  list(words_.instance, &count, nullptr);
  std::vector<VkPhysicalDevice> devices(count);
  list(words_.instance, &count, devices.data());
  for (VkPhysicalDevice one : devices) {
    VkPhysicalDeviceProperties properties{};
    library_->get<PFN_vkGetPhysicalDeviceProperties>(words_.instance, "vkGetPhysicalDeviceProperties")(
        one, &properties);
    if (properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU) {
      words_.physical_device = one;
    }
  }
  if (words_.physical_device == VK_NULL_HANDLE) {
    why_ = "there is no lavapipe";
    return;
  }
  const float priority = 1.0F;
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, nullptr, VK_TRUE};
  VkPhysicalDeviceSamplerYcbcrConversionFeatures conversion{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SAMPLER_YCBCR_CONVERSION_FEATURES, timelines ? &timeline : nullptr,
      VK_TRUE};
  VkDeviceCreateInfo device{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, ycbcr ? &conversion : conversion.pNext};
  device.queueCreateInfoCount = 1;
  device.pQueueCreateInfos = &queue;
  device.enabledExtensionCount = static_cast<std::uint32_t>(extensions_.size());
  device.ppEnabledExtensionNames = extensions_.data();
  if (library_->get<PFN_vkCreateDevice>(words_.instance, "vkCreateDevice")(
          words_.physical_device, &device, nullptr, &words_.device) != VK_SUCCESS) {
    why_ = "vkCreateDevice failed";
    return;
  }
  library_->get<PFN_vkGetDeviceQueue>(words_.instance, "vkGetDeviceQueue")(words_.device, 0, 0,
                                                                           &words_.queue);
  words_.extensions = extensions_.data();
  words_.extension_count = static_cast<std::uint32_t>(extensions_.size());
}

CallerDevice::~CallerDevice() {
  if (words_.device != VK_NULL_HANDLE) {
    library_->get<PFN_vkDestroyDevice>(words_.instance, "vkDestroyDevice")(words_.device, nullptr);
  }
  if (library_->messenger != VK_NULL_HANDLE) {
    library_->get<PFN_vkDestroyDebugUtilsMessengerEXT>(words_.instance, "vkDestroyDebugUtilsMessengerEXT")(
        words_.instance, library_->messenger, nullptr);
  }
  if (words_.instance != VK_NULL_HANDLE) {
    library_->get<PFN_vkDestroyInstance>(words_.instance, "vkDestroyInstance")(words_.instance, nullptr);
  }
}

std::vector<std::string> CallerDevice::complaints() const {
  const std::lock_guard lock(library_->mutex);
  return library_->complaints;
}

bool CallerDevice::works() const {
  const auto submit = library_->get<PFN_vkQueueSubmit>(words_.instance, "vkQueueSubmit");
  const auto wait = library_->get<PFN_vkDeviceWaitIdle>(words_.instance, "vkDeviceWaitIdle");
  return submit(words_.queue, 0, nullptr, VK_NULL_HANDLE) == VK_SUCCESS && wait(words_.device) == VK_SUCCESS;
}

}  // namespace causeway::test
