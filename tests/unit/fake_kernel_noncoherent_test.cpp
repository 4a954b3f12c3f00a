// SPDX-License-Identifier: Apache-2.0
//
// The exporter whose CPU and device see separate bytes: a missing SYNC loses data, and is told of.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <thread>

#include "support/fake_kernel_fixture.hpp"
#include "support/table_calls.hpp"

namespace causeway::test {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kSize = 2 * kPage;
constexpr auto kOfCpu = std::byte{0xc0};
constexpr auto kOfDevice = std::byte{0xde};
constexpr auto kNothing = std::byte{0};

class FakeKernelNonCoherent : public FakeKernelTest {
protected:
  void SetUp() override {
    buffer = calls.heap_buffer("/dev/dma_heap/vidbuf_cached", kSize);
    cpu = calls.map(buffer, kSize);
    ASSERT_FALSE(cpu.empty());
  }
  void TearDown() override {
    calls.unmap(cpu);
    buffer.reset();
    FakeKernelTest::TearDown();
  }
  bool device_writes(std::uint64_t at) {
    return kernel.device_write(buffer.get(), at, std::span(&kOfDevice, 1));
  }
  std::byte device_reads(std::uint64_t at) {
    std::byte found{};
    EXPECT_TRUE(kernel.device_read(buffer.get(), at, std::span(&found, 1)));
    return found;
  }

  TableCalls calls{kernel.syscalls()};
  UniqueFd buffer;
  std::span<std::byte> cpu;
};

TEST_F(FakeKernelNonCoherent, RightBracketsCarryBytesBothWays) {
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_WRITE), 0);
  std::fill(cpu.begin(), cpu.end(), kOfCpu);
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_WRITE), 0);
  EXPECT_EQ(device_reads(kSize - 1), kOfCpu);
  EXPECT_TRUE(device_writes(kPage));
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(cpu[kPage], kOfDevice);
  EXPECT_EQ(cpu[kPage + 1], kOfCpu);
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
}

TEST_F(FakeKernelNonCoherent, WithoutStartTheCpuSeesOldBytes) {
  EXPECT_TRUE(device_writes(5));
  EXPECT_EQ(cpu[5], kNothing);
}

TEST_F(FakeKernelNonCoherent, StartForWritingAloneBringsNothing) {
  EXPECT_TRUE(device_writes(5));
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_WRITE), 0);
  EXPECT_EQ(cpu[5], kNothing);
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_WRITE), 0);
}

TEST_F(FakeKernelNonCoherent, WriteOutsideOfBracketIsTold) {
  cpu[7] = kOfCpu;
  expect_violation(
      "The CPU wrote to dma-buf 1 of exporter vidbuf_cached at byte 7 outside of a SYNC bracket");
}

TEST_F(FakeKernelNonCoherent, WriteInBracketForReadingIsTold) {
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  cpu[8] = kOfCpu;
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
  expect_violation("at byte 8 outside of a SYNC bracket for writing");
}

TEST_F(FakeKernelNonCoherent, EndForReadingCarriesNothing) {
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_RW), 0);
  cpu[9] = kOfCpu;
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(device_reads(9), kNothing);
  expect_violation("END carries the same flags");
  expect_violation("what the CPU wrote at byte 9 was not carried over");
  expect_violation("at byte 9 outside of a SYNC bracket");
}

TEST_F(FakeKernelNonCoherent, DeviceThatReadsBeforeTheEndIsTold) {
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_WRITE), 0);
  cpu[10] = kOfCpu;
  EXPECT_EQ(device_reads(10), kNothing);
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_WRITE), 0);
  expect_violation("A device read dma-buf 1 of exporter vidbuf_cached while the CPU held a SYNC bracket");
  expect_violation("what the CPU wrote at byte 10 was not carried over: no SYNC END with WRITE");
}

TEST_F(FakeKernelNonCoherent, BothMayRead) {
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(device_reads(0), cpu[0]);
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
}

TEST_F(FakeKernelNonCoherent, DeviceThatWritesWhileTheCpuReadsIsTold) {
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_TRUE(device_writes(0));
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
  expect_violation("A device wrote to dma-buf 1 of exporter vidbuf_cached while the CPU held");
}

TEST_F(FakeKernelNonCoherent, SecondStartDiscardsWhatTheFirstBracketWrote) {
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_RW), 0);
  cpu[11] = kOfCpu;
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(cpu[11], kNothing);
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_RW), 0);
  expect_violation("discarded what the CPU had written at byte 11");
}

TEST_F(FakeKernelNonCoherent, RangeOutsideIsRefused) {
  std::array<std::byte, 2> bytes{};
  EXPECT_FALSE(kernel.device_read(buffer.get(), kSize - 1, bytes));
  EXPECT_FALSE(kernel.device_write(buffer.get(), UINT64_MAX, bytes));
  EXPECT_FALSE(kernel.device_read(-1, 0, bytes));
}

// For ThreadSanitizer as much as for the books: readers of one buffer disturb nobody.
TEST_F(FakeKernelNonCoherent, ThreadsReadUnderBracketsOfTheirOwn) {
  EXPECT_TRUE(device_writes(kPage));
  const auto read = [&] {
    for (int round = 0; round < 100; ++round) {
      EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
      EXPECT_EQ(cpu[kPage], kOfDevice);
      EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
    }
  };
  std::thread other(read);
  read();
  other.join();
}

// ---- A udmabuf on a machine whose devices do not snoop

class FakeKernelNonCoherentUdmabuf : public FakeKernelTest {
protected:
  FakeKernelNonCoherentUdmabuf() : FakeKernelTest({.udmabuf_coherent = false}) {}

  TableCalls calls{kernel.syscalls()};
};

TEST_F(FakeKernelNonCoherentUdmabuf, CpuWorksThroughTheMemfdAndSyncsTheUdmabuf) {
  const auto memfd = calls.memfd(kPage);
  const auto buffer = calls.udmabuf(memfd, 0, kPage);
  const auto cpu = calls.map(memfd, kPage);
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_RW), 0);  // primed
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_RW), 0);
  ASSERT_TRUE(kernel.device_write(buffer.get(), 1, std::span(&kOfDevice, 1)));
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(cpu[1], kOfDevice);
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
  calls.unmap(cpu);
}

TEST_F(FakeKernelNonCoherentUdmabuf, UnprimedItsFirstStartDestroysWhatADeviceWrote) {
  const auto memfd = calls.memfd(kPage);
  const auto buffer = calls.udmabuf(memfd, 0, kPage);
  ASSERT_TRUE(kernel.device_write(buffer.get(), 1, std::span(&kOfDevice, 1)));
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(kernel.device_bytes(buffer.get())[1], kNothing);
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
  expect_violation("prime a udmabuf with START and END before a device touches it");
}

}  // namespace
}  // namespace causeway::test
