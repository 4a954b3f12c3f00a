// SPDX-License-Identifier: Apache-2.0
#pragma once

// The Vulkan backend's table in the hands of a test: a small host, memory to attach, and eyes on descriptors.

#include <causeway/vulkan_abi.h>
#include <gtest/gtest.h>

#include <causeway/plugin/backend.hpp>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "support/table_device.hpp"
#include "support/table_host.hpp"

extern "C" const cw_backend* causeway_vulkan_backend(std::uint32_t host_version);

namespace causeway::test {

inline const cw_backend& vulkan_table() {
  return *causeway_vulkan_backend(CW_ABI_VERSION);
}

/// A host whose fences have all signalled when it is asked to wait for one, which it counts as the backend's
/// own waits.
class VulkanHost : public TableHost {
public:
  VulkanHost();
  /// Runs while the backend waits for a fence by the host.
  std::function<void()> while_waiting;
  /// Messages of the validation layer so far, but for its false positives; there are to be none.
  [[nodiscard]] std::vector<std::string> complaints() const;
};

/// An opened device of Vulkan's.
class OpenedDevice : public TableDevice {
public:
  OpenedDevice(const VulkanHost& host, const char* id);
  OpenedDevice(const VulkanHost& host, const cw_vulkan_adopt_v1& adopt);

  [[nodiscard]] std::uint32_t capabilities() const { return info().capabilities; }
  [[nodiscard]] cw_vulkan_handles_v1 handles() const;
};

/// Memory attached to it. Its probes are the device's own copy commands.
class Attached : public TableAttachment {
public:
  using TableAttachment::TableAttachment;
  [[nodiscard]] const cw_vulkan_view_v1& view() const {
    return *static_cast<const cw_vulkan_view_v1*>(mapping().native);
  }
};

}  // namespace causeway::test
