// SPDX-License-Identifier: Apache-2.0
#pragma once

// The fake driver in tests: its controls, and a fixture that looks at its books.

#include <gtest/gtest.h>

#include <string>

#include "host/opencl_harness.hpp"
#include "support/fake_opencl_icd.hpp"

namespace causeway::test {

/// The controls of the driver that the ICD loader has loaded.
[[nodiscard]] FakeOpenclIcd& fake_icd();

inline constexpr const char* kAble = "able fake";
inline constexpr const char* kBare = "bare fake";

/// At the end of each test no rule is broken, and nothing is left of what was made.
class FakeOpencl : public ::testing::Test {
protected:
  void SetUp() override;
  void TearDown() override;
  static FakeOpenclIcd& icd() { return fake_icd(); }
  /// A memfd that passes for a dma-buf, which this machine has none of.
  [[nodiscard]] cw_object dma_buf() const;
  /// How often the driver was called so.
  static long count(const std::string& call);

  OpenclHost host_;
  TestMemory memory_ = TestMemory::memfd(65536);

private:
  std::map<int, std::string> before_;
};

/// Handles that a program of its own made, released at the end.
class CallersOpencl {
public:
  /// platform: of the driver whose device has that name. both: a context of all its devices.
  explicit CallersOpencl(const std::string& name, bool both = false,
                         cl_command_queue_properties properties = 0);
  CallersOpencl(const CallersOpencl&) = delete;
  CallersOpencl& operator=(const CallersOpencl&) = delete;
  ~CallersOpencl() { release(); }

  void release();
  [[nodiscard]] const cw_opencl_adopt_v1& words() const { return words_; }
  [[nodiscard]] cl_uint context_references() const;

private:
  cw_opencl_adopt_v1 words_ = plugin::sized<cw_opencl_adopt_v1>();
};

}  // namespace causeway::test
