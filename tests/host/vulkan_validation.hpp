// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the Khronos validation layer says about our use of Vulkan. Every test that says so much as one thing
// that is not in the list of false positives fails, by a listener that looks after each test.

#include <causeway/runtime.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::test {

/// Whether the tests run with the validation layer, on the backend's devices and on callers': yes, unless
/// CAUSEWAY_VULKAN_VALIDATION is 0 from outside, or AddressSanitizer watches: the layer leaks a little of its
/// own (1.3.239, 72 allocations in these tests), and without it nothing leaks at all.
[[nodiscard]] bool validation_wanted();

/// A message that the layer gives for code that is right.
struct FalsePositive {
  std::string_view id;
  std::string_view part;  ///< of the message, beside the id; empty: any
  std::string_view reason;
};
/// Of validation 1.3.239 over lavapipe 25.0.7.
[[nodiscard]] std::span<const FalsePositive> false_positives();
[[nodiscard]] bool is_false_positive(std::string_view message);

/// Any thread may give its messages here.
void note_validation(std::string_view message);
/// The same for a line of a log, in which the backend marks those of the layer.
void note_log_line(std::string_view line);
/// Those so far that are no false positives; they are forgotten.
[[nodiscard]] std::vector<std::string> take_complaints();
/// Fails the test for each of them. Runs after each test by itself.
void expect_no_complaints();

/// For runtimes that open Vulkan devices in tests.
[[nodiscard]] RuntimeOptions watched_options();
[[nodiscard]] Runtime watched_runtime();

}  // namespace causeway::test
