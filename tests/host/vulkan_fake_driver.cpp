// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_fake_driver.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <causeway/plugin/backend.hpp>
#include <map>
#include <string_view>
#include <utility>

namespace causeway::test {
namespace {

FakeDriver driver;

template <class Handle>
Handle make_handle(std::uintptr_t number) {
  return reinterpret_cast<Handle>(number);
}

constexpr auto kDmaBuf = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
constexpr auto kOpaque = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;

constexpr std::array<const char*, 7> kExtensions{
    VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,   VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
    VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME, VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
    VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME, VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
    VK_EXT_PHYSICAL_DEVICE_DRM_EXTENSION_NAME};

VKAPI_ATTR void VKAPI_CALL properties(VkPhysicalDevice, VkPhysicalDeviceProperties* out) {
  *out = {};
  out->apiVersion = VK_API_VERSION_1_1;
  out->deviceType = VK_PHYSICAL_DEVICE_TYPE_CPU;
  out->vendorID = driver.vendor;
  plugin::copy_text(out->deviceName, "fake driver");
}
VKAPI_ATTR void VKAPI_CALL properties2(VkPhysicalDevice device, VkPhysicalDeviceProperties2* out) {
  properties(device, &out->properties);
  for (auto* next = static_cast<VkBaseOutStructure*>(out->pNext); next != nullptr; next = next->pNext) {
    if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT) {
      reinterpret_cast<VkPhysicalDeviceExternalMemoryHostPropertiesEXT*>(next)
          ->minImportedHostPointerAlignment = 4096;
    }
    if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES) {
      reinterpret_cast<VkPhysicalDeviceIDProperties*>(next)->deviceUUID[0] = driver.device_uuid;
    }
    if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRM_PROPERTIES_EXT && driver.drm_node) {
      auto& drm = *reinterpret_cast<VkPhysicalDeviceDrmPropertiesEXT*>(next);
      drm.hasPrimary = VK_TRUE;
      drm.primaryMajor = driver.drm_node->first;
      drm.primaryMinor = driver.drm_node->second;
    }
  }
}
VKAPI_ATTR VkResult VKAPI_CALL list_devices(VkInstance, std::uint32_t* count, VkPhysicalDevice* out) {
  if (out != nullptr && *count > 0) {
    *out = make_handle<VkPhysicalDevice>(0x20);
  }
  *count = 1;
  return VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL extensions(VkPhysicalDevice, const char*, std::uint32_t* count,
                                          VkExtensionProperties* out) {
  const std::size_t offered = kExtensions.size() - (driver.drm_node ? 0 : 1);
  for (std::size_t i = 0; out != nullptr && i < offered; ++i) {
    out[i] = {};
    plugin::copy_text(out[i].extensionName, kExtensions.at(i));
  }
  *count = static_cast<std::uint32_t>(offered);
  return VK_SUCCESS;
}
VKAPI_ATTR void VKAPI_CALL memory_properties(VkPhysicalDevice, VkPhysicalDeviceMemoryProperties* out) {
  *out = {};
  out->memoryTypeCount = 1;
  out->memoryTypes[0].propertyFlags =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
}
VKAPI_ATTR void VKAPI_CALL queue_families(VkPhysicalDevice, std::uint32_t* count,
                                          VkQueueFamilyProperties* out) {
  *count = 1;
  if (out != nullptr) {
    *out = {};
    out->queueFlags = VK_QUEUE_COMPUTE_BIT;
    out->queueCount = 1;
  }
}
VKAPI_ATTR void VKAPI_CALL external_buffer(VkPhysicalDevice, const VkPhysicalDeviceExternalBufferInfo* info,
                                           VkExternalBufferProperties* out) {
  out->externalMemoryProperties.compatibleHandleTypes =
      VkExternalMemoryHandleTypeFlags{info->handleType} |
      (driver.opaque ? VkExternalMemoryHandleTypeFlags{kDmaBuf | kOpaque} : 0U);
  out->externalMemoryProperties.externalMemoryFeatures =
      VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT |
      (driver.exports ? VkExternalMemoryFeatureFlags{VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT} : 0U);
}
VKAPI_ATTR VkResult VKAPI_CALL fd_properties(VkDevice, VkExternalMemoryHandleTypeFlagBits, int,
                                             VkMemoryFdPropertiesKHR* out) {
  out->memoryTypeBits = 1;
  return VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL pointer_properties(VkDevice, VkExternalMemoryHandleTypeFlagBits, const void*,
                                                  VkMemoryHostPointerPropertiesEXT* out) {
  out->memoryTypeBits = 1;
  return VK_SUCCESS;
}

/// What a real driver would find out about the file.
VkResult judge(int fd, VkDeviceSize size, const VkAllocationCallbacks* allocator) {
  if (allocator != nullptr &&
      allocator->pfnAllocation(allocator->pUserData, 64, 8, VK_SYSTEM_ALLOCATION_SCOPE_OBJECT) == nullptr) {
    return VK_ERROR_OUT_OF_HOST_MEMORY;
  }
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
      (::fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE) != 0) {
    return VK_ERROR_INVALID_EXTERNAL_HANDLE;
  }
  return static_cast<VkDeviceSize>(status.st_size) < size ? VK_ERROR_OUT_OF_DEVICE_MEMORY : VK_SUCCESS;
}

template <class Struct>
const Struct* find_next(const void* next, VkStructureType type) {
  for (const auto* one = static_cast<const VkBaseInStructure*>(next); one != nullptr; one = one->pNext) {
    if (one->sType == type) {
      return reinterpret_cast<const Struct*>(one);
    }
  }
  return nullptr;
}

/// An allocation that may be exported, and the opaque descriptors of such.
struct Allocation {
  VkDeviceSize size;
  std::uint32_t type;
  VkExternalMemoryHandleTypeFlags handles;
};
std::map<VkDeviceMemory, Allocation> allocations;
std::map<ino_t, Allocation> opaque_files;

/// VkImportMemoryFdInfoKHR and VkMemoryAllocateInfo of an OPAQUE_FD.
VkResult judge_opaque(const VkMemoryAllocateInfo& info, int fd) {
  struct stat status {};
  const auto found = ::fstat(fd, &status) == 0 ? opaque_files.find(status.st_ino) : opaque_files.end();
  if (found == opaque_files.end()) {
    return VK_ERROR_INVALID_EXTERNAL_HANDLE;
  }
  if (info.allocationSize != found->second.size) {
    driver.mistakes.emplace_back(
        "another size than was exported (VUID-VkMemoryAllocateInfo-allocationSize-01742)");
  }
  if (info.memoryTypeIndex != found->second.type) {
    driver.mistakes.emplace_back(
        "another type than was exported (VUID-VkMemoryAllocateInfo-memoryTypeIndex-01743)");
  }
  if (find_next<VkMemoryDedicatedAllocateInfo>(info.pNext,
                                               VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO) != nullptr) {
    driver.mistakes.emplace_back(
        "dedicated, and what was exported is not (VUID-VkMemoryDedicatedAllocateInfo-buffer-01879)");
  }
  return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL allocate(VkDevice, const VkMemoryAllocateInfo* info,
                                        const VkAllocationCallbacks* allocator, VkDeviceMemory* out) {
  const auto* first = static_cast<const VkBaseInStructure*>(info->pNext);
  const bool by_fd = first != nullptr && first->sType == VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR;
  const int fd = by_fd ? reinterpret_cast<const VkImportMemoryFdInfoKHR*>(first)->fd : -1;
  driver.tries += by_fd ? 1 : 0;
  VkResult result = std::exchange(driver.allocate_fails, VK_SUCCESS);
  const bool opaque = by_fd && reinterpret_cast<const VkImportMemoryFdInfoKHR*>(first)->handleType == kOpaque;
  if (result == VK_SUCCESS && by_fd) {
    result = opaque ? judge_opaque(*info, fd) : judge(fd, info->allocationSize, allocator);
  }
  if (result == VK_SUCCESS) {
    if (by_fd) {
      ::close(fd);  // taken
    }
    ++driver.memories;
    ++driver.imports;
    driver.opaque_imports += opaque ? 1 : 0;
    *out = make_handle<VkDeviceMemory>(0x10000U + static_cast<unsigned>(driver.imports));
    if (const auto* exported = find_next<VkExportMemoryAllocateInfo>(
            info->pNext, VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO)) {
      allocations[*out] = {info->allocationSize, info->memoryTypeIndex, exported->handleTypes};
    }
  } else if (by_fd && driver.closes(result)) {
    ::close(fd);
    driver.after_close(fd);
  }
  return result;
}
VKAPI_ATTR void VKAPI_CALL free_memory(VkDevice, VkDeviceMemory memory, const VkAllocationCallbacks*) {
  --driver.memories;
  allocations.erase(memory);
}
VKAPI_ATTR VkResult VKAPI_CALL create_buffer(VkDevice, const VkBufferCreateInfo* info,
                                             const VkAllocationCallbacks*, VkBuffer* out) {
  const VkResult result = std::exchange(driver.buffer_fails, VK_SUCCESS);
  driver.buffer_size = info->size;
  if (result == VK_SUCCESS) {
    ++driver.buffers;
    *out = make_handle<VkBuffer>(0x2000);
  }
  return result;
}
VKAPI_ATTR void VKAPI_CALL destroy_buffer(VkDevice, VkBuffer, const VkAllocationCallbacks*) {
  --driver.buffers;
}
VKAPI_ATTR void VKAPI_CALL requirements(VkDevice, const VkBufferMemoryRequirementsInfo2*,
                                        VkMemoryRequirements2* out) {
  out->memoryRequirements = {driver.export_memory ? driver.buffer_size : 4096, 64, 1};
}
VKAPI_ATTR VkResult VKAPI_CALL bind(VkDevice, VkBuffer, VkDeviceMemory, VkDeviceSize) {
  return std::exchange(driver.bind_fails, VK_SUCCESS);
}
VKAPI_ATTR VkResult VKAPI_CALL map_memory(VkDevice, VkDeviceMemory, VkDeviceSize, VkDeviceSize,
                                          VkMemoryMapFlags, void** out) {
  static std::array<std::byte, 4096> bytes;
  *out = bytes.data();
  return VK_SUCCESS;
}
VkResult opaque_fd(VkDeviceMemory memory, int* out) {
  const auto found = allocations.find(memory);
  if (found == allocations.end() || (found->second.handles & kOpaque) == 0) {
    driver.mistakes.emplace_back(
        "an export in a handle type that was not named (VUID-VkMemoryGetFdInfoKHR-handleType-00671)");
    return VK_ERROR_OUT_OF_HOST_MEMORY;
  }
  *out = ::memfd_create("opaque", MFD_CLOEXEC);
  struct stat status {};
  if (::fstat(*out, &status) != 0) {
    return VK_ERROR_TOO_MANY_OBJECTS;
  }
  opaque_files[status.st_ino] = found->second;
  return VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL memory_fd(VkDevice, const VkMemoryGetFdInfoKHR* info, int* out) {
  if (info->handleType == kOpaque) {
    return opaque_fd(info->memory, out);
  }
  if (driver.export_memory) {
    *out = driver.export_memory(driver.buffer_size);
    return *out < 0 ? VK_ERROR_TOO_MANY_OBJECTS : VK_SUCCESS;
  }
  return VK_SUCCESS;
}
template <class Info, class Handle>
VKAPI_ATTR VkResult VKAPI_CALL create_any(VkDevice, const Info*, const VkAllocationCallbacks*, Handle* out) {
  *out = make_handle<Handle>(0x3000);
  return VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL commands(VkDevice, const VkCommandBufferAllocateInfo*, VkCommandBuffer* out) {
  *out = make_handle<VkCommandBuffer>(0x4000);
  return VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue, std::uint32_t, const VkSubmitInfo*, VkFence) {
  return std::exchange(driver.submit_fails, VK_SUCCESS);
}
/// For those that only have to return VK_SUCCESS, whatever they are given: x86-64 and AArch64 pass all
/// arguments of these in registers or on the caller's stack.
VKAPI_ATTR VkResult VKAPI_CALL nothing() {
  return VK_SUCCESS;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice, const char* name);

template <class Function>
PFN_vkVoidFunction plain(Function* function) {
  return reinterpret_cast<PFN_vkVoidFunction>(function);
}

PFN_vkVoidFunction find(std::string_view name) {
  if (PFN_vkVoidFunction found = driver.more != nullptr ? driver.more(name) : nullptr) {
    return found;
  }
  static const auto table = std::to_array<std::pair<std::string_view, PFN_vkVoidFunction>>({
      {"vkEnumeratePhysicalDevices", plain(&list_devices)},
      {"vkGetPhysicalDeviceProperties", plain(&properties)},
      {"vkGetPhysicalDeviceProperties2", plain(&properties2)},
      {"vkEnumerateDeviceExtensionProperties", plain(&extensions)},
      {"vkGetPhysicalDeviceMemoryProperties", plain(&memory_properties)},
      {"vkGetPhysicalDeviceQueueFamilyProperties", plain(&queue_families)},
      {"vkGetPhysicalDeviceExternalBufferProperties", plain(&external_buffer)},
      {"vkGetDeviceProcAddr", plain(&device_function)},
      {"vkGetMemoryFdPropertiesKHR", plain(&fd_properties)},
      {"vkGetMemoryHostPointerPropertiesEXT", plain(&pointer_properties)},
      {"vkAllocateMemory", plain(&allocate)},
      {"vkFreeMemory", plain(&free_memory)},
      {"vkCreateBuffer", plain(&create_buffer)},
      {"vkDestroyBuffer", plain(&destroy_buffer)},
      {"vkGetBufferMemoryRequirements2", plain(&requirements)},
      {"vkBindBufferMemory", plain(&bind)},
      {"vkMapMemory", plain(&map_memory)},
      {"vkGetMemoryFdKHR", plain(&memory_fd)},
      {"vkCreateCommandPool", plain(&create_any<VkCommandPoolCreateInfo, VkCommandPool>)},
      {"vkCreateFence", plain(&create_any<VkFenceCreateInfo, VkFence>)},
      {"vkAllocateCommandBuffers", plain(&commands)},
      {"vkQueueSubmit", plain(&submit)},
  });
  const auto* found =
      std::find_if(table.begin(), table.end(), [name](const auto& row) { return row.first == name; });
  return found != table.end() ? found->second : plain(&nothing);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice, const char* name) {
  return find(name);
}
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_function(VkInstance, const char* name) {
  return find(name);
}

}  // namespace

FakeDriver& FakeDriver::instance() {
  return driver;
}

void FakeDriver::reset() {
  driver = FakeDriver{};
  allocations.clear();
  opaque_files.clear();
}

cw_vulkan_adopt_v1 FakeDriver::words(bool host_pointer) {
  cw_vulkan_adopt_v1 words{};
  words.struct_size = sizeof(words);
  words.api_version = VK_API_VERSION_1_1;
  words.get_instance_proc_addr = &instance_function;
  words.instance = make_handle<VkInstance>(0x10);
  words.physical_device = make_handle<VkPhysicalDevice>(0x20);
  words.device = make_handle<VkDevice>(0x30);
  words.queue = make_handle<VkQueue>(0x40);
  words.extensions = kExtensions.data();
  words.extension_count = host_pointer ? 3 : 2;
  return words;
}

cw_vulkan_adopt_v1 FakeDriver::words_with_fences(std::uint32_t flags) {
  auto words = FakeDriver::words();
  words.extension_count = 4;
  words.flags = flags;
  return words;
}

cw_vulkan_adopt_v1 FakeDriver::words_with_images(std::uint32_t flags) {
  auto words = words_with_fences(flags);
  words.extension_count = 6;
  return words;
}

}  // namespace causeway::test
