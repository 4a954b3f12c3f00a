// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_fake_image.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "host/vulkan_fake_driver.hpp"
#include "host/vulkan_fake_queue.hpp"

namespace causeway::test {
namespace {

FakeImage image;
VkDeviceSize pitch = 0;  // of the image made last
PFN_vkVoidFunction (*rest)(std::string_view name) = nullptr;

template <class Struct>
Struct* find_next(void* next, VkStructureType type) {
  for (auto* one = static_cast<VkBaseOutStructure*>(next); one != nullptr; one = one->pNext) {
    if (one->sType == type) {
      return reinterpret_cast<Struct*>(one);
    }
  }
  return nullptr;
}

VKAPI_ATTR void VKAPI_CALL format(VkPhysicalDevice, VkFormat, VkFormatProperties2* out) {
  auto* list = find_next<VkDrmFormatModifierPropertiesListEXT>(
      out->pNext, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT);
  if (list != nullptr) {
    if (list->pDrmFormatModifierProperties != nullptr && list->drmFormatModifierCount > 0) {
      *list->pDrmFormatModifierProperties = {0, 1, ~VkFormatFeatureFlags{0}};
    }
    list->drmFormatModifierCount = 1;
  }
}
VKAPI_ATTR VkResult VKAPI_CALL image_format(VkPhysicalDevice, const VkPhysicalDeviceImageFormatInfo2* info,
                                            VkImageFormatProperties2* out) {
  if (info->tiling != VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT) {
    return VK_ERROR_FORMAT_NOT_SUPPORTED;
  }
  out->imageFormatProperties = {{4096, 4096, 1}, 1, 1, VK_SAMPLE_COUNT_1_BIT, VkDeviceSize{1} << 30U};
  if (auto* external = find_next<VkExternalImageFormatProperties>(
          out->pNext, VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES)) {
    external->externalMemoryProperties.externalMemoryFeatures = VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
  }
  return VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL create(VkDevice, const VkImageCreateInfo* info, const VkAllocationCallbacks*,
                                      VkImage* out) {
  const auto* layout = find_next<VkImageDrmFormatModifierExplicitCreateInfoEXT>(
      const_cast<void*>(info->pNext), VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT);
  pitch = layout != nullptr ? layout->pPlaneLayouts[0].rowPitch : 0;
  ++image.images;
  *out = reinterpret_cast<VkImage>(std::uintptr_t{0x8000} + static_cast<unsigned>(image.images));
  return VK_SUCCESS;
}
VKAPI_ATTR void VKAPI_CALL destroy(VkDevice, VkImage, const VkAllocationCallbacks*) {
  --image.images;
}
VKAPI_ATTR void VKAPI_CALL layout(VkDevice, VkImage, const VkImageSubresource*, VkSubresourceLayout* out) {
  *out = {0, 0, pitch, 0, 0};
}
VKAPI_ATTR void VKAPI_CALL requirements(VkDevice, const VkImageMemoryRequirementsInfo2*,
                                        VkMemoryRequirements2* out) {
  out->memoryRequirements = {4096, 64, 1};
}
VKAPI_ATTR void VKAPI_CALL barrier(VkCommandBuffer commands, VkPipelineStageFlags, VkPipelineStageFlags,
                                   VkDependencyFlags, std::uint32_t, const VkMemoryBarrier*, std::uint32_t,
                                   const VkBufferMemoryBarrier*, std::uint32_t count,
                                   const VkImageMemoryBarrier* barriers) {
  auto& recorded = image.barriers[commands];
  recorded.insert(recorded.end(), barriers, barriers + count);
}

template <class Function>
PFN_vkVoidFunction plain(Function* function) {
  return reinterpret_cast<PFN_vkVoidFunction>(function);
}

PFN_vkVoidFunction find(std::string_view name) {
  static const auto table = std::to_array<std::pair<std::string_view, PFN_vkVoidFunction>>({
      {"vkGetPhysicalDeviceFormatProperties2", plain(&format)},
      {"vkGetPhysicalDeviceImageFormatProperties2", plain(&image_format)},
      {"vkCreateImage", plain(&create)},
      {"vkDestroyImage", plain(&destroy)},
      {"vkGetImageSubresourceLayout", plain(&layout)},
      {"vkGetImageMemoryRequirements2", plain(&requirements)},
      {"vkCmdPipelineBarrier", plain(&barrier)},
  });
  const auto* found =
      std::find_if(table.begin(), table.end(), [name](const auto& row) { return row.first == name; });
  return found != table.end() ? found->second : rest(name);
}

}  // namespace

FakeImage& FakeImage::instance() {
  return image;
}

void FakeImage::reset() {
  image = FakeImage{};
  FakeQueue::reset();
  rest = std::exchange(FakeDriver::instance().more, &find);
}

}  // namespace causeway::test
