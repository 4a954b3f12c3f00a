// SPDX-License-Identifier: Apache-2.0
// The alias proof and what follows from it, on drivers that share, that cache, and that copy.
#include <gmock/gmock.h>

#include <algorithm>
#include <causeway/opencl.hpp>
#include <causeway/runtime.hpp>
#include <chrono>
#include <thread>

#include "host/opencl_fake.hpp"

namespace causeway::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OpenclProof : public FakeOpencl {
protected:
  /// A buffer of the library's own, attached and mapped on the fake device.
  Result<Mapping> map(Runtime& runtime, bool allow_copy = false) {
    auto device = opencl::open(runtime, kAble, opencl::ImportPath::HostPointer);
    if (!device) {
      return std::move(device.error());
    }
    auto buffer = runtime.allocate(16384);
    if (!buffer) {
      return std::move(buffer.error());
    }
    auto attachment = buffer->attach(*device, Usage::ReadWrite);
    if (!attachment) {
      return std::move(attachment.error());
    }
    return attachment->map(Direction::Bidirectional, allow_copy);
  }
};

TEST_F(OpenclProof, TheSameBytesAreAliasedWithoutAMap) {
  auto runtime = *Runtime::create();
  {
    auto mapping = map(runtime);
    ASSERT_TRUE(mapping) << mapping.error().message();
    EXPECT_EQ(mapping->verdict(), AliasVerdict::Aliased);
    EXPECT_EQ(mapping->import_path(), "host-pointer");
    EXPECT_EQ(count("map for reading") + count("map for writing"), 0);
    icd().calls.clear();
    auto access = mapping->begin_access(Usage::ReadWrite, Deadline::now());
    ASSERT_TRUE(access) << access.error().message();
    ASSERT_TRUE(access->end());
    EXPECT_THAT(icd().calls, ElementsAre("marker"));
  }
}

TEST_F(OpenclProof, ACopyThatMapBringsUpToDateIsUnknownAndAccessesMap) {
  icd().memory = FakeClMemory::Caching;
  auto runtime = *Runtime::create();
  {
    auto mapping = map(runtime);
    ASSERT_TRUE(mapping) << mapping.error().message();
    EXPECT_EQ(mapping->verdict(), AliasVerdict::Unknown);
    EXPECT_GT(count("map for reading"), 0);
    icd().calls.clear();
    auto access = mapping->begin_access(Usage::ReadWrite, Deadline::now());
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_THAT(icd().calls, ElementsAre("map for writing"));
    ASSERT_TRUE(access->end());
    EXPECT_THAT(icd().calls, ElementsAre("map for writing", "map for reading", "marker"));
  }
}

TEST_F(OpenclProof, ACopyForGoodIsRefusedUnlessItIsAllowed) {
  icd().memory = FakeClMemory::Detached;
  auto runtime = *Runtime::create();
  {
    auto mapping = map(runtime);
    ASSERT_FALSE(mapping);
    EXPECT_EQ(mapping.error().code(), Errc::WouldCopy);
    EXPECT_THAT(mapping.error().message(), HasSubstr("worked on a copy"));
    auto allowed = map(runtime, true);
    ASSERT_TRUE(allowed) << allowed.error().message();
    EXPECT_EQ(allowed->verdict(), AliasVerdict::Copied);
  }
}

TEST_F(OpenclProof, WithoutACompilerTheVerdictIsUnknown) {
  icd().compiler = false;
  auto runtime = *Runtime::create();
  {
    auto mapping = map(runtime);
    ASSERT_TRUE(mapping) << mapping.error().message();
    EXPECT_EQ(mapping->verdict(), AliasVerdict::Unknown);
  }
  const OpenclDevice device(host_, kAble);
  const OpenclAttached attached(device, AttachWords(dma_buf()));
  const auto outcome = attached.write(0, pattern(16, 1));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("able fake has no compiler"));
}

// Some drivers answer an import by descriptor with a buffer of their own.
TEST_F(OpenclProof, ImportsByDescriptorAreProvedToo) {
  for (const auto path : {CW_OPENCL_EXTERNAL_MEMORY, CW_OPENCL_ARM_IMPORT}) {
    icd().memory = FakeClMemory::Detached;
    const OpenclDevice device(host_, kAble, path);
    const OpenclAttached attached(device, AttachWords(dma_buf()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    const auto bytes = pattern(16, 1);
    ASSERT_TRUE(attached.write(0, bytes));
    EXPECT_FALSE(std::equal(bytes.begin(), bytes.end(), memory_.bytes().begin()));
    ASSERT_TRUE(attached.write(0, bytes, CW_PROBE_MAY_COPY));
    EXPECT_FALSE(std::equal(bytes.begin(), bytes.end(), memory_.bytes().begin()));
  }
}

TEST_F(OpenclProof, AProbeOutOfTimeSaysSoAndTheNextOneWorks) {
  const OpenclDevice device(host_, kAble);
  const AttachWords words(dma_buf());
  cw_attachment* attachment = nullptr;
  ASSERT_TRUE(device.attach(words, &attachment));
  auto bytes = pattern(16, 3);
  auto probe = plugin::sized<cw_probe>();
  probe.size = bytes.size();
  probe.data = bytes.data();
  probe.deadline_ns = 1;  // long past
  icd().hold = true;
  const auto write = [&] {
    return attempt(
        [&](cw_error* error) { return opencl_table().probe_write(device.raw(), attachment, &probe, error); });
  };
  EXPECT_EQ(write().status, CW_TIMED_OUT);
  EXPECT_EQ(write().status, CW_TIMED_OUT) << "the earlier one still runs";
  icd().hold = false;
  probe.deadline_ns = INT64_MAX;
  const auto next = write();
  EXPECT_TRUE(next) << next;
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), memory_.bytes().begin()));
  opencl_table().detach(device.raw(), attachment);
}

TEST_F(OpenclProof, AProbeOutOfTimeEndsBeforeItsMemoryGoes) {
  const OpenclDevice device(host_, kAble);
  const AttachWords words(dma_buf());
  cw_attachment* attachment = nullptr;
  ASSERT_TRUE(device.attach(words, &attachment));
  auto mapping = plugin::sized<cw_mapping>();
  ASSERT_TRUE(attempt([&](cw_error* error) {
    return opencl_table().map(device.raw(), attachment, CW_DIRECTION_BIDIRECTIONAL, &mapping, error);
  }));
  auto bytes = pattern(16, 3);
  auto probe = plugin::sized<cw_probe>();
  probe.size = bytes.size();
  probe.data = bytes.data();
  probe.deadline_ns = 1;  // long past
  icd().hold = true;
  EXPECT_EQ(attempt([&](cw_error* error) {
              return opencl_table().probe_write(device.raw(), attachment, &probe, error);
            }).status,
            CW_TIMED_OUT);
  std::thread driver([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    icd().hold = false;
  });
  opencl_table().unmap(device.raw(), attachment);
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), memory_.bytes().begin())) << "it has run";
  driver.join();
  opencl_table().detach(device.raw(), attachment);
}

}  // namespace
}  // namespace causeway::test
