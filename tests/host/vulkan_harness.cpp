// SPDX-License-Identifier: Apache-2.0
#include "host/vulkan_harness.hpp"

#include <algorithm>

#include "host/vulkan_caller.hpp"
#include "uapi/real_syscalls.hpp"

namespace causeway::test {
VulkanHost::VulkanHost() {
  static_cast<void>(validation_wanted());
  table_.abi_version = CW_ABI_VERSION;
  table_.context = this;
  table_.syscalls = &uapi::real_syscalls();
  table_.log = [](void* context, std::int32_t, const char* text) {
    auto& self = *static_cast<VulkanHost*>(context);
    const std::lock_guard lock(self.mutex_);
    self.messages_.emplace_back(text);
    note_log_line(text);
  };
  table_.count = [](void* context, std::int32_t counter, std::uint64_t amount) {
    static_cast<VulkanHost*>(context)->cpu_waits_ += counter == CW_COUNT_CPU_WAITS ? amount : 0;
  };
  table_.fence_wait = [](void* context, const cw_fence*, std::int64_t, cw_error*) -> std::int32_t {
    ++static_cast<VulkanHost*>(context)->cpu_waits_;
    return CW_OK;
  };
  table_.map_object = [](void*, cw_object_ref* object, void** address, cw_error* error) -> std::int32_t {
    if (object == nullptr) {
      return plugin::report(Error(Errc::Unsupported, "map_object", "the test gave no mapping"), error);
    }
    *address = object;  // see TestMemory::object
    return CW_OK;
  };
}

std::vector<std::string> VulkanHost::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

std::vector<std::string> VulkanHost::complaints() const {
  auto found = messages();
  std::erase_if(found, [](const auto& text) {
    return text.find("Vulkan validation") == std::string::npos || is_false_positive(text);
  });
  return found;
}

OpenedDevice::OpenedDevice(const VulkanHost& host, const char* id) {
  auto info = plugin::sized<cw_open_info>();
  info.id = id;
  open(host, info);
}

OpenedDevice::OpenedDevice(const VulkanHost& host, const cw_vulkan_adopt_v1& adopt) {
  auto info = plugin::sized<cw_open_info>();
  info.adopt_interface = CW_VULKAN_ADOPT_V1;
  info.adopt = &adopt;
  open(host, info);
}

void OpenedDevice::open(const VulkanHost& host, const cw_open_info& info) {
  opened_ = attempt([&](cw_error* error) { return vulkan_table().open(host.raw(), &info, &device_, error); });
}

void OpenedDevice::close() {
  if (device_ != nullptr) {
    vulkan_table().close(std::exchange(device_, nullptr));
  }
}

std::uint32_t OpenedDevice::capabilities() const {
  auto info = plugin::sized<cw_device_info>();
  EXPECT_EQ(vulkan_table().device_info(device_, &info, nullptr), CW_OK);
  return info.capabilities;
}

cw_vulkan_handles_v1 OpenedDevice::handles() const {
  const auto* table =
      static_cast<const cw_vulkan_device_v1*>(vulkan_table().get_interface(device_, CW_VULKAN_DEVICE_V1));
  auto handles = plugin::sized<cw_vulkan_handles_v1>();
  table->handles(device_, &handles);
  return handles;
}

Outcome OpenedDevice::attach(const AttachWords& words, cw_attachment** attachment) const {
  return attempt(
      [&](cw_error* error) { return vulkan_table().attach(device_, &words.info, attachment, error); });
}

Outcome OpenedDevice::attach_once(const AttachWords& words) const {
  cw_attachment* attachment = nullptr;
  auto outcome = attach(words, &attachment);
  if (outcome) {
    vulkan_table().detach(device_, attachment);
  }
  return outcome;
}

Attached::Attached(const OpenedDevice& device, const AttachWords& words) : device_(device) {
  outcome_ = device.attach(words, &attachment_);
  if (outcome_) {
    outcome_ = attempt([&](cw_error* error) {
      return vulkan_table().map(device.raw(), attachment_, CW_DIRECTION_BIDIRECTIONAL, &mapping_, error);
    });
  }
}

Attached::~Attached() {
  if (attachment_ != nullptr) {
    vulkan_table().unmap(device_.raw(), attachment_);
    vulkan_table().detach(device_.raw(), attachment_);
  }
}

Outcome Attached::write(std::uint64_t offset, std::span<const std::byte> bytes) const {
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  auto probe = plugin::sized<cw_probe>();
  probe.offset = offset;
  probe.size = copy.size();
  probe.data = copy.data();
  probe.deadline_ns = soon_ns();
  return attempt(
      [&](cw_error* error) { return vulkan_table().probe_write(device_.raw(), attachment_, &probe, error); });
}

Outcome Attached::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  auto probe = plugin::sized<cw_probe>();
  probe.offset = offset;
  probe.size = bytes.size();
  probe.data = bytes.data();
  probe.deadline_ns = soon_ns();
  return attempt(
      [&](cw_error* error) { return vulkan_table().probe_read(device_.raw(), attachment_, &probe, error); });
}

void expect_shared(const Attached& attached, std::span<std::byte> bytes) {
  unsigned seed = 1;
  const std::size_t last = bytes.size() - 64;
  for (const std::size_t offset : {std::size_t{0}, last / 2 / 64 * 64, last}) {
    const auto from_device = pattern(64, seed++);
    const auto written = attached.write(offset, from_device);
    ASSERT_TRUE(written) << written;
    EXPECT_TRUE(std::equal(from_device.begin(), from_device.end(), &bytes[offset])) << "at " << offset;

    const auto from_cpu = pattern(64, seed++);
    std::copy(from_cpu.begin(), from_cpu.end(), &bytes[offset]);
    std::vector<std::byte> seen(64);
    const auto read = attached.read(offset, seen);
    ASSERT_TRUE(read) << read;
    EXPECT_EQ(seen, from_cpu) << "at " << offset;
  }
}

}  // namespace causeway::test
