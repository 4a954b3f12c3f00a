// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "support/fake_kernel.hpp"

namespace causeway::test {

/// A fixture with a fake kernel, which fails the test for whatever the kernel has against it at the end:
/// leaks, open brackets, missing SYNCs, missing CLOEXEC.
///
/// The check is in TearDown(), which runs after the test's own objects are gone but before the members of a
/// derived fixture are: let those go in a TearDown() of its own before it calls this one.
class FakeKernelTest : public ::testing::Test {
protected:
  explicit FakeKernelTest(FakeConfig config = {}) : kernel(std::move(config)) {}

  void TearDown() override {
    for (const auto& sentence : kernel.verify()) {
      const auto expected = std::find_if(expected_.begin(), expected_.end(), [&](const Expected& one) {
        return sentence.find(one.part) != std::string::npos;
      });
      if (expected == expected_.end()) {
        ADD_FAILURE() << sentence;
      } else {
        expected->seen = true;
      }
    }
    for (const auto& one : expected_) {
      EXPECT_TRUE(one.seen) << "No violation was reported that says: " << one.part;
    }
  }

  /// The test passes only if at its end there is a violation whose sentence contains part.
  void expect_violation(std::string part) { expected_.push_back({std::move(part), false}); }

  /// FakeKernel::for_each_failing_call, each violation a failure of the test.
  void for_each_failing_call(int system_errno, const std::function<void(const std::string& failing)>& body) {
    const auto traced = [&](const std::string& failing) {
      SCOPED_TRACE(failing.empty() ? "undisturbed" : "failing: " + failing);
      body(failing);
    };
    for (const auto& sentence : kernel.for_each_failing_call(system_errno, traced)) {
      ADD_FAILURE() << sentence;
    }
  }

  FakeKernel kernel;

private:
  struct Expected {
    std::string part;
    bool seen;
  };
  std::vector<Expected> expected_;
};

}  // namespace causeway::test
