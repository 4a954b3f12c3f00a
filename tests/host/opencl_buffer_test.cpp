// SPDX-License-Identifier: Apache-2.0
// Memory as an OpenCL buffer, on PoCL: kernels and the CPU work on the same bytes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>

#include "host/opencl_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t kSize = 3 * 4096 + 8192;

class OpenclBuffer : public ::testing::Test {
protected:
  void SetUp() override { ASSERT_TRUE(device_.opened()) << device_.opened(); }

  OpenclHost host_;
  OpenclDevice device_{host_, pocl_id()};
};

TEST_F(OpenclBuffer, MemfdIsSharedByItsAddress) {
  EXPECT_NE(device_.info().capabilities & CW_CAP_ACCESSES_VIA_CPU, 0U);
  EXPECT_NE(device_.info().capabilities & CW_CAP_IMPORTS_HOST_POINTER, 0U);
  EXPECT_EQ(device_.info().capabilities & (CW_CAP_IMPORTS_DMA_BUF | CW_CAP_IMPORTS_MEMFD), 0U);
  const auto memory = TestMemory::memfd(kSize);
  const OpenclAttached attached(device_, AttachWords(memory.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_STREQ(attached.mapping().import_path, "host-pointer");
  EXPECT_STREQ(attached.mapping().native_interface, CW_OPENCL_VIEW_V1);
  EXPECT_EQ(attached.view().object_count, 1U);
  EXPECT_EQ(attached.view().sizes[0], kSize);
  EXPECT_NE(attached.view().buffers[0], nullptr);
  EXPECT_EQ(attached.view().images[0], nullptr);
  expect_shared(attached, memory.bytes());
}

TEST_F(OpenclBuffer, UdmabufIsSharedByItsAddress) {
  const auto memory = TestMemory::udmabuf(kSize);
  if (!memory.valid()) {
    GTEST_SKIP() << "there is no /dev/udmabuf here";
  }
  const OpenclAttached attached(device_, AttachWords(memory.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_STREQ(attached.mapping().import_path, "host-pointer");
  expect_shared(attached, memory.bytes());
}

TEST_F(OpenclBuffer, AKernelOfTheCallersOwnSeesTheSameBytes) {
  const auto memory = TestMemory::memfd(kSize);
  const OpenclAttached attached(device_, AttachWords(memory.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  const auto before = pattern(kSize, 5);
  std::copy(before.begin(), before.end(), memory.bytes().begin());
  ASSERT_TRUE(attached.begin());
  run_kernel(
      attached.view(),
      "__kernel void work(__global uchar* bytes) { size_t i = get_global_id(0); bytes[i] = 255 - bytes[i]; }",
      {attached.view().buffers, 1}, kSize);
  ASSERT_TRUE(attached.end());
  for (std::size_t i = 0; i < kSize; ++i) {
    ASSERT_EQ(std::to_integer<int>(memory.bytes()[i]), 255 - std::to_integer<int>(before[i])) << "byte " << i;
  }
}

TEST_F(OpenclBuffer, TwoObjectsAreTwoBuffers) {
  const auto luma = TestMemory::memfd(8192);
  const auto chroma = TestMemory::memfd(4096);
  AttachWords words(luma.object(), formats::kNV12, 64, 64, 64, CW_USAGE_READ | CW_USAGE_AS_BUFFER);
  words.objects.push_back(chroma.object());
  words.planes.push_back({1, 64, 0});
  words.info.object_count = 2;
  words.info.plane_count = 2;
  words.info.objects = words.objects.data();
  words.info.planes = words.planes.data();
  const OpenclAttached attached(device_, words);
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(attached.view().object_count, 2U);
  EXPECT_NE(attached.view().buffers[1], nullptr);
  EXPECT_EQ(attached.view().sizes[1], 4096U);
  EXPECT_EQ(attached.view().plane_objects[1], 1U);
  EXPECT_EQ(attached.view().plane_strides[1], 64U);
}

TEST_F(OpenclBuffer, WhatIsNoMemoryIsRefused) {
  const auto memory = TestMemory::memfd(8192);
  auto object = memory.object();
  object.size = 0;
  auto outcome = device_.attach_once(AttachWords(object));
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, HasSubstr("size 0"));

  object.size = 1U << 20U;
  outcome = device_.attach_once(AttachWords(object));
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("holds 8192 bytes"), HasSubstr("1048576")));

  object = memory.object();
  object.fd = 9999;
  outcome = device_.attach_once(AttachWords(object));
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("9999"), HasSubstr("is not open")));
  object.flags |= CW_OBJECT_IS_DMA_BUF;
  EXPECT_THAT(device_.attach_once(AttachWords(object)).text, HasSubstr("is not open"));

  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  object = memory.object();
  object.fd = ends[0];
  outcome = device_.attach_once(AttachWords(object));
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, HasSubstr("is a pipe; memory to share is a dma-buf or a memfd"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(OpenclBuffer, AnAddressBetweenPagesAndAMissingOneAreRefused) {
  const auto memory = TestMemory::memfd(8192);
  auto object = memory.object();
  object.size = 4096;
  object.ref = reinterpret_cast<cw_object_ref*>(memory.bytes().data() + 64);
  auto outcome = device_.attach_once(AttachWords(object));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("host-pointer: "), HasSubstr("no multiple of 4096")));
  object.ref = nullptr;
  outcome = device_.attach_once(AttachWords(object));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("the test gave no mapping"));
}

TEST_F(OpenclBuffer, PlanesThatAreNowhereAreRefused) {
  const auto memory = TestMemory::memfd(8192);
  AttachWords words(memory.object(), formats::kR8, 64, 64, 64, CW_USAGE_READ);
  words.planes[0].object = 1;
  EXPECT_EQ(device_.attach_once(words).status, CW_INVALID_ARGUMENT);
  words.planes[0] = {0, 64, 8192};
  EXPECT_THAT(device_.attach_once(words).text, HasSubstr("starts at byte 8192 of object 0, which has 8192"));
  words.planes[0].offset = 0;
  words.info.object_count = 0;
  EXPECT_EQ(device_.attach_once(words).status, CW_INVALID_ARGUMENT);
  words.info.object_count = 1;
  words.info.image.height = 0;
  EXPECT_EQ(device_.attach_once(words).status, CW_INVALID_ARGUMENT);
}

TEST_F(OpenclBuffer, SealedMemoryIsReadAndNeverWritten) {
  const UniqueFd sealed(::memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(sealed.get(), 4096), 0);
  const auto content = pattern(64, 9);
  ASSERT_EQ(::pwrite(sealed.get(), content.data(), content.size(), 0), 64);
  ASSERT_EQ(::fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  void* address = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, sealed.get(), 0);
  ASSERT_NE(address, MAP_FAILED);
  auto object = plugin::sized<cw_object>();
  object.fd = sealed.get();
  object.pinnable_fd = -1;
  object.size = 4096;
  object.ref = static_cast<cw_object_ref*>(address);
  {
    const OpenclAttached attached(device_, AttachWords(object, CW_USAGE_READ));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    std::vector<std::byte> seen(64);
    const auto read = attached.read(0, seen);
    ASSERT_TRUE(read) << read;
    EXPECT_EQ(seen, content);
    const auto written = attached.write(0, content);
    EXPECT_EQ(written.status, CW_UNSUPPORTED);
    EXPECT_THAT(written.text, HasSubstr("read-only"));
  }
  ::munmap(address, 4096);
}

TEST_F(OpenclBuffer, AFullDescriptorTableIsNoHindranceToAnAddress) {
  const auto memory = TestMemory::memfd(8192);
  std::vector<UniqueFd> fillers;
  while (true) {
    UniqueFd next(::fcntl(memory.fd(), F_DUPFD_CLOEXEC, 0));
    if (!next.valid()) {
      break;
    }
    fillers.push_back(std::move(next));
  }
  const auto outcome = device_.attach_once(AttachWords(memory.object()));
  fillers.clear();
  EXPECT_TRUE(outcome) << outcome;
}

TEST_F(OpenclBuffer, AHundredThousandRoundsLeaveNothing) {
  constexpr int kRounds = 100'000;
  const auto memory = TestMemory::memfd(16384);
  const AttachWords words(memory.object(), formats::kARGB8888, 32, 32, 128, CW_USAGE_READ | CW_USAGE_WRITE);
  const auto in_use = [] { return static_cast<long>(::mallinfo2().uordblks); };
  for (int round = 0; round < 1000; ++round) {
    ASSERT_TRUE(device_.attach_once(words));
  }
  const auto descriptors = open_descriptors();
  const long before = in_use();
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_TRUE(device_.attach_once(words));
  }
  EXPECT_EQ(open_descriptors(), descriptors);
  // A byte a round would be seen.
  EXPECT_LT(in_use() - before, kRounds) << "memory grew";
}

}  // namespace
}  // namespace causeway::test
