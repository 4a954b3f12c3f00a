// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/causeway.hpp>
#include <causeway/vulkan.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "stages.hpp"
#include "vulkan_functions.hpp"

namespace camera_to_gpu {

/// Commands that may be submitted any number of times, and what the GPU's clock said at their begin and end.
struct Recording {
  VkCommandBuffer commands = VK_NULL_HANDLE;
  std::uint32_t query = 0;
};

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
  [[nodiscard]] const VkPhysicalDeviceLimits& limits() const noexcept { return limits_; }
  /// The first memory type among the bits of types that has all flags; -1 if none has.
  [[nodiscard]] int memory_type(std::uint32_t types, VkMemoryPropertyFlags flags) const;

  /// At most so many recordings can be made.
  static constexpr std::uint32_t kMaxRecordings = 64;

  /// It lives as long as the Gpu. Errors: OutOfMemory.
  [[nodiscard]] causeway::Result<Recording> record(const std::function<void(VkCommandBuffer)>& commands);
  /// Puts it on the queue; whoever needs to know when it is done has a fence of the access around it.
  /// Errors: DeviceLost, OutOfMemory.
  [[nodiscard]] causeway::Status submit(const Recording& recording);
  /// Submits and waits until the GPU is done. Errors: TimedOut, DeviceLost.
  [[nodiscard]] causeway::Status run(const Recording& recording, causeway::Deadline deadline);
  /// What the GPU took for a recording that is done, by its own clock; 0 if it has none.
  [[nodiscard]] Clock::duration time_of(const Recording& recording) const;

private:
  Gpu(causeway::Device device, const causeway::vulkan::Handles& handles, const VulkanFunctions& functions);
  [[nodiscard]] causeway::Status prepare();

  causeway::Device device_;
  causeway::vulkan::Handles handles_;
  VulkanFunctions f_;
  VkPhysicalDeviceLimits limits_{};
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
  VkQueryPool clock_ = VK_NULL_HANDLE;
  float timestamp_ns_ = 0;  ///< nanoseconds a tick of it; 0: this GPU has none
  std::uint32_t recordings_ = 0;
};

}  // namespace camera_to_gpu
