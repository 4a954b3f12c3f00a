// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/vulkan_abi.h>

#include <memory>
#include <string>
#include <vector>

namespace causeway::test {

/// Whether the tests run with the validation layers, on the backend's devices and on callers': yes, unless
/// CAUSEWAY_VULKAN_VALIDATION is 0 from outside, or AddressSanitizer watches: the layer leaks a little of its
/// own (1.3.239, 72 allocations in these tests), and without it nothing leaks at all.
[[nodiscard]] bool validation_wanted();

/// An application's own Vulkan: instance with the validation layer, lavapipe, a device with exactly the given
/// extensions, and with timeline semaphores if asked for, one queue.
class CallerDevice {
public:
  explicit CallerDevice(std::vector<const char*> extensions, bool timelines = false);
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
