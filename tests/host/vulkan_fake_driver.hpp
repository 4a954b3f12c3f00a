// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace causeway::test {

/// A Vulkan driver that imports memory and does nothing else, for what no real driver does on command: fail
/// at a chosen call, and close, or leave, the descriptor of a failed import. It comes in as a caller's
/// device. There is one in the process, since C functions have no room for more; reset() starts afresh.
struct FakeDriver {
  /// Asked for each failed import: does the driver close the descriptor?
  std::function<bool(VkResult)> closes = [](VkResult) { return false; };
  /// Runs after the driver closed one: what another thread might do at that moment.
  std::function<void(int fd)> after_close = [](int) {};
  /// If not VK_SUCCESS, the next call of that kind fails with it, once.
  VkResult allocate_fails = VK_SUCCESS;
  VkResult buffer_fails = VK_SUCCESS;
  VkResult bind_fails = VK_SUCCESS;
  VkResult submit_fails = VK_SUCCESS;
  bool exports = false;  ///< says that it exports
  bool opaque = false;   ///< says that one memory may be exported as dma-buf and as OPAQUE_FD
  /// Mesa's, and on a CPU: so it passes for lavapipe, whose habits are learnt.
  std::uint32_t vendor = VK_VENDOR_ID_MESA;
  std::uint8_t device_uuid = 1;  ///< the first byte; the others, and those of driverUUID, are 0
  /// What VK_EXT_physical_device_drm says of its primary node, major and minor; empty: it has no extension.
  std::optional<std::pair<std::int64_t, std::int64_t>> drm_node;
  /// Functions that it has besides, or instead; null for those that it leaves alone.
  PFN_vkVoidFunction (*more)(std::string_view name) = nullptr;
  /// A descriptor of so many bytes for vkGetMemoryFdKHR, or -1; empty: it succeeds and gives none.
  std::function<int(VkDeviceSize)> export_memory;

  int memories = 0;  ///< alive
  int buffers = 0;
  int imports = 0;               ///< that succeeded
  VkDeviceSize buffer_size = 0;  ///< of the buffer made last
  int tries = 0;                 ///< to import by descriptor
  int opaque_imports = 0;
  std::vector<std::string> mistakes;  ///< of the caller, by the specification

  static FakeDriver& instance();
  static void reset();
  /// To be handed to the backend; with both ways to import, or by descriptor alone.
  static cw_vulkan_adopt_v1 words(bool host_pointer = false);
  /// The same, with VK_KHR_external_semaphore_fd beside. flags: CW_VULKAN_ADOPT_ bits.
  static cw_vulkan_adopt_v1 words_with_fences(std::uint32_t flags);
  /// The same, with images by modifier and VK_EXT_queue_family_foreign (FakeImage).
  static cw_vulkan_adopt_v1 words_with_images(std::uint32_t flags);
};

}  // namespace causeway::test
