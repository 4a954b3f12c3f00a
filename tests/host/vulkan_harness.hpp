// SPDX-License-Identifier: Apache-2.0
#pragma once

// The Vulkan backend's table in the hands of a test: a small host, memory to attach, and eyes on descriptors.

#include <causeway/vulkan_abi.h>
#include <gtest/gtest.h>

#include <atomic>
#include <causeway/plugin/backend.hpp>
#include <cstddef>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "support/backend_harness.hpp"

extern "C" const cw_backend* causeway_vulkan_backend(std::uint32_t host_version);

namespace causeway::test {

inline const cw_backend& vulkan_table() {
  return *causeway_vulkan_backend(CW_ABI_VERSION);
}

/// A host that keeps what is logged and counted. map_object maps the memory that the object's ref points to.
class VulkanHost {
public:
  VulkanHost();
  [[nodiscard]] const cw_host* raw() const { return &table_; }
  /// Messages of the validation layer so far, but for its false positives; there are to be none.
  [[nodiscard]] std::vector<std::string> complaints() const;
  [[nodiscard]] std::vector<std::string> messages() const;
  /// Counted by the backend, and fences that it asked to be waited for, which all have signalled.
  [[nodiscard]] std::uint64_t cpu_waits() const { return cpu_waits_; }

private:
  std::atomic<std::uint64_t> cpu_waits_ = 0;
  cw_host table_ = plugin::sized<cw_host>();
  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
};

/// An opened device; closed at the end.
class OpenedDevice {
public:
  OpenedDevice(const VulkanHost& host, const char* id);
  OpenedDevice(const VulkanHost& host, const cw_vulkan_adopt_v1& adopt);
  OpenedDevice(const OpenedDevice&) = delete;
  OpenedDevice& operator=(const OpenedDevice&) = delete;
  ~OpenedDevice() { close(); }

  void close();
  [[nodiscard]] const Outcome& opened() const { return opened_; }
  [[nodiscard]] cw_device* raw() const { return device_; }
  [[nodiscard]] std::uint32_t capabilities() const;
  [[nodiscard]] cw_vulkan_handles_v1 handles() const;
  [[nodiscard]] Outcome attach(const AttachWords& words, cw_attachment** attachment) const;
  /// Attaches and detaches again.
  [[nodiscard]] Outcome attach_once(const AttachWords& words) const;

private:
  void open(const VulkanHost& host, const cw_open_info& info);
  cw_device* device_ = nullptr;
  Outcome opened_;
};

/// An attachment that is there, mapped; detached at the end.
class Attached {
public:
  Attached(const OpenedDevice& device, const AttachWords& words);
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;
  ~Attached();

  [[nodiscard]] const Outcome& outcome() const { return outcome_; }
  [[nodiscard]] const cw_vulkan_view_v1& view() const {
    return *static_cast<const cw_vulkan_view_v1*>(mapping_.native);
  }
  [[nodiscard]] const cw_mapping& mapping() const { return mapping_; }
  /// The device writes and reads by its own copy commands.
  [[nodiscard]] Outcome write(std::uint64_t offset, std::span<const std::byte> bytes) const;
  [[nodiscard]] Outcome read(std::uint64_t offset, std::span<std::byte> bytes) const;

private:
  const OpenedDevice& device_;
  cw_attachment* attachment_ = nullptr;
  cw_mapping mapping_ = plugin::sized<cw_mapping>();
  Outcome outcome_;
};

/// True where a device writes into the memory and the CPU sees it, and the other way round, in the first, a
/// middle and the last page.
void expect_shared(const Attached& attached, std::span<std::byte> bytes);

}  // namespace causeway::test
