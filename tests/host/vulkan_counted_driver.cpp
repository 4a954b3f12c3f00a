// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_counted_driver.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace causeway::test {
namespace {

CountedDriver counted;
PFN_vkGetInstanceProcAddr real_entry = nullptr;
VkInstance real_instance = VK_NULL_HANDLE;

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(real_entry(real_instance, name));
}

VKAPI_ATTR void* VKAPI_CALL allocate_nothing(void*, std::size_t, std::size_t, VkSystemAllocationScope) {
  return nullptr;
}
VKAPI_ATTR void* VKAPI_CALL reallocate_nothing(void*, void*, std::size_t, std::size_t,
                                               VkSystemAllocationScope) {
  return nullptr;
}
VKAPI_ATTR void VKAPI_CALL free_nothing(void*, void*) {}
constexpr VkAllocationCallbacks kNoMemory{nullptr,       &allocate_nothing, &reallocate_nothing,
                                          &free_nothing, nullptr,           nullptr};

VKAPI_ATTR VkResult VKAPI_CALL allocate(VkDevice device, const VkMemoryAllocateInfo* info,
                                        const VkAllocationCallbacks* allocator, VkDeviceMemory* out) {
  const auto fail = std::exchange(counted.allocate, CountedDriver::Fail::No);
  VkMemoryAllocateInfo asked = *info;
  if (fail == CountedDriver::Fail::Device) {
    asked.allocationSize = VkDeviceSize{1} << 31U;  // more than the file behind the descriptor has
  }
  const VkResult result = real<PFN_vkAllocateMemory>("vkAllocateMemory")(
      device, &asked, fail == CountedDriver::Fail::Host ? &kNoMemory : allocator, out);
  counted.memories += result == VK_SUCCESS ? 1 : 0;
  counted.allocations += result == VK_SUCCESS ? 1 : 0;
  return result;
}
VKAPI_ATTR void VKAPI_CALL free_memory(VkDevice device, VkDeviceMemory memory,
                                       const VkAllocationCallbacks* allocator) {
  counted.memories -= memory != VK_NULL_HANDLE ? 1 : 0;
  real<PFN_vkFreeMemory>("vkFreeMemory")(device, memory, allocator);
}
VKAPI_ATTR VkResult VKAPI_CALL create_buffer(VkDevice device, const VkBufferCreateInfo* info,
                                             const VkAllocationCallbacks* allocator, VkBuffer* out) {
  const auto fail = std::exchange(counted.create_buffer, CountedDriver::Fail::No);
  const VkResult result = real<PFN_vkCreateBuffer>("vkCreateBuffer")(
      device, info, fail == CountedDriver::Fail::Host ? &kNoMemory : allocator, out);
  counted.buffers += result == VK_SUCCESS ? 1 : 0;
  return result;
}
VKAPI_ATTR void VKAPI_CALL destroy_buffer(VkDevice device, VkBuffer buffer,
                                          const VkAllocationCallbacks* allocator) {
  counted.buffers -= buffer != VK_NULL_HANDLE ? 1 : 0;
  real<PFN_vkDestroyBuffer>("vkDestroyBuffer")(device, buffer, allocator);
}
VKAPI_ATTR VkResult VKAPI_CALL create_image(VkDevice device, const VkImageCreateInfo* info,
                                            const VkAllocationCallbacks* allocator, VkImage* out) {
  const VkResult result = real<PFN_vkCreateImage>("vkCreateImage")(device, info, allocator, out);
  counted.images += result == VK_SUCCESS ? 1 : 0;
  return result;
}
VKAPI_ATTR void VKAPI_CALL destroy_image(VkDevice device, VkImage image,
                                         const VkAllocationCallbacks* allocator) {
  counted.images -= image != VK_NULL_HANDLE ? 1 : 0;
  real<PFN_vkDestroyImage>("vkDestroyImage")(device, image, allocator);
}

template <class Function>
PFN_vkVoidFunction plain(Function* function) {
  return reinterpret_cast<PFN_vkVoidFunction>(function);
}

PFN_vkVoidFunction find(std::string_view name) {
  static const auto table = std::to_array<std::pair<std::string_view, PFN_vkVoidFunction>>({
      {"vkAllocateMemory", plain(&allocate)},
      {"vkFreeMemory", plain(&free_memory)},
      {"vkCreateBuffer", plain(&create_buffer)},
      {"vkDestroyBuffer", plain(&destroy_buffer)},
      {"vkCreateImage", plain(&create_image)},
      {"vkDestroyImage", plain(&destroy_image)},
  });
  const auto* found =
      std::find_if(table.begin(), table.end(), [name](const auto& row) { return row.first == name; });
  return found != table.end() ? found->second : nullptr;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char* name) {
  if (auto* const ours = find(name)) {
    return ours;
  }
  return real<PFN_vkGetDeviceProcAddr>("vkGetDeviceProcAddr")(device, name);
}
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_function(VkInstance instance, const char* name) {
  if (std::string_view(name) == "vkGetDeviceProcAddr") {
    return plain(&device_function);
  }
  if (auto* const ours = find(name)) {
    return ours;
  }
  return real_entry(instance, name);
}

}  // namespace

CountedDriver& CountedDriver::instance() {
  return counted;
}

cw_vulkan_adopt_v1 CountedDriver::before(const cw_vulkan_adopt_v1& real) {
  counted = CountedDriver{};
  real_entry = real.get_instance_proc_addr;
  real_instance = real.instance;
  auto words = real;
  words.get_instance_proc_addr = &instance_function;
  return words;
}

}  // namespace causeway::test
