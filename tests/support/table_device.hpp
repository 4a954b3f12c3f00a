// SPDX-License-Identifier: Apache-2.0
#pragma once

// A backend's table in the hands of a test: a device that it opened, and memory attached there. The harnesses
// of the backends add what is their own.

#include <causeway/plugin/backend.hpp>
#include <cstddef>
#include <span>

#include "support/backend_harness.hpp"

namespace causeway::test {

/// An opened device; closed at the end.
class TableDevice {
public:
  TableDevice(const cw_backend& table, const cw_host& host, const cw_open_info& info);
  TableDevice(const TableDevice&) = delete;
  TableDevice& operator=(const TableDevice&) = delete;
  ~TableDevice() { close(); }

  void close();
  [[nodiscard]] const Outcome& opened() const { return opened_; }
  [[nodiscard]] const cw_backend& table() const { return table_; }
  [[nodiscard]] cw_device* raw() const { return device_; }
  [[nodiscard]] cw_device_info info() const;
  [[nodiscard]] Outcome attach(const AttachWords& words, cw_attachment** attachment) const;
  /// Attaches and detaches again.
  [[nodiscard]] Outcome attach_once(const AttachWords& words) const;

private:
  const cw_backend& table_;
  cw_device* device_ = nullptr;
  Outcome opened_;
};

/// An attachment that is there, mapped; detached at the end.
class TableAttachment {
public:
  TableAttachment(const TableDevice& device, const AttachWords& words);
  TableAttachment(const TableAttachment&) = delete;
  TableAttachment& operator=(const TableAttachment&) = delete;
  ~TableAttachment();

  [[nodiscard]] const Outcome& outcome() const { return outcome_; }
  [[nodiscard]] const cw_mapping& mapping() const { return mapping_; }
  /// The device writes and reads by its probes. flags: CW_PROBE_ bits.
  [[nodiscard]] Outcome write(std::uint64_t offset, std::span<const std::byte> bytes,
                              std::uint32_t flags = 0) const;
  [[nodiscard]] Outcome read(std::uint64_t offset, std::span<std::byte> bytes, std::uint32_t flags = 0) const;

protected:
  [[nodiscard]] const TableDevice& device() const { return device_; }
  [[nodiscard]] cw_attachment* raw() const { return attachment_; }

private:
  const TableDevice& device_;
  cw_attachment* attachment_ = nullptr;
  cw_mapping mapping_ = plugin::sized<cw_mapping>();
  Outcome outcome_;
};

/// True where a device writes into the memory and the CPU sees it, and the other way round, in the first, a
/// middle and the last page.
void expect_shared(const TableAttachment& attached, std::span<std::byte> bytes);

}  // namespace causeway::test
