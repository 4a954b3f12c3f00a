// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>

#include <map>
#include <vector>

namespace causeway::test {

/// Images of the fake driver: LINEAR by modifier, at the pitch that is asked for. Keeps what barriers were
/// recorded. reset() puts it and FakeQueue into FakeDriver.
struct FakeImage {
  std::map<VkCommandBuffer, std::vector<VkImageMemoryBarrier>> barriers;  ///< of images
  int images = 0;                                                         ///< alive

  static FakeImage& instance();
  static void reset();
};

}  // namespace causeway::test
