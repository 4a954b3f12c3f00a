// SPDX-License-Identifier: Apache-2.0
#include "batch_fence.hpp"

#include <ctime>

#include "time_left.hpp"
#include "vk_error.hpp"

namespace causeway::vulkan_backend {

BatchFence::~BatchFence() {
  if (fence_ != VK_NULL_HANDLE) {
    context_.api.DestroyFence(context_.device, fence_, nullptr);
  }
}

VkResult BatchFence::wait_once(std::int64_t deadline_ns) noexcept {
  const VkResult result =
      context_.api.WaitForFences(context_.device, 1, &fence_, VK_TRUE, left_ns(deadline_ns));
  if (result == VK_SUCCESS || result == VK_ERROR_DEVICE_LOST) {
    out_ = false;
  }
  return result;
}

Status BatchFence::wait(std::int64_t deadline_ns, std::string_view attempt) {
  const VkResult result = out_ ? wait_once(deadline_ns) : VK_SUCCESS;
  return result == VK_SUCCESS ? Status() : vk_error("vkWaitForFences", result, attempt);
}

void BatchFence::settle(std::int64_t deadline_ns) noexcept {
  while (out_) {
    wait_once(deadline_ns);
    if (!out_ || left_ns(deadline_ns) == 0) {
      return;
    }
    const timespec rest{0, 1'000'000};  // for whoever has the memory that was missing
    ::nanosleep(&rest, nullptr);
  }
}

Status BatchFence::prepare(std::int64_t deadline_ns, std::string_view attempt) {
  if (auto before = wait(deadline_ns, attempt); !before) {
    return before;
  }
  if (fence_ == VK_NULL_HANDLE) {
    const VkFenceCreateInfo info{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, nullptr, 0};
    VkFence made = VK_NULL_HANDLE;
    const VkResult result = context_.api.CreateFence(context_.device, &info, nullptr, &made);
    fence_ = result == VK_SUCCESS ? made : VK_NULL_HANDLE;  // undefined after a failure
    return result == VK_SUCCESS ? Status() : vk_error("vkCreateFence", result, attempt);
  }
  const VkResult result = context_.api.ResetFences(context_.device, 1, &fence_);
  return result == VK_SUCCESS ? Status() : vk_error("vkResetFences", result, attempt);
}

}  // namespace causeway::vulkan_backend
