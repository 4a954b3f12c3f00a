// SPDX-License-Identifier: Apache-2.0
#include "import_buffer.hpp"

#include <causeway/vulkan_abi.h>
#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "vk_error.hpp"

namespace causeway::vulkan_backend {
namespace {

struct FreshBuffer {
  ImportedBuffer buffer;
  ImportRequest request;
  bool dedicated;
};

/// A buffer of that size for memory of that kind, and what it requires of the memory.
Result<FreshBuffer> make_buffer(const Context& context, VkDeviceSize size,
                                VkExternalMemoryHandleTypeFlagBits handle) {
  // Whether this kind can be imported at all (section 11.2.6, VkExternalMemoryFeatureFlagBits).
  const VkPhysicalDeviceExternalBufferInfo question{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
                                                    nullptr, 0, kBufferUsage, handle};
  VkExternalBufferProperties answer{VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES, nullptr, {}};
  context.instance_api.GetPhysicalDeviceExternalBufferProperties(context.physical.handle, &question, &answer);
  const auto features = answer.externalMemoryProperties.externalMemoryFeatures;
  if ((features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) == 0) {
    return Error(Errc::Unsupported, "vkGetPhysicalDeviceExternalBufferProperties",
                 "the driver imports no buffers of this kind");
  }
  const VkExternalMemoryBufferCreateInfo external{VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
                                                  nullptr,
                                                  static_cast<VkExternalMemoryHandleTypeFlags>(handle)};
  const VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                &external,
                                0,
                                size,
                                kBufferUsage,
                                VK_SHARING_MODE_EXCLUSIVE,
                                0,
                                nullptr};
  VkBuffer created = VK_NULL_HANDLE;
  if (const VkResult result = context.api.CreateBuffer(context.device, &info, nullptr, &created);
      result != VK_SUCCESS) {
    return vk_error("vkCreateBuffer", result, fmt::format("making a buffer of {} bytes", size));
  }
  ImportedBuffer buffer(context, created);

  VkMemoryDedicatedRequirements dedicated{VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS, nullptr, VK_FALSE,
                                          VK_FALSE};
  VkMemoryRequirements2 requirements{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, &dedicated, {}};
  const VkBufferMemoryRequirementsInfo2 which{VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2, nullptr,
                                              created};
  context.api.GetBufferMemoryRequirements2(context.device, &which, &requirements);
  const auto& needs = requirements.memoryRequirements;
  if (needs.size > size) {
    // Binding would reach beyond the memory (VUID-vkBindBufferMemory-size-01037).
    return Error(
        Errc::Unsupported, "vkGetBufferMemoryRequirements2",
        fmt::format("a buffer of {} bytes needs {} bytes of memory on this driver, and the object has {}",
                    size, needs.size, size));
  }
  const bool alone = dedicated.requiresDedicatedAllocation == VK_TRUE ||
                     (features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0;
  return FreshBuffer{std::move(buffer), {alone ? needs.size : size, needs.memoryTypeBits, nullptr}, alone};
}

Result<ImportedBuffer> by_dma_buf(const Context& context, const cw_object& object,
                                  const plugin::CheckedObject& checked) {
  if (!context.extensions.dma_buf()) {
    return Error(Errc::Unsupported, "attach",
                 "VK_KHR_external_memory_fd and VK_EXT_external_memory_dma_buf are not both enabled");
  }
  if (!checked.is_dma_buf && !context.imports_memfd) {
    return Error(Errc::Unsupported, "attach", "it is a memfd, and this driver takes only dma-bufs");
  }
  if (!checked.writable && (!checked.is_dma_buf || context.physical.on_cpu())) {
    return Error(Errc::Unsupported, "attach", "it is read-only, and this driver maps it for writing");
  }
  auto fresh = make_buffer(context, object.size, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT);
  if (!fresh) {
    return std::move(fresh.error());
  }
  const VkMemoryDedicatedAllocateInfo dedicated{VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, nullptr,
                                                VK_NULL_HANDLE, fresh->buffer.buffer()};
  fresh->request.dedicated = fresh->dedicated ? &dedicated : nullptr;
  auto memory = import_fd(context, BorrowedFd(object.fd), fresh->request);
  if (!memory) {
    return std::move(memory.error());
  }
  if (auto status = fresh->buffer.bind(std::move(*memory), ImportPath::DmaBuf); !status) {
    return std::move(status.error());
  }
  return std::move(fresh->buffer);
}

Result<ImportedBuffer> by_opaque_fd(const Context& context, const cw_object& object,
                                    const plugin::CheckedObject& /*checked*/) {
  if (!context.extensions.has(VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME)) {
    return Error(Errc::Unsupported, "attach", "VK_KHR_external_memory_fd is not enabled");
  }
  auto shared = PeerMemory::of_process().share({object.device_number, object.inode}, context);
  if (!shared) {
    return std::move(shared.error());
  }
  auto fresh = make_buffer(context, object.size, VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT);
  if (!fresh) {
    return std::move(fresh.error());
  }
  if (fresh->request.size > shared->allocation_size) {
    return Error(Errc::Unsupported, "attach",
                 fmt::format("the buffer needs {} bytes, and the shared memory has {}", fresh->request.size,
                             shared->allocation_size));
  }
  auto memory = import_opaque(context, std::move(*shared), fresh->request.type_bits);
  if (!memory) {
    return std::move(memory.error());
  }
  if (auto status = fresh->buffer.bind(std::move(*memory), ImportPath::OpaqueFd); !status) {
    return std::move(status.error());
  }
  return std::move(fresh->buffer);
}

Result<ImportedBuffer> by_host_pointer(const Context& context, const cw_object& object,
                                       const plugin::CheckedObject& checked) {
  if (!context.extensions.host_pointer()) {
    return Error(Errc::Unsupported, "attach", "VK_EXT_external_memory_host is not enabled");
  }
  if (!checked.writable) {
    // Drivers pin such pages for writing, or write without asking: lavapipe would take SIGSEGV.
    return Error(Errc::Unsupported, "attach", "it is read-only, and host memory is imported for writing");
  }
  const VkDeviceSize align = context.physical.host_pointer_align;
  // VUID-VkMemoryAllocateInfo-allocationSize-01745
  if (align == 0 || object.size % align != 0) {
    return Error(Errc::Unsupported, "attach",
                 fmt::format("its size of {} bytes is no multiple of minImportedHostPointerAlignment, {}",
                             object.size, align));
  }
  auto address = context.host.map_object(object.ref);
  if (!address) {
    return std::move(address.error());
  }
  // VUID-VkImportMemoryHostPointerInfoEXT-pHostPointer-01749
  if (reinterpret_cast<std::uintptr_t>(*address) % align != 0) {
    return Error(Errc::Unsupported, "attach",
                 fmt::format("its CPU address {} is no multiple of minImportedHostPointerAlignment, {}",
                             static_cast<void*>(*address), align));
  }
  auto fresh = make_buffer(context, object.size, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT);
  if (!fresh) {
    return std::move(fresh.error());
  }
  fresh->request.size = object.size;
  auto memory = import_host_pointer(context, *address, fresh->request);
  if (!memory) {
    return std::move(memory.error());
  }
  if (auto status = fresh->buffer.bind(std::move(*memory), ImportPath::HostPointer); !status) {
    return std::move(status.error());
  }
  return std::move(fresh->buffer);
}

}  // namespace

Status ImportedBuffer::bind(Memory memory, ImportPath path) {
  memory_ = std::move(memory);
  path_ = path;
  const VkResult result = context_->api.BindBufferMemory(context_->device, buffer_, memory_.get(), 0);
  if (result != VK_SUCCESS) {
    return vk_error("vkBindBufferMemory", result, "giving the imported memory to its buffer");
  }
  return {};
}

Result<ImportedBuffer> import_buffer(const Context& context, const cw_object& object,
                                     const plugin::CheckedObject& checked, std::uint32_t pinned) {
  struct Step {
    std::uint32_t pin;
    const char* way;
    Result<ImportedBuffer> (*import)(const Context&, const cw_object&, const plugin::CheckedObject&);
  };
  constexpr std::array<Step, 3> kLadder{
      {{CW_VULKAN_IMPORT_DMA_BUF, "as a dma-buf", &by_dma_buf},
       {CW_VULKAN_IMPORT_OPAQUE_FD, "as OPAQUE_FD", &by_opaque_fd},
       {CW_VULKAN_IMPORT_HOST_POINTER, "by host pointer", &by_host_pointer}}};
  std::optional<Error> decisive;
  std::string reasons;
  for (const auto& step : kLadder) {
    reasons += fmt::format("; {}: ", step.way);
    if (pinned != CW_VULKAN_IMPORT_ANY && pinned != step.pin) {
      reasons += "left out, since the device's imports are pinned to another step";
      continue;
    }
    auto imported = step.import(context, object, checked);
    if (imported || imported.error().code() == Errc::DeviceLost) {
      return imported;
    }
    reasons += imported.error().detail();
    // What a program should branch on is the reason of the step that came furthest: running out of something
    // beats not being possible.
    if (!decisive || decisive->code() == Errc::Unsupported) {
      decisive = std::move(imported.error());
    }
  }
  return Error(decisive->code(), decisive->operation(),
               fmt::format("{} cannot import it{}", context.name(), reasons), decisive->system_errno());
}

}  // namespace causeway::vulkan_backend
