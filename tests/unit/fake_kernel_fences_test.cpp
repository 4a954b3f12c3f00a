// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <linux/sync_file.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "support/fake_kernel_fixture.hpp"
#include "support/table_calls.hpp"

namespace causeway::test {
namespace {

using namespace std::chrono_literals;

constexpr short kBoth = POLLIN | POLLOUT;

class FakeKernelFences : public FakeKernelTest {
protected:
  UniqueFd export_fence(std::uint32_t flags) {
    dma_buf_export_sync_file request{.flags = flags, .fd = -1};
    return UniqueFd(calls.ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request) == 0 ? request.fd : -1);
  }
  int import_fence(const UniqueFd& file, std::uint32_t flags) {
    dma_buf_import_sync_file request{.flags = flags, .fd = file.get()};
    return calls.ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &request);
  }
  bool is_readable(const UniqueFd& fd) {
    pollfd entry{.fd = fd.get(), .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, 0) == 1;
  }
  int status_of(const UniqueFd& file) {
    sync_file_info info{};
    EXPECT_EQ(calls.ioctl(file, SYNC_IOC_FILE_INFO, &info), 0);
    return info.status;
  }
  void TearDown() override {
    buffer.reset();
    FakeKernelTest::TearDown();
  }

  TableCalls calls{kernel.syscalls()};
  UniqueFd buffer = calls.heap_buffer("/dev/dma_heap/system", 4096);
};

TEST_F(FakeKernelFences, IdleBufferIsReadyForAll) {
  EXPECT_EQ(calls.poll(buffer, kBoth), kBoth);
}

TEST_F(FakeKernelFences, WriterKeepsAllAway) {
  const auto fence = kernel.make_fence();
  ASSERT_TRUE(kernel.add_fence(buffer.get(), fence, true));
  EXPECT_EQ(calls.poll(buffer, kBoth), 0);
  kernel.signal(fence);
  EXPECT_EQ(calls.poll(buffer, kBoth), kBoth);
}

TEST_F(FakeKernelFences, ReaderKeepsWritersAway) {
  const auto fence = kernel.make_fence();
  ASSERT_TRUE(kernel.add_fence(buffer.get(), fence, false));
  EXPECT_EQ(calls.poll(buffer, kBoth), POLLIN);
  kernel.signal(fence);
}

TEST_F(FakeKernelFences, PollWakesAtTheSignal) {
  const auto fence = kernel.make_fence();
  kernel.add_fence(buffer.get(), fence, true);
  std::thread device([&] {
    std::this_thread::sleep_for(20ms);
    kernel.signal(fence);
  });
  pollfd entry{.fd = buffer.get(), .events = POLLOUT, .revents = 0};
  EXPECT_EQ(calls.table().ppoll(calls.table().context, &entry, 1, nullptr), 1);
  EXPECT_TRUE(fence.signalled());
  device.join();
}

TEST_F(FakeKernelFences, PollTimesOut) {
  const auto fence = kernel.make_fence();
  kernel.add_fence(buffer.get(), fence, true);
  pollfd entry{.fd = buffer.get(), .events = POLLIN, .revents = 0};
  const timespec soon{.tv_sec = 0, .tv_nsec = 5'000'000};
  EXPECT_EQ(calls.table().ppoll(calls.table().context, &entry, 1, &soon), 0);
  kernel.signal(fence);
}

TEST_F(FakeKernelFences, StartWaitsForTheReservation) {
  const auto fence = kernel.make_fence();
  kernel.add_fence(buffer.get(), fence, false);
  EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);  // a reader does not wait for a reader
  EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
  std::thread device([&] {
    std::this_thread::sleep_for(20ms);
    kernel.signal(fence);
  });
  EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_WRITE), 0);
  EXPECT_TRUE(fence.signalled());
  EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_WRITE), 0);
  device.join();
}

TEST_F(FakeKernelFences, ExportToReadLeavesReadersOut) {
  const auto reader = kernel.make_fence();
  kernel.add_fence(buffer.get(), reader, false);
  const auto to_read = export_fence(DMA_BUF_SYNC_READ);
  const auto to_write = export_fence(DMA_BUF_SYNC_WRITE);
  EXPECT_TRUE(is_readable(to_read));
  EXPECT_FALSE(is_readable(to_write));
  kernel.signal(reader);
  EXPECT_TRUE(is_readable(to_write));
}

TEST_F(FakeKernelFences, ImportedFenceIsWaitedFor) {
  const auto fence = kernel.make_fence();
  const UniqueFd file(kernel.sync_file(fence));
  EXPECT_EQ(import_fence(file, DMA_BUF_SYNC_WRITE), 0);
  EXPECT_EQ(calls.poll(buffer, kBoth), 0);
  EXPECT_EQ(kernel.info(buffer.get())->pending_fences, 1U);
  kernel.signal(fence);
  EXPECT_EQ(calls.poll(buffer, kBoth), kBoth);
}

TEST_F(FakeKernelFences, WrongFlagsAndFilesAreRefused) {
  EXPECT_FALSE(export_fence(0).valid());
  EXPECT_EQ(errno, EINVAL);
  EXPECT_FALSE(export_fence(DMA_BUF_SYNC_END).valid());
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(import_fence(buffer, DMA_BUF_SYNC_READ), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(FakeKernelFences, OldKernelHasNoSyncFileIoctls) {
  kernel.configure([](FakeConfig& config) { config.sync_files = false; });
  EXPECT_FALSE(export_fence(DMA_BUF_SYNC_READ).valid());
  EXPECT_EQ(errno, ENOTTY);
  EXPECT_EQ(import_fence(buffer, DMA_BUF_SYNC_READ), -1);
  EXPECT_EQ(errno, ENOTTY);
}

TEST_F(FakeKernelFences, StatusTellsPendingSignalledAndFailed) {
  const auto good = kernel.make_fence();
  const auto bad = kernel.make_fence();
  const UniqueFd good_file(kernel.sync_file(good));
  const UniqueFd bad_file(kernel.sync_file(bad));
  EXPECT_EQ(status_of(good_file), 0);
  kernel.signal(good);
  kernel.signal(bad, EIO);
  EXPECT_EQ(status_of(good_file), 1);
  EXPECT_EQ(status_of(bad_file), -EIO);
}

TEST_F(FakeKernelFences, MergedFileWaitsForBoth) {
  const auto one = kernel.make_fence();
  const auto two = kernel.make_fence();
  const UniqueFd first(kernel.sync_file(one));
  const UniqueFd second(kernel.sync_file(two));
  sync_merge_data merge{.name = "both", .fd2 = second.get(), .fence = -1, .flags = 0, .pad = 0};
  ASSERT_EQ(calls.ioctl(first, SYNC_IOC_MERGE, &merge), 0);
  const UniqueFd both(merge.fence);
  kernel.signal(one);
  EXPECT_FALSE(is_readable(both));
  kernel.signal(two);
  EXPECT_TRUE(is_readable(both));
}

}  // namespace
}  // namespace causeway::test
