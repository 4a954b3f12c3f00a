// SPDX-License-Identifier: Apache-2.0
#pragma once

// The Vulkan backend's table in the hands of a test: a small host, memory to attach, and eyes on descriptors.

#include <causeway/vulkan_abi.h>
#include <gtest/gtest.h>

#include <causeway/fd.hpp>
#include <causeway/format.hpp>
#include <causeway/plugin/backend.hpp>
#include <cstddef>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

extern "C" const cw_backend* causeway_vulkan_backend(std::uint32_t host_version);

namespace causeway::test {

inline const cw_backend& vulkan_table() {
  return *causeway_vulkan_backend(CW_ABI_VERSION);
}

/// The status of an operation, and its words.
struct Outcome {
  std::int32_t status = CW_OK;
  std::string operation;
  std::string text;
  explicit operator bool() const { return status == CW_OK; }
};
inline std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << outcome.status << " " << outcome.operation << ": " << outcome.text;
}

template <class Body>
Outcome attempt(Body&& body) {
  auto error = plugin::sized<cw_error>();
  Outcome outcome;
  outcome.status = body(&error);
  outcome.operation = error.operation;
  outcome.text = error.text;
  return outcome;
}

/// A host that keeps what is logged. map_object maps the memory that the object's ref points to.
class VulkanHost {
public:
  VulkanHost();
  [[nodiscard]] const cw_host* raw() const { return &table_; }
  /// Messages of the validation layers so far; there are to be none.
  [[nodiscard]] std::vector<std::string> complaints() const;
  [[nodiscard]] std::vector<std::string> messages() const;

private:
  cw_host table_ = plugin::sized<cw_host>();
  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
};

/// A memfd or dma-buf, mapped by the test itself.
class TestMemory {
public:
  /// A memfd of that size. seals: as F_ADD_SEALS, or 0.
  static TestMemory memfd(std::size_t size, int seals = 0);
  /// A dma-buf of udmabuf; empty (fd -1) where there is no /dev/udmabuf.
  static TestMemory udmabuf(std::size_t size);
  TestMemory(TestMemory&& other) noexcept;
  TestMemory(const TestMemory&) = delete;
  TestMemory& operator=(const TestMemory&) = delete;
  TestMemory& operator=(TestMemory&&) = delete;
  ~TestMemory();

  [[nodiscard]] bool valid() const { return fd_.valid(); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  /// As the host would hand it over; a test bends what it likes.
  [[nodiscard]] cw_object object() const;

private:
  TestMemory(UniqueFd fd, std::size_t size, std::uint32_t flags);
  UniqueFd fd_;
  std::span<std::byte> bytes_;
  std::uint32_t flags_ = 0;
};

/// What attach() is told.
struct AttachWords {
  std::vector<cw_object> objects;
  std::vector<cw_plane_layout> planes;
  cw_attach_info info = plugin::sized<cw_attach_info>();

  /// Plain bytes.
  explicit AttachWords(const cw_object& object, std::uint32_t usage = CW_USAGE_READ | CW_USAGE_WRITE);
  /// An image of one plane.
  AttachWords(const cw_object& object, Format format, std::uint32_t width, std::uint32_t height,
              std::uint32_t stride, std::uint32_t usage);
  AttachWords(const AttachWords&) = delete;
  AttachWords& operator=(const AttachWords&) = delete;
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

/// Every open descriptor of this process, and what it leads to.
[[nodiscard]] std::map<int, std::string> open_descriptors();

/// The bytes that both sides expect.
[[nodiscard]] std::vector<std::byte> pattern(std::size_t size, unsigned seed);

/// True where a device writes into the memory and the CPU sees it, and the other way round, in the first, a
/// middle and the last page.
void expect_shared(const Attached& attached, std::span<std::byte> bytes);

}  // namespace causeway::test
