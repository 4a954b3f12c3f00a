// SPDX-License-Identifier: Apache-2.0
#pragma once

// Vulkan for users of Causeway: the only header that brings Vulkan's in, and it brings vulkan_core.h alone.
// Nothing of Vulkan is linked: the functions come from the caller's vkGetInstanceProcAddr, or from the
// machine's loader when open() makes the device.

#include <causeway/vulkan_abi.h>
#include <causeway/attachment.hpp>
#include <causeway/device.hpp>
#include <causeway/result.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace causeway {

class Runtime;

namespace vulkan {

/// The caller's device, queue and list of enabled extensions: what Vulkan cannot be asked for.
/// See cw_vulkan_adopt_v1 for who owns what and for how long. Threads: reentrant (a value).
struct AdoptInfo {
  PFN_vkGetInstanceProcAddr get_instance_proc_addr = nullptr;
  std::uint32_t api_version = 0;  ///< VkApplicationInfo::apiVersion of the instance; at least 1.1
  VkInstance instance = VK_NULL_HANDLE;
  VkPhysicalDevice physical_device = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  std::uint32_t queue_family = 0;
  std::span<const char* const> enabled_extensions{};
  /// Both or neither: around the few submissions of the alias proof, if others submit to the queue meanwhile.
  void* lock_context = nullptr;
  void (*lock_queue)(void*) = nullptr;
  void (*unlock_queue)(void*) = nullptr;
};

/// The handles of a device, own or adopted. Lent: they live as long as the Device.
/// Threads: reentrant (a value).
struct Handles {
  PFN_vkGetInstanceProcAddr get_instance_proc_addr;
  std::uint32_t api_version;  ///< the lower one of instance and device
  VkInstance instance;
  VkPhysicalDevice physical_device;
  VkDevice device;
  VkQueue queue;
  std::uint32_t queue_family;
  std::span<const char* const> enabled_extensions;
};

/// A mapping, as Vulkan sees it; documented in vulkan_abi.h.
using View = cw_vulkan_view_v1;

/// Opens a device of the machine. id: an index, a part of its name, or empty for the best.
/// Errors: NotFound (no loader, driver or such device), Unsupported, OutOfMemory. Threads: thread-safe.
[[nodiscard]] Result<Device> open(Runtime& runtime, std::string_view id = {});

/// Takes up the caller's device; never destroys anything of it. Errors: InvalidArgument, Unsupported (names
/// the extensions that are missing). Threads: thread-safe.
[[nodiscard]] Result<Device> adopt(Runtime& runtime, const AdoptInfo& info);

/// Errors: InvalidArgument (a device of another backend). Threads: thread-safe.
[[nodiscard]] Result<Handles> handles(const Device& device);

/// The buffers and the image of a mapping; lives as long as the mapping. Errors: InvalidArgument (a mapping
/// of another backend, or none). Threads: thread-safe. Costs a comparison of two strings: ask once, not per
/// frame.
[[nodiscard]] Result<const View*> view(const Mapping& mapping);

/// The device extensions that Causeway makes use of and that this device offers: enable them in
/// VkDeviceCreateInfo, and name them in AdoptInfo. Works before any device is made.
/// Errors: InvalidArgument (null handles), Unsupported (an instance of Vulkan 1.0), OutOfMemory.
[[nodiscard]] Result<std::vector<const char*>> wanted_extensions(PFN_vkGetInstanceProcAddr entry,
                                                                 VkInstance instance,
                                                                 VkPhysicalDevice physical_device);

}  // namespace vulkan
}  // namespace causeway
