// SPDX-License-Identifier: Apache-2.0
//
// A row about zero-copy must not be measured on memory that was copied.
#include "suite.hpp"

#include <gtest/gtest.h>

#include <string>

#include "null_kernel.hpp"
#include "support/copying_device.hpp"

namespace causeway::bench {
namespace {

TEST(AliasedPool, TakesWhatIsAliased) {
  auto runtime = Runtime::create().value();
  const auto device = runtime.open_device("null").value();
  EXPECT_EQ(aliased_pool(runtime, 65536, {device}).report().imports.size(), 1U);
}

TEST(AliasedPool, ThrowsForDevicesThatCopyOrMayCopy) {
  auto runtime = Runtime::create({.backends = {&test::copycat_backend}}).value();
  for (const char* id : {"never", "may-copy"}) {
    const auto device = runtime.open_device("copycat", {.id = id}).value();
    EXPECT_ANY_THROW(aliased_pool(runtime, 65536, {device})) << id;
  }
}

TEST(NullKernel, NumbersAreObjectsOfTheirOwn) {
  auto runtime = Runtime::create({.syscalls = NullKernel::table(), .backend_path = ""}).value();
  const auto one = NullKernel::buffer(runtime, 1);
  const auto other = NullKernel::buffer(runtime, 100000);
  EXPECT_NE(one.id(), other.id());
  EXPECT_EQ(DmaBuf::from_fd(runtime, BorrowedFd(100000)).value(), other);
}

}  // namespace
}  // namespace causeway::bench
