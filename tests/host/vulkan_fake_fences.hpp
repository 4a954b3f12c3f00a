// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>

#include <string_view>

namespace causeway::test {

/// The VkFences of the fake queue, and its eye on who resets or destroys one too early (FakeQueue::mistakes).
struct FakeFences {
  /// A batch was submitted with it; that batch is done.
  static void went_out(VkFence fence);
  static void is_done(VkFence fence);
  /// Its functions; null for others.
  static PFN_vkVoidFunction find(std::string_view name);
  static void reset();
};

}  // namespace causeway::test
