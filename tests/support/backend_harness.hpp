// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every test of a backend's table needs: memory to attach, the words of an attach, eyes on descriptors.

#include <gtest/gtest.h>

#include <causeway/fd.hpp>
#include <causeway/format.hpp>
#include <causeway/plugin/backend.hpp>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace causeway::test {

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

/// Every open descriptor of this process, and what it leads to.
[[nodiscard]] std::map<int, std::string> open_descriptors();

/// The bytes that both sides expect.
[[nodiscard]] std::vector<std::byte> pattern(std::size_t size, unsigned seed);

/// CLOCK_MONOTONIC in some seconds, for deadlines of probes.
[[nodiscard]] std::int64_t soon_ns();

}  // namespace causeway::test
