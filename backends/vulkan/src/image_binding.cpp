// SPDX-License-Identifier: Apache-2.0
#include "image_binding.hpp"

#include <fmt/format.h>

#include "vk_error.hpp"

namespace causeway::vulkan_backend {

ImageBinding::Needs ImageBinding::ask(VkImageAspectFlagBits aspect) const {
  VkMemoryDedicatedRequirements dedicated{VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS, nullptr, VK_FALSE,
                                          VK_FALSE};
  VkMemoryRequirements2 found{VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2, &dedicated, {}};
  const VkImagePlaneMemoryRequirementsInfo plane{VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO,
                                                 nullptr, aspect};
  const bool whole = aspect == VK_IMAGE_ASPECT_NONE;
  const VkImageMemoryRequirementsInfo2 which{VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2,
                                             whole ? nullptr : &plane, image_.image()};
  context_.api.GetImageMemoryRequirements2(context_.device, &which, &found);
  // A driver that only prefers memory of its own for the image keeps there how it is laid out.
  return {found.memoryRequirements, whole && (dedicated_only_ || dedicated.requiresDedicatedAllocation != 0 ||
                                              dedicated.prefersDedicatedAllocation != 0)};
}

Result<VkDeviceMemory> ImageBinding::memory_for(const PlaneSource& plane, VkDeviceSize at,
                                                const Needs& needs) {
  const auto& shared = plane.buffer->backing();
  if (!needs.dedicated && !shared.facts().dedicated &&
      (needs.memory.memoryTypeBits >> shared.facts().type & 1U) != 0 && at <= shared.facts().size &&
      needs.memory.size <= shared.facts().size - at) {
    return shared.get();
  }
  if (needs.dedicated && at != 0) {  // VUID-VkBindImageMemoryInfo-memory-02628
    return Error(
        Errc::Unsupported, "vkGetImageMemoryRequirements2",
        fmt::format("the image begins at byte {} of its object, and {} imports it with memory of its "
                    "own, from byte 0 on",
                    at, context_.name()));
  }
  if (needs.dedicated && plane.end > at + needs.memory.size) {
    return Error(Errc::Unsupported, "vkGetImageMemoryRequirements2",
                 fmt::format("the image reaches to byte {} of its object, and {} would import {} bytes alone",
                             plane.end, context_.name(), needs.memory.size));
  }
  const VkMemoryDedicatedAllocateInfo dedicated{VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, nullptr,
                                                image_.image(), VK_NULL_HANDLE};
  auto memory = import_fd(context_, BorrowedFd(plane.object->fd),
                          {needs.dedicated ? needs.memory.size : plane.object->size,
                           needs.memory.memoryTypeBits, needs.dedicated ? &dedicated : nullptr});
  if (!memory) {
    return std::move(memory.error());
  }
  const VkDeviceMemory handle = memory->get();
  image_.keep(std::move(*memory));
  return handle;
}

Status ImageBinding::add(const PlaneSource& plane, VkDeviceSize at, VkImageAspectFlagBits aspect) {
  const Needs needs = ask(aspect);
  // VUID-VkBindImageMemoryInfo-pNext-01616 and -01620
  if (needs.memory.alignment > 1 && at % needs.memory.alignment != 0) {
    return Error(Errc::Unsupported, "vkGetImageMemoryRequirements2",
                 fmt::format("a plane starts at byte {} of its object, and {} wants a multiple of {}", at,
                             context_.name(), needs.memory.alignment));
  }
  // VUID-VkBindImageMemoryInfo-pNext-01617 and -01621. Of one plane some drivers ask for the size of the
  // whole image (lavapipe).
  if (at > plane.object->size || needs.memory.size > plane.object->size - at) {
    return Error(
        Errc::Unsupported, "vkGetImageMemoryRequirements2",
        fmt::format("the image needs {} bytes of memory from byte {} on, on {}, and the object has {}",
                    needs.memory.size, at, context_.name(), plane.object->size));
  }
  auto memory = memory_for(plane, at, needs);
  if (!memory) {
    return std::move(memory.error());
  }
  if (count_ == 0) {
    image_.note_first(*memory);
  }
  planes_.at(count_) = {VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO, nullptr, aspect};
  parts_.at(count_) = {VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO,
                       aspect == VK_IMAGE_ASPECT_NONE ? nullptr : &planes_.at(count_), image_.image(),
                       *memory, at};
  ++count_;
  return {};
}

Status ImageBinding::bind() {
  const VkResult result = context_.api.BindImageMemory2(context_.device, count_, parts_.data());
  if (result != VK_SUCCESS) {
    return vk_error("vkBindImageMemory2", result, "giving the imported memory to its image");
  }
  return {};
}

}  // namespace causeway::vulkan_backend
