// SPDX-License-Identifier: Apache-2.0
#include "support/table_device.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace causeway::test {

TableDevice::TableDevice(const cw_backend& table, const cw_host& host, const cw_open_info& info)
    : table_(table) {
  opened_ = attempt([&](cw_error* error) { return table_.open(&host, &info, &device_, error); });
}

void TableDevice::close() {
  if (device_ != nullptr) {
    table_.close(std::exchange(device_, nullptr));
  }
}

cw_device_info TableDevice::info() const {
  auto info = plugin::sized<cw_device_info>();
  EXPECT_EQ(table_.device_info(device_, &info, nullptr), CW_OK);
  return info;
}

Outcome TableDevice::attach(const AttachWords& words, cw_attachment** attachment) const {
  return attempt([&](cw_error* error) { return table_.attach(device_, &words.info, attachment, error); });
}

Outcome TableDevice::attach_once(const AttachWords& words) const {
  cw_attachment* attachment = nullptr;
  auto outcome = attach(words, &attachment);
  if (outcome) {
    table_.detach(device_, attachment);
  }
  return outcome;
}

TableAttachment::TableAttachment(const TableDevice& device, const AttachWords& words) : device_(device) {
  outcome_ = device.attach(words, &attachment_);
  if (outcome_) {
    outcome_ = attempt([&](cw_error* error) {
      return device.table().map(device.raw(), attachment_, CW_DIRECTION_BIDIRECTIONAL, &mapping_, error);
    });
  }
}

TableAttachment::~TableAttachment() {
  if (attachment_ != nullptr) {
    device_.table().unmap(device_.raw(), attachment_);
    device_.table().detach(device_.raw(), attachment_);
  }
}

Outcome TableAttachment::write(std::uint64_t offset, std::span<const std::byte> bytes,
                               std::uint32_t flags) const {
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  auto probe = plugin::sized<cw_probe>();
  probe.flags = flags;
  probe.offset = offset;
  probe.size = copy.size();
  probe.data = copy.data();
  probe.deadline_ns = soon_ns();
  return attempt([&](cw_error* error) {
    return device_.table().probe_write(device_.raw(), attachment_, &probe, error);
  });
}

Outcome TableAttachment::read(std::uint64_t offset, std::span<std::byte> bytes, std::uint32_t flags) const {
  auto probe = plugin::sized<cw_probe>();
  probe.flags = flags;
  probe.offset = offset;
  probe.size = bytes.size();
  probe.data = bytes.data();
  probe.deadline_ns = soon_ns();
  return attempt(
      [&](cw_error* error) { return device_.table().probe_read(device_.raw(), attachment_, &probe, error); });
}

void expect_shared(const TableAttachment& attached, std::span<std::byte> bytes) {
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
