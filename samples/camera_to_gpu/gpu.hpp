// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <causeway/vulkan.hpp>
#include <functional>
#include <memory>

#include "vulkan_functions.hpp"

namespace camera_to_gpu {

/// An opened GPU: Causeway's device, Vulkan's handles, and what every piece of work needs of them.
class Gpu {
public:
  /// id: as Causeway enumerates; empty: the best. Errors: the backend's, with the devices that there are.
  [[nodiscard]] static causeway::Result<std::unique_ptr<Gpu>> open(causeway::Runtime& runtime,
                                                                   const std::string& id);
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  [[nodiscard]] const causeway::Device& device() const noexcept { return device_; }
  [[nodiscard]] VkDevice vk() const noexcept { return handles_.device; }
  [[nodiscard]] const VulkanFunctions& f() const noexcept { return f_; }
  [[nodiscard]] std::uint32_t queue_family() const noexcept { return handles_.queue_family; }
  [[nodiscard]] const VkPhysicalDeviceLimits& limits() const noexcept { return limits_; }
  /// The first memory type among the bits of types that has all flags; -1 if none has.
  [[nodiscard]] int memory_type(std::uint32_t types, VkMemoryPropertyFlags flags) const;

  /// A command buffer that may be submitted any number of times; it lives as long as the Gpu.
  [[nodiscard]] causeway::Result<VkCommandBuffer> record(
      const std::function<void(VkCommandBuffer)>& commands);
  /// Submits and waits until the GPU is done. Errors: TimedOut, DeviceLost.
  [[nodiscard]] causeway::Status run(VkCommandBuffer commands, causeway::Deadline deadline);

private:
  Gpu(causeway::Device device, const causeway::vulkan::Handles& handles, const VulkanFunctions& functions);
  [[nodiscard]] causeway::Status prepare();

  causeway::Device device_;
  causeway::vulkan::Handles handles_;
  VulkanFunctions f_;
  VkPhysicalDeviceLimits limits_{};
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
};

}  // namespace camera_to_gpu
