// SPDX-License-Identifier: Apache-2.0
//
// Making calls fail, one in turn after the other.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_kernel_fixture.hpp"
#include "support/table_calls.hpp"

namespace causeway::test {
namespace {

constexpr std::uint64_t kPage = 4096;

class FakeKernelFailures : public FakeKernelTest {
protected:
  TableCalls calls{kernel.syscalls()};
};

TEST_F(FakeKernelFailures, NthCallFails) {
  kernel.fail_nth("open", 2, EMFILE);
  EXPECT_TRUE(calls.open("/dev/udmabuf").valid());
  EXPECT_FALSE(calls.open("/dev/udmabuf").valid());
  EXPECT_EQ(errno, EMFILE);
  EXPECT_TRUE(calls.open("/dev/udmabuf").valid());
}

TEST_F(FakeKernelFailures, RequestFailsByItsOwnName) {
  const auto memfd = calls.memfd(kPage);
  kernel.fail_next("UDMABUF_CREATE", ENOMEM);
  EXPECT_FALSE(calls.udmabuf(memfd, 0, kPage).valid());
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_TRUE(calls.udmabuf(memfd, 0, kPage).valid());
}

TEST_F(FakeKernelFailures, EveryCallFailsUntilStopped) {
  kernel.fail_always("mmap", ENOMEM);
  const auto memfd = calls.memfd(kPage);
  EXPECT_TRUE(calls.map(memfd, kPage).empty());
  EXPECT_TRUE(calls.map(memfd, kPage).empty());
  EXPECT_EQ(errno, ENOMEM);
  kernel.stop_failing();
  const auto mapped = calls.map(memfd, kPage);
  EXPECT_FALSE(mapped.empty());
  calls.unmap(mapped);
}

TEST_F(FakeKernelFailures, CallsAreCountedByNameAndRequest) {
  const auto memfd = calls.memfd(kPage);
  EXPECT_EQ(kernel.count("memfd_create"), 1U);
  EXPECT_EQ(kernel.count("F_ADD_SEALS"), 1U);
  EXPECT_EQ(kernel.count("ioctl"), 0U);
  EXPECT_EQ(kernel.calls().back().to_string(),
            "fcntl(F_ADD_SEALS, descriptor " + std::to_string(memfd.get()) + ")");
  kernel.forget_calls();
  EXPECT_EQ(kernel.count("memfd_create"), 0U);
}

// What the code under test is to look like: whatever fails, it gives back what it had.
bool careful(const TableCalls& calls) {
  const auto memfd = calls.memfd(kPage);
  const auto buffer = memfd.valid() ? calls.udmabuf(memfd, 0, kPage) : UniqueFd();
  const auto mapped = buffer.valid() ? calls.map(buffer, kPage) : std::span<std::byte>();
  if (mapped.empty()) {
    return false;
  }
  bool done = calls.start(buffer, DMA_BUF_SYNC_RW) == 0;
  if (done) {
    mapped[0] = std::byte{1};
    done = calls.end(buffer, DMA_BUF_SYNC_RW) == 0;
  }
  calls.unmap(mapped);
  return done;
}

TEST_F(FakeKernelFailures, EachCallFailsInTurn) {
  std::vector<std::string> failed;
  for_each_failing_call(ENOMEM, [&](const std::string& failing) {
    const bool done = careful(calls);
    if (failing.empty()) {
      EXPECT_TRUE(done);
    } else {
      failed.push_back(failing);
    }
  });
  // memfd_create, ftruncate, fcntl, open, UDMABUF_CREATE, mmap, START, END, munmap; then one run in which
  // nothing was left to fail.
  ASSERT_EQ(failed.size(), 10U);
  EXPECT_EQ(failed.front(), "call 1, memfd_create(test)");
  EXPECT_TRUE(failed[4].starts_with("call 5, ioctl(UDMABUF_CREATE")) << failed[4];
}

TEST_F(FakeKernelFailures, LeakOnAnErrorPathIsToldWithTheCallThatFailed) {
  std::vector<int> leaked;
  const auto found = kernel.for_each_failing_call(ENOMEM, [&](const std::string&) {
    const auto memfd = calls.memfd(kPage);
    UniqueFd buffer = memfd.valid() ? calls.udmabuf(memfd, 0, kPage) : UniqueFd();
    const auto mapped = buffer.valid() ? calls.map(buffer, kPage) : std::span<std::byte>();
    if (buffer.valid() && mapped.empty()) {
      leaked.push_back(buffer.release());  // the mistake
    } else if (!mapped.empty()) {
      calls.unmap(mapped);
    }
  });
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].starts_with("After the failure of mmap(descriptor ")) << found[0];
  EXPECT_NE(found[0].find("was never closed: it is dma-buf"), std::string::npos) << found[0];
  for (const int fd : leaked) {
    UniqueFd closed(fd);
  }
}

TEST_F(FakeKernelFailures, ForgottenViolationsAreNotToldAgain) {
  const auto buffer = calls.heap_buffer("/dev/dma_heap/system", kPage, O_RDWR);
  EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(kernel.verify().size(), 3U);  // CLOEXEC, the bracket, the descriptor
  kernel.forget_violations();
  EXPECT_TRUE(kernel.verify().empty());
}

TEST_F(FakeKernelFailures, TableTellsItsKernel) {
  EXPECT_EQ(FakeKernel::behind(kernel.syscalls()), &kernel);
  const cw_syscalls other{};
  EXPECT_EQ(FakeKernel::behind(&other), nullptr);
  EXPECT_EQ(FakeKernel::behind(nullptr), nullptr);
}

TEST_F(FakeKernelFailures, ManyThreadsMayCall) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        EXPECT_TRUE(careful(calls));
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(kernel.count("UDMABUF_CREATE"), 200U);
}

// ---- Devices of a test's own

TEST_F(FakeKernelFailures, AddedDeviceAnswersItsIoctls) {
  bool ready = false;
  kernel.add_device("/dev/video0",
                    {.ioctl = [](int, unsigned long request, void*) { return request == 1 ? 42 : -ENOTTY; },
                     .poll = [&](short asked) { return ready ? asked : short{0}; }});
  const auto camera = calls.open("/dev/video0");
  EXPECT_EQ(calls.ioctl(camera, 1, nullptr), 42);
  EXPECT_EQ(calls.ioctl(camera, 2, nullptr), -1);
  EXPECT_EQ(errno, ENOTTY);
  EXPECT_EQ(calls.poll(camera, POLLIN), 0);
  ready = true;
  EXPECT_EQ(calls.poll(camera, POLLIN), POLLIN);
}

}  // namespace
}  // namespace causeway::test
