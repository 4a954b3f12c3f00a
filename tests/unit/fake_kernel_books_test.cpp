// SPDX-License-Identifier: Apache-2.0
//
// The fake kernel tells of each mistake that it is there to find, and has nothing against code that is right.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "support/fake_kernel_fixture.hpp"
#include "support/table_calls.hpp"

namespace causeway::test {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr const char* kCoherent = "/dev/dma_heap/system";
constexpr auto kMine = std::byte{0x5a};

class FakeKernelBooks : public FakeKernelTest {
protected:
  // Ends what a test left open on purpose, once the books have been looked at.
  void TearDown() override {
    FakeKernelTest::TearDown();
    for (const int fd : leaked) {
      ::close(fd);
    }
  }

  TableCalls calls{kernel.syscalls()};
  std::vector<int> leaked;
};

// ---- Descriptors

TEST_F(FakeKernelBooks, RightCodeHasNothingAgainstIt) {
  const auto memfd = calls.memfd(2 * kPage);
  const auto buffer = calls.udmabuf(memfd, 0, 2 * kPage);
  const UniqueFd duplicate(calls.fcntl(buffer, F_DUPFD_CLOEXEC));
  const auto mapped = calls.map(duplicate, 2 * kPage);
  ASSERT_EQ(calls.start(buffer, DMA_BUF_SYNC_RW), 0);
  mapped[0] = kMine;
  ASSERT_EQ(calls.end(buffer, DMA_BUF_SYNC_RW), 0);
  EXPECT_EQ(kernel.device_bytes(buffer.get())[0], kMine);
  EXPECT_EQ(calls.unmap(mapped), 0);
}

TEST_F(FakeKernelBooks, LeakedDmaBufIsTold) {
  leaked.push_back(calls.heap_buffer(kCoherent, kPage).release());
  expect_violation("was never closed: it is dma-buf 1 of exporter system");
}

TEST_F(FakeKernelBooks, LeakedMemfdIsTold) {
  leaked.push_back(calls.memfd(kPage).release());
  expect_violation("was never closed: it is memfd \"test\"");
}

TEST_F(FakeKernelBooks, LeakedDeviceNodeIsTold) {
  leaked.push_back(calls.open("/dev/udmabuf").release());
  expect_violation("was never closed: it was opened as \"/dev/udmabuf\"");
}

TEST_F(FakeKernelBooks, LeakedRegularFileIsTold) {
  leaked.push_back(calls.open("/proc/self/status", O_RDONLY | O_CLOEXEC).release());
  expect_violation("was never closed: it was opened as \"/proc/self/status\"");
}

TEST_F(FakeKernelBooks, LeakedEventfdIsTold) {
  const auto& table = calls.table();
  const UniqueFd closed(table.eventfd(table.context, 0, O_CLOEXEC));
  leaked.push_back(table.eventfd(table.context, 0, O_CLOEXEC));
  expect_violation("Descriptor " + std::to_string(leaked[0]) + " was never closed: it is an eventfd");
}

TEST_F(FakeKernelBooks, DuplicateMadePastTheTableIsALeakOfItsObject) {
  const auto buffer = calls.heap_buffer(kCoherent, kPage);
  leaked.push_back(::dup(buffer.get()));
  expect_violation("was never closed: it is dma-buf 1");
}

TEST_F(FakeKernelBooks, LeakedDuplicateOfACallersDescriptorIsTold) {
  const UniqueFd callers(::memfd_create("callers", MFD_CLOEXEC));
  leaked.push_back(calls.fcntl(callers, F_DUPFD_CLOEXEC));
  expect_violation("was never closed: it was duplicated from descriptor " + std::to_string(callers.get()));
}

TEST_F(FakeKernelBooks, CallersOwnDescriptorIsNoLeak) {
  leaked.push_back(::memfd_create("callers", MFD_CLOEXEC));
  const UniqueFd borrowed(calls.table().fcntl(calls.table().context, leaked[0], F_DUPFD_CLOEXEC, 0));
  EXPECT_TRUE(borrowed.valid());
}

TEST_F(FakeKernelBooks, ReusedNumberIsNotTakenForTheOldDescriptor) {
  auto buffer = calls.heap_buffer(kCoherent, kPage);
  const UniqueFd callers(::memfd_create("callers", MFD_CLOEXEC));
  const int number = buffer.release();
  leaked.push_back(::dup2(callers.get(), number));  // closes the dma-buf
  EXPECT_EQ(leaked[0], number);
  EXPECT_EQ(kernel.info(number), std::nullopt);
}

TEST_F(FakeKernelBooks, MappingNeverUnmappedIsTold) {
  const auto buffer = calls.heap_buffer(kCoherent, 4 * kPage);
  const auto mapped = calls.map(buffer, 4 * kPage);
  EXPECT_EQ(calls.unmap(mapped.subspan(kPage, kPage)), 0);
  expect_violation("A mapping of 4096 bytes of dma-buf 1 of exporter system was never unmapped");
  expect_violation("A mapping of 8192 bytes of dma-buf 1 of exporter system was never unmapped");
}

TEST_F(FakeKernelBooks, DmaBufLivesUntilItsLastDescriptorAndMapping) {
  auto buffer = calls.heap_buffer(kCoherent, kPage);
  const auto mapped = calls.map(buffer, kPage);
  UniqueFd duplicate(::dup(buffer.get()));
  EXPECT_EQ(kernel.live_dma_bufs(), 1U);
  buffer.reset();
  duplicate.reset();
  EXPECT_EQ(kernel.live_dma_bufs(), 1U);
  mapped[0] = kMine;
  calls.unmap(mapped);
  EXPECT_EQ(kernel.live_dma_bufs(), 0U);
}

TEST_F(FakeKernelBooks, ThousandsOfBuffersLeaveNothingBehind) {
  for (int round = 0; round < 2000; ++round) {
    const auto memfd = calls.memfd(kPage);
    const auto buffer = calls.udmabuf(memfd, 0, kPage);
    ASSERT_TRUE(buffer.valid()) << round;
    ASSERT_FALSE(kernel.device_bytes(memfd.get()).empty());
  }
  EXPECT_EQ(kernel.live_dma_bufs(), 0U);
}

// ---- CLOEXEC

TEST_F(FakeKernelBooks, MissingCloexecIsToldOfEachCall) {
  const auto& table = calls.table();
  const UniqueFd memfd(table.memfd_create(table.context, "bare", MFD_ALLOW_SEALING));
  const auto node = calls.open("/dev/udmabuf", O_RDWR);
  const UniqueFd event(table.eventfd(table.context, 0, 0));
  const UniqueFd duplicate(calls.fcntl(event, F_DUPFD));
  const auto heap = calls.heap_buffer(kCoherent, kPage, O_RDWR);
  ASSERT_EQ(table.ftruncate(table.context, memfd.get(), kPage), 0);
  ASSERT_EQ(calls.fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  udmabuf_create create{
      .memfd = static_cast<std::uint32_t>(memfd.get()), .flags = 0, .offset = 0, .size = kPage};
  const UniqueFd buffer(calls.ioctl(node, UDMABUF_CREATE, &create));
  EXPECT_EQ(::fcntl(buffer.get(), F_GETFD), 0);
  EXPECT_EQ(::fcntl(heap.get(), F_GETFD), 0);
  expect_violation("memfd_create(\"bare\") was called without MFD_CLOEXEC");
  expect_violation("open(\"/dev/udmabuf\") was called without O_CLOEXEC");
  expect_violation("eventfd was called without EFD_CLOEXEC");
  expect_violation("was duplicated by F_DUPFD, not F_DUPFD_CLOEXEC");
  expect_violation("DMA_HEAP_IOCTL_ALLOC of heap \"system\" was called without O_CLOEXEC");
  expect_violation("UDMABUF_CREATE was called without UDMABUF_FLAGS_CLOEXEC");
}

TEST_F(FakeKernelBooks, DescriptorsMadeWithCloexecHaveIt) {
  const auto heap = calls.heap_buffer(kCoherent, kPage);
  const auto node = calls.open(kCoherent);
  EXPECT_EQ(::fcntl(heap.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(node.get(), F_GETFD), FD_CLOEXEC);
}

// ---- SYNC brackets

TEST_F(FakeKernelBooks, OpenBracketIsTold) {
  const auto buffer = calls.heap_buffer(kCoherent, kPage);
  EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  expect_violation("A SYNC bracket of dma-buf 1 of exporter system was still open");
}

TEST_F(FakeKernelBooks, BracketOpenAtReleaseIsTold) {
  {
    const auto buffer = calls.heap_buffer(kCoherent, kPage);
    EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  }
  expect_violation("was still open when it was released");
}

TEST_F(FakeKernelBooks, EndWithoutStartIsTold) {
  const auto buffer = calls.heap_buffer(kCoherent, kPage);
  EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_WRITE), 0);  // a heap forgives it
  expect_violation("SYNC END(WRITE) of dma-buf 1 of exporter system came without a START");
}

TEST_F(FakeKernelBooks, EndWithOtherFlagsIsTold) {
  const auto buffer = calls.heap_buffer(kCoherent, kPage);
  EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_RW), 0);
  EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
  expect_violation("SYNC END(READ) of dma-buf 1 of exporter system ended a bracket that START(RW)");
}

TEST_F(FakeKernelBooks, NestedBracketsAreBalancedOneByOne) {
  const auto buffer = calls.heap_buffer(kCoherent, kPage);
  EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(kernel.info(buffer.get())->open_brackets.size(), 1U);
  EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
}

// A duplicate shares the open file description, and so the bracket.
TEST_F(FakeKernelBooks, BracketMayEndThroughADuplicate) {
  const auto buffer = calls.heap_buffer(kCoherent, kPage);
  const UniqueFd duplicate(calls.fcntl(buffer, F_DUPFD_CLOEXEC));
  EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_WRITE), 0);
  EXPECT_EQ(calls.end(duplicate, DMA_BUF_SYNC_WRITE), 0);
}

// An END that the kernel refused for good leaves the bracket open, but not by the caller's fault.
TEST_F(FakeKernelBooks, RefusedEndIsNotHeldAgainstTheCaller) {
  const auto buffer = calls.heap_buffer(kCoherent, kPage);
  EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  kernel.fail_next("DMA_BUF_IOCTL_SYNC", EIO);
  EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), -1);
  EXPECT_EQ(errno, EIO);
}

TEST_F(FakeKernelBooks, InterruptedEndMustBeRepeated) {
  const auto buffer = calls.heap_buffer(kCoherent, kPage);
  EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  kernel.fail_next("DMA_BUF_IOCTL_SYNC", EINTR);
  EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), -1);
  expect_violation("was still open");
}

}  // namespace
}  // namespace causeway::test
