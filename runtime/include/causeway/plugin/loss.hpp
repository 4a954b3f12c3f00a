// SPDX-License-Identifier: Apache-2.0
#pragma once

// For backends of devices that can be lost: once one of its operations said so, all others say so too.

#include <atomic>
#include <causeway/plugin/text.hpp>
#include <causeway/result.hpp>
#include <string>
#include <string_view>

namespace causeway::plugin {

/// Whether a device was lost, which is for good (Vulkan, section 5.2.3, Lost Device; OpenCL and EGL bring no
/// context back either). Threads: thread-safe, since whichever thread waits may see it.
class Loss {
public:
  /// Errors: DeviceLost, naming the device, once that was seen.
  [[nodiscard]] Status check(std::string_view operation, std::string_view device) const {
    return lost_ ? Status(Error(Errc::DeviceLost, std::string(operation),
                                words(device, " was lost earlier; open it anew")))
                 : Status();
  }
  /// Looks at an operation's outcome, and passes it on.
  [[nodiscard]] Status watch(Status outcome) noexcept {
    if (!outcome && outcome.error().code() == Errc::DeviceLost) {
      lost_ = true;
    }
    return outcome;
  }

private:
  std::atomic<bool> lost_{false};
};

}  // namespace causeway::plugin
