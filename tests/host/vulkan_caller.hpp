// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>

#include <memory>
#include <string>
#include <vector>

#include "host/vulkan_validation.hpp"

namespace causeway::test {

/// An application's own Vulkan: instance with the validation layer, lavapipe, a device with exactly the given
/// extensions, and with timeline semaphores or the sampler's YCbCr conversion if asked for, one queue.
class CallerDevice {
public:
  explicit CallerDevice(std::vector<const char*> extensions, bool timelines = false, bool ycbcr = false);
  CallerDevice(const CallerDevice&) = delete;
  CallerDevice& operator=(const CallerDevice&) = delete;
  ~CallerDevice();

  [[nodiscard]] bool made() const { return words_.queue != VK_NULL_HANDLE; }
  [[nodiscard]] const std::string& why() const { return why_; }
  /// What to hand to the backend.
  [[nodiscard]] const cw_vulkan_adopt_v1& words() const { return words_; }
  [[nodiscard]] std::vector<std::string> complaints() const;
  /// True if the device still works: a submission goes through.
  [[nodiscard]] bool works() const;

  struct Library;

private:
  std::vector<const char*> extensions_;
  std::unique_ptr<Library> library_;
  cw_vulkan_adopt_v1 words_{};
  std::string why_;
};

}  // namespace causeway::test
