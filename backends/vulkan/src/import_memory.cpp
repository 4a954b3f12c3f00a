// SPDX-License-Identifier: Apache-2.0
#include "import_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <causeway/plugin/descriptor.hpp>
#include <string>

#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

/// The type to import into: one that the resource and the handle both allow
/// (VUID-VkMemoryAllocateInfo-memoryTypeIndex-00648 and -01744).
Result<std::uint32_t> common_type(const Context& context, std::uint32_t resource, std::uint32_t handle,
                                  const char* command) {
  const int type = context.physical.pick_memory_type(resource & handle);
  if (type < 0) {
    return Error(Errc::Unsupported, command,
                 fmt::format("no memory type suits: the resource allows {:#x}, the imported memory {:#x}",
                             resource, handle));
  }
  return static_cast<std::uint32_t>(type);
}

void after_failure(const Context& context, UniqueFd& given, FdHabit::Answer habit, VkResult result) {
  switch (habit) {
    case FdHabit::Answer::Leaves: given.reset(); return;
    case FdHabit::Answer::Closes: static_cast<void>(given.release()); return;
    case FdHabit::Answer::Unknown:
      // A descriptor too many can be seen and does no harm; one closed twice is somebody else's.
      context.host.log(CW_LOG_WARNING,
                       fmt::format("vkAllocateMemory on {} failed with {}, and it is not known whether this "
                                   "driver closed descriptor {}; it is left alone",
                                   context.name(), to_string(result), given.get()));
      static_cast<void>(given.release());
      return;
  }
}

}  // namespace

Result<Memory> import_fd(const Context& context, BorrowedFd fd, const ImportRequest& request) {
  constexpr auto kHandle = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
  VkMemoryFdPropertiesKHR properties{VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR, nullptr, 0};
  VkResult result = context.api.GetMemoryFdPropertiesKHR(context.device, kHandle, fd.get(), &properties);
  if (result != VK_SUCCESS) {
    return vk_error("vkGetMemoryFdPropertiesKHR", result, "asking for the memory types of the descriptor");
  }
  auto type =
      common_type(context, request.type_bits, properties.memoryTypeBits, "vkGetMemoryFdPropertiesKHR");
  if (!type) {
    return std::move(type.error());
  }
  auto given = plugin::duplicate(context.host, fd.get(), "a memory object");  // the driver keeps it
  if (!given) {
    return std::move(given.error());
  }
  const VkImportMemoryFdInfoKHR import{VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR, request.dedicated,
                                       kHandle, given->get()};
  const VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &import, request.size, *type};
  VkDeviceMemory memory = VK_NULL_HANDLE;
  result = context.api.AllocateMemory(context.device, &info, nullptr, &memory);
  if (result != VK_SUCCESS) {
    after_failure(context, *given, context.fd_habit.after(result), result);
    return vk_error("vkAllocateMemory", result, fmt::format("importing {} bytes as a dma-buf", request.size));
  }
  static_cast<void>(given->release());  // the driver's now
  return Memory(context, memory, {request.size, *type, request.dedicated != nullptr});
}

Result<Memory> import_opaque(const Context& context, OpaqueMemory shared, std::uint32_t type_bits) {
  if ((type_bits >> shared.memory_type & 1U) == 0) {
    return Error(Errc::Unsupported, "attach",
                 fmt::format("the shared memory is of type {}, and the buffer allows {:#x}",
                             shared.memory_type, type_bits));
  }
  const VkImportMemoryFdInfoKHR import{VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR, nullptr,
                                       VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT, shared.fd.get()};
  const VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &import, shared.allocation_size,
                                  shared.memory_type};
  VkDeviceMemory memory = VK_NULL_HANDLE;
  const VkResult result = context.api.AllocateMemory(context.device, &info, nullptr, &memory);
  if (result != VK_SUCCESS) {
    after_failure(context, shared.fd, context.fd_habit.after_other_kind(), result);
    return vk_error("vkAllocateMemory", result,
                    fmt::format("importing {} bytes as OPAQUE_FD", shared.allocation_size));
  }
  static_cast<void>(shared.fd.release());  // the driver's now
  return Memory(context, memory);
}

Result<Memory> import_host_pointer(const Context& context, void* address, const ImportRequest& request) {
  constexpr auto kHandle = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
  VkMemoryHostPointerPropertiesEXT properties{VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT, nullptr,
                                              0};
  VkResult result =
      context.api.GetMemoryHostPointerPropertiesEXT(context.device, kHandle, address, &properties);
  if (result != VK_SUCCESS) {
    return vk_error("vkGetMemoryHostPointerPropertiesEXT", result,
                    "asking for the memory types of an address");
  }
  auto type = common_type(context, request.type_bits, properties.memoryTypeBits,
                          "vkGetMemoryHostPointerPropertiesEXT");
  if (!type) {
    return std::move(type.error());
  }
  // A dedicated allocation is not possible here (VUID-VkMemoryAllocateInfo-pNext-02806).
  const VkImportMemoryHostPointerInfoEXT import{VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
                                                nullptr, kHandle, address};
  const VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &import, request.size, *type};
  VkDeviceMemory memory = VK_NULL_HANDLE;
  result = context.api.AllocateMemory(context.device, &info, nullptr, &memory);
  if (result != VK_SUCCESS) {
    return vk_error("vkAllocateMemory", result,
                    fmt::format("importing {} bytes of CPU memory by their address", request.size));
  }
  return Memory(context, memory);
}

}  // namespace causeway::vulkan_backend
