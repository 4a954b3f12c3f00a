// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kSkipped = 77;  // what CTest takes for "skipped" (SKIP_RETURN_CODE)

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const char* tier = std::getenv("CAUSEWAY_TEST_TIER");
  std::printf("tier: %s\n", tier != nullptr ? tier : "none (started by hand)");
  const int failed = RUN_ALL_TESTS();
  if (failed != 0) {
    return failed;
  }
  const auto& run = *::testing::UnitTest::GetInstance();
  const bool nothing_ran = run.test_to_run_count() > 0 && run.skipped_test_count() == run.test_to_run_count();
  return nothing_ran ? kSkipped : 0;
}
