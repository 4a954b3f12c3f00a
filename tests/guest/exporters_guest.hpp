// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dirent.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <causeway/runtime.hpp>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/runtime_state.hpp"

namespace causeway::test {

inline std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) {
    ++count;
  }
  ::closedir(folder);
  return count;
}

/// A runtime on the kernel at hand.
class ExportersGuest : public ::testing::Test {
protected:
  void SetUp() override {
    auto made = Runtime::create();
    ASSERT_TRUE(made) << made.error().message();
    runtime.emplace(std::move(*made));
  }

  [[nodiscard]] bool has(std::string_view name) const {
    const auto all = runtime->state()->allocators();
    return std::any_of(all.begin(), all.end(), [&](const auto& one) { return one->name() == name; });
  }

  /// The bytes of the last page are written in one CPU turn, and read in the next.
  static void expect_bytes_stay(const DmaBuf& buffer) {
    auto mapping = buffer.map_cpu();
    ASSERT_TRUE(mapping) << mapping.error().message();
    const auto deadline = Deadline::in(std::chrono::seconds(10));
    auto writing = mapping->begin(Usage::Write, deadline);
    ASSERT_TRUE(writing) << writing.error().message();
    const std::size_t last = writing->bytes().size() - 1;
    writing->bytes()[0] = std::byte{0x5a};
    writing->bytes()[last] = std::byte{0xa5};
    ASSERT_TRUE(writing->end());
    auto reading = mapping->begin(Usage::Read, deadline);
    ASSERT_TRUE(reading) << reading.error().message();
    EXPECT_EQ(reading->bytes()[0], std::byte{0x5a});
    EXPECT_EQ(reading->bytes()[last], std::byte{0xa5});
    EXPECT_TRUE(reading->end());
  }

  /// Object is a DmaBuf or a Frame.
  template <class Object>
  void expect_aliased_on_null_device(const Object& object) {
    auto device = runtime->open_device("null");
    ASSERT_TRUE(device) << device.error().message();
    auto attachment = object.attach(*device, Usage::ReadWrite);
    ASSERT_TRUE(attachment) << attachment.error().message();
    auto mapping = attachment->map(Direction::Bidirectional);
    ASSERT_TRUE(mapping) << mapping.error().message();
    EXPECT_EQ(mapping->verdict(), AliasVerdict::Aliased);
  }

  /// body is run once to warm up, then a hundred times.
  template <class Body>
  static void expect_no_descriptor_kept(Body body) {
    body();
    const auto before = open_descriptors();
    for (int round = 0; round < 100; ++round) {
      body();
    }
    EXPECT_EQ(open_descriptors(), before);
  }

  std::optional<Runtime> runtime;
};

}  // namespace causeway::test
