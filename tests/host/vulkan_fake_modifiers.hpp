// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace causeway::test {

/// A driver with modifiers of its own, for what lavapipe has not: tiled images, images of several memory
/// planes, images over several objects. It checks each call against the specification, and does nothing else.
/// It comes in as FakeDriver does, whose memory and buffers it has; reset() puts it in and starts afresh.
struct FakeModifiers {
  struct Modifier {
    std::uint64_t value;
    std::uint32_t memory_planes;
    bool disjoint = true;  ///< VK_FORMAT_FEATURE_DISJOINT_BIT
  };
  std::vector<Modifier> offers;
  bool linear = false;                 ///< VK_IMAGE_TILING_LINEAR as well
  bool dedicated_only = false;         ///< VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT
  bool exports = false;                ///< VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT
  VkDeviceSize needs = 4096;           ///< bytes of an image, or of a memory plane of a disjoint one
  std::uint32_t stride = 0;            ///< of the images that it lays out itself
  VkResult create_fails = VK_SUCCESS;  ///< once
  VkResult bind_fails = VK_SUCCESS;    ///< once

  struct Bound {
    VkImageAspectFlags plane;  ///< 0: the whole image
    VkDeviceMemory memory;
    VkDeviceSize offset;
  };
  int images = 0;                           ///< alive
  VkImageCreateInfo created{};              ///< the last one; its pNext is dangling
  std::vector<VkSubresourceLayout> planes;  ///< of its explicit layout
  std::vector<std::uint64_t> list;          ///< of its list of modifiers
  std::vector<Bound> bound;                 ///< by the last vkBindImageMemory2
  std::vector<VkDeviceSize> dedicated;      ///< allocationSize of each import for an image alone
  std::vector<std::string> faults;          ///< what the specification forbids, and was done

  static FakeModifiers& instance();
  static void reset();
  /// To be handed to the backend.
  static cw_vulkan_adopt_v1 words();
};

}  // namespace causeway::test
