// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_fake_modifiers.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "host/vulkan_fake_driver.hpp"

namespace causeway::test {
namespace {

FakeModifiers fake;
constexpr std::array<const char*, 3> kExtensions{VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
                                                 VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
                                                 VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME};

template <class Struct>
Struct* find_next(const void* next, VkStructureType type) {
  auto* one = static_cast<VkBaseOutStructure*>(const_cast<void*>(next));
  while (one != nullptr && one->sType != type) {
    one = one->pNext;
  }
  return reinterpret_cast<Struct*>(one);
}

void expect(bool sound, const char* rule) {
  if (!sound) {
    fake.faults.emplace_back(rule);
  }
}

bool disjoint() {
  return (fake.created.flags & VK_IMAGE_CREATE_DISJOINT_BIT) != 0;
}
bool tiled() {
  return fake.created.tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
}

VkFormatFeatureFlags features(const FakeModifiers::Modifier& one) {
  const VkFormatFeatureFlags all = ~VkFormatFeatureFlags{0};
  return one.disjoint ? all : all & ~VkFormatFeatureFlags{VK_FORMAT_FEATURE_DISJOINT_BIT};
}

VKAPI_ATTR void VKAPI_CALL format(VkPhysicalDevice, VkFormat, VkFormatProperties2* out) {
  out->formatProperties.linearTilingFeatures = fake.linear ? ~VkFormatFeatureFlags{0} : 0;
  auto* list = find_next<VkDrmFormatModifierPropertiesListEXT>(
      out->pNext, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT);
  if (list == nullptr) {
    return;
  }
  for (std::uint32_t i = 0; list->pDrmFormatModifierProperties != nullptr && i < list->drmFormatModifierCount;
       ++i) {
    list->pDrmFormatModifierProperties[i] = {fake.offers[i].value, fake.offers[i].memory_planes,
                                             features(fake.offers[i])};
  }
  list->drmFormatModifierCount = static_cast<std::uint32_t>(fake.offers.size());
}

VKAPI_ATTR VkResult VKAPI_CALL image_format(VkPhysicalDevice, const VkPhysicalDeviceImageFormatInfo2* info,
                                            VkImageFormatProperties2* out) {
  const auto* modifier = find_next<VkPhysicalDeviceImageDrmFormatModifierInfoEXT>(
      info->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT);
  const bool by_modifier = info->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
  expect(by_modifier == (modifier != nullptr), "VUID-VkPhysicalDeviceImageFormatInfo2-tiling-02249");
  out->imageFormatProperties = {{4096, 4096, 1}, 1, 1, VK_SAMPLE_COUNT_1_BIT, VkDeviceSize{1} << 30U};
  auto* external = find_next<VkExternalImageFormatProperties>(
      out->pNext, VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES);
  external->externalMemoryProperties.externalMemoryFeatures =
      VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT |
      (fake.exports ? VkExternalMemoryFeatureFlags{VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT} : 0U) |
      (fake.dedicated_only ? VkExternalMemoryFeatureFlags{VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT}
                           : 0U);
  const bool known = modifier == nullptr ||
                     std::any_of(fake.offers.begin(), fake.offers.end(),
                                 [&](const auto& one) { return one.value == modifier->drmFormatModifier; });
  return known && (by_modifier || fake.linear) ? VK_SUCCESS : VK_ERROR_FORMAT_NOT_SUPPORTED;
}

VKAPI_ATTR VkResult VKAPI_CALL create(VkDevice, const VkImageCreateInfo* info, const VkAllocationCallbacks*,
                                      VkImage* out) {
  if (const VkResult fails = std::exchange(fake.create_fails, VK_SUCCESS); fails != VK_SUCCESS) {
    return fails;
  }
  fake.created = *info;
  fake.planes.clear();
  fake.list.clear();
  const auto* external = find_next<const VkExternalMemoryImageCreateInfo>(
      info->pNext, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO);
  expect(external != nullptr && external->handleTypes == VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
         "VUID-VkBindImageMemoryInfo-memory-02989");
  expect(info->initialLayout == VK_IMAGE_LAYOUT_UNDEFINED, "VUID-VkImageCreateInfo-pNext-01443");
  const auto* layout = find_next<const VkImageDrmFormatModifierExplicitCreateInfoEXT>(
      info->pNext, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT);
  const auto* list = find_next<const VkImageDrmFormatModifierListCreateInfoEXT>(
      info->pNext, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT);
  expect(tiled() == ((layout != nullptr) != (list != nullptr)), "VUID-VkImageCreateInfo-tiling-02261");
  if (layout != nullptr) {
    const auto found = std::find_if(fake.offers.begin(), fake.offers.end(),
                                    [&](const auto& one) { return one.value == layout->drmFormatModifier; });
    expect(found != fake.offers.end() && found->memory_planes == layout->drmFormatModifierPlaneCount,
           "VUID-VkImageDrmFormatModifierExplicitCreateInfoEXT-drmFormatModifierPlaneCount-02265");
    fake.planes.assign(layout->pPlaneLayouts, layout->pPlaneLayouts + layout->drmFormatModifierPlaneCount);
    for (const auto& plane : fake.planes) {
      expect(plane.size == 0 && plane.arrayPitch == 0 && plane.depthPitch == 0,
             "VUID-VkImageDrmFormatModifierExplicitCreateInfoEXT-size-02267");
    }
  }
  if (list != nullptr) {
    fake.list.assign(list->pDrmFormatModifiers, list->pDrmFormatModifiers + list->drmFormatModifierCount);
  }
  ++fake.images;
  *out = reinterpret_cast<VkImage>(std::uintptr_t{0x8000});
  return VK_SUCCESS;
}
VKAPI_ATTR void VKAPI_CALL destroy(VkDevice, VkImage, const VkAllocationCallbacks*) {
  --fake.images;
}

std::size_t memory_plane(VkImageAspectFlags aspect) {
  constexpr std::array<VkImageAspectFlags, 4> kPlanes{
      VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT, VK_IMAGE_ASPECT_MEMORY_PLANE_1_BIT_EXT,
      VK_IMAGE_ASPECT_MEMORY_PLANE_2_BIT_EXT, VK_IMAGE_ASPECT_MEMORY_PLANE_3_BIT_EXT};
  const auto* found = std::find(kPlanes.begin(), kPlanes.end(), aspect);
  expect(found != kPlanes.end() || !tiled(), "VUID-vkGetImageSubresourceLayout-tiling-02271");
  return static_cast<std::size_t>(found - kPlanes.begin());
}

VKAPI_ATTR void VKAPI_CALL layout(VkDevice, VkImage, const VkImageSubresource* which,
                                  VkSubresourceLayout* out) {
  const std::size_t plane = memory_plane(which->aspectMask);
  *out = {};
  out->rowPitch = fake.stride;
  if (plane < fake.planes.size()) {
    *out = fake.planes[plane];
  } else if (tiled()) {
    out->offset = plane * fake.needs / 2;
  }
}
VKAPI_ATTR void VKAPI_CALL requirements(VkDevice, const VkImageMemoryRequirementsInfo2* which,
                                        VkMemoryRequirements2* out) {
  const auto* plane = find_next<const VkImagePlaneMemoryRequirementsInfo>(
      which->pNext, VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO);
  expect(disjoint() == (plane != nullptr), "VUID-VkImageMemoryRequirementsInfo2-image-01589");
  if (plane != nullptr) {
    memory_plane(plane->planeAspect);
  }
  out->memoryRequirements = {fake.needs, 64, 1};
  if (auto* dedicated = find_next<VkMemoryDedicatedRequirements>(
          out->pNext, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS)) {
    dedicated->requiresDedicatedAllocation = fake.dedicated_only ? VK_TRUE : VK_FALSE;
  }
}
VKAPI_ATTR VkResult VKAPI_CALL bind(VkDevice, std::uint32_t count, const VkBindImageMemoryInfo* infos) {
  fake.bound.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto* plane = find_next<const VkBindImagePlaneMemoryInfo>(
        infos[i].pNext, VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO);
    expect(disjoint() == (plane != nullptr), "VUID-VkBindImageMemoryInfo-image-07736");
    expect(infos[i].memoryOffset % 64 == 0, "VUID-VkBindImageMemoryInfo-pNext-01616");
    expect(!fake.dedicated_only || infos[i].memoryOffset == 0, "VUID-VkBindImageMemoryInfo-memory-02628");
    fake.bound.push_back({plane != nullptr ? VkImageAspectFlags{plane->planeAspect} : 0U, infos[i].memory,
                          infos[i].memoryOffset});
  }
  expect(!disjoint() || count == std::max<std::size_t>(fake.planes.size(), 2),
         "VUID-vkBindImageMemory2-pBindInfos-02858");
  return std::exchange(fake.bind_fails, VK_SUCCESS);
}
VKAPI_ATTR VkResult VKAPI_CALL bind_one(VkDevice device, VkImage image, VkDeviceMemory memory,
                                        VkDeviceSize at) {
  const VkBindImageMemoryInfo info{VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO, nullptr, image, memory, at};
  return bind(device, 1, &info);
}

VKAPI_ATTR VkResult VKAPI_CALL chosen(VkDevice, VkImage, VkImageDrmFormatModifierPropertiesEXT* out) {
  expect(!fake.list.empty(), "VUID-vkGetImageDrmFormatModifierPropertiesEXT-image-02272");
  out->drmFormatModifier =
      fake.list.back();  // any of them is right; not the caller's first, so that it shows
  return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL allocate(VkDevice device, const VkMemoryAllocateInfo* info,
                                        const VkAllocationCallbacks* allocator, VkDeviceMemory* out) {
  const auto* dedicated = find_next<const VkMemoryDedicatedAllocateInfo>(
      info->pNext, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
  if (dedicated != nullptr && dedicated->image != VK_NULL_HANDLE) {
    expect(!disjoint(), "VUID-VkMemoryDedicatedAllocateInfo-image-01797");
    expect(info->allocationSize == fake.needs, "VUID-VkMemoryDedicatedAllocateInfo-image-02964");
    fake.dedicated.push_back(info->allocationSize);
  }
  static const auto real = [] {
    auto* more = std::exchange(FakeDriver::instance().more, nullptr);
    const auto words = FakeDriver::words();
    const auto found = reinterpret_cast<PFN_vkAllocateMemory>(
        words.get_instance_proc_addr(words.instance, "vkAllocateMemory"));
    FakeDriver::instance().more = more;
    return found;
  }();
  return real(device, info, allocator, out);
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
      {"vkBindImageMemory2", plain(&bind)},
      {"vkBindImageMemory", plain(&bind_one)},
      {"vkGetImageDrmFormatModifierPropertiesEXT", plain(&chosen)},
      {"vkAllocateMemory", plain(&allocate)},
  });
  const auto* found =
      std::find_if(table.begin(), table.end(), [name](const auto& row) { return row.first == name; });
  return found != table.end() ? found->second : nullptr;
}

}  // namespace

FakeModifiers& FakeModifiers::instance() {
  return fake;
}

void FakeModifiers::reset() {
  fake = FakeModifiers{};
  FakeDriver::reset();
  FakeDriver::instance().more = &find;
}

cw_vulkan_adopt_v1 FakeModifiers::words() {
  auto words = FakeDriver::words();
  words.extensions = kExtensions.data();
  words.extension_count = static_cast<std::uint32_t>(kExtensions.size());
  words.flags |= CW_VULKAN_ADOPT_SAMPLER_YCBCR_CONVERSION;
  return words;
}

}  // namespace causeway::test
