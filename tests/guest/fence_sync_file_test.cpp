// SPDX-License-Identifier: Apache-2.0
// sync_files of a real kernel: pending, waited for, merged, called back.

#include <linux/sync_file.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "guest/fence_harness.hpp"

namespace causeway::test {
namespace {

std::uint32_t fences_in(BorrowedFd sync_file) {
  sync_file_info info{};
  EXPECT_EQ(::ioctl(sync_file.get(), SYNC_IOC_FILE_INFO, &info), 0);
  return info.num_fences;
}

TEST_F(FenceGuest, APendingSyncFileIsWaitedFor) {
  PendingSyncFile pending;
  const auto fence = must(Fence::from_sync_file(*runtime, pending.fd()));
  EXPECT_EQ(fence.status(), FenceStatus::Pending);
  EXPECT_FALSE(fence.signalled_at());
  EXPECT_EQ(fence.wait(Deadline::now()).error().code(), Errc::TimedOut);
  EXPECT_EQ(fence.wait(Deadline::in(20ms)).error().code(), Errc::TimedOut);
  std::thread device([&] {
    std::this_thread::sleep_for(20ms);
    EXPECT_TRUE(pending.signal());
  });
  EXPECT_TRUE(fence.wait(Deadline::in(8s)));
  device.join();
  EXPECT_EQ(fence.status(), FenceStatus::Signalled);
  EXPECT_TRUE(fence.signalled_at());
}

TEST_F(FenceGuest, WhatIsNoSyncFileIsRefused) {
  EXPECT_EQ(Fence::from_sync_file(*runtime, BorrowedFd(-1)).error().code(), Errc::InvalidArgument);
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(Fence::from_sync_file(*runtime, null.borrow()).error().code(), Errc::InvalidArgument);
  const auto memory = must(must(runtime->allocate(4096, "dma_heap:system")).dup_fd());
  EXPECT_EQ(Fence::from_sync_file(*runtime, memory.borrow()).error().code(), Errc::InvalidArgument);
}

TEST_F(FenceGuest, TheKernelMerges) {
  PendingSyncFile first;
  PendingSyncFile second;
  const std::array both{sync_file(first).fence(), sync_file(second).fence()};
  const auto merged = must(Fence::merge(both));
  const auto fd = must(merged.dup_sync_file());
  EXPECT_EQ(fences_in(fd.borrow()), 2U);
  ASSERT_TRUE(second.signal());
  EXPECT_EQ(merged.status(), FenceStatus::Pending);
  ASSERT_TRUE(first.signal());
  EXPECT_TRUE(merged.wait(Deadline::in(5s)));
}

TEST_F(FenceGuest, TwoOfOneContextAreOne) {
  PendingSyncFile pending;
  const std::array twice{sync_file(pending).fence(), sync_file(pending).fence()};
  const auto fd = must(must(Fence::merge(twice)).dup_sync_file());
  EXPECT_EQ(fences_in(fd.borrow()), 1U) << "the kernel knows that they are the same";
  ASSERT_TRUE(pending.signal());
}

TEST_F(FenceGuest, CallbacksAreDueWhenTheKernelSignals) {
  PendingSyncFile pending;
  const auto fence = sync_file(pending).fence();
  int runs = 0;
  ASSERT_TRUE(fence.add_callback([&](int) { ++runs; }));
  const auto due = must(runtime->dispatch_readiness());
  EXPECT_FALSE(shows(due));
  ASSERT_TRUE(pending.signal());
  EXPECT_TRUE(shows(due, 5s));
  EXPECT_EQ(runtime->dispatch(), 1U);
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace causeway::test
