// SPDX-License-Identifier: Apache-2.0
//
// The CPU's bracket: wait, START, bytes, END with the same flags.
#include <linux/dma-buf.h>

#include <thread>

#include "unit/core_harness.hpp"
#include "unit/core_tampering.hpp"

namespace causeway::test {
namespace {

using ::testing::ElementsAre;

class CoreCpuAccess : public CoreTest {
protected:
  /// A dma-buf from elsewhere, with a fence that somebody's work is to signal.
  struct Foreign {
    UniqueFd fd;
    DmaBuf buffer;
  };
  Foreign foreign(const FakeBuffer& of = {}) {
    UniqueFd fd(kernel.make_dma_buf(of));
    auto imported = must(DmaBuf::from_fd(runtime(), fd.borrow()));
    return {.fd = std::move(fd), .buffer = std::move(imported)};
  }
};

TEST_F(CoreCpuAccess, EndCarriesTheFlagsOfStart) {
  const auto shared = buffer();
  const std::array<std::pair<Usage, std::uint64_t>, 3> all{{{Usage::Read, DMA_BUF_SYNC_READ},
                                                            {Usage::Write, DMA_BUF_SYNC_WRITE},
                                                            {Usage::ReadWrite, DMA_BUF_SYNC_RW}}};
  for (const auto& [usage, flags] : all) {
    const auto before = runtime().counters();
    auto access = must(must(shared.map_cpu()).begin(usage, soon()));
    EXPECT_THAT(info_of(shared).open_brackets, ElementsAre(flags));
    EXPECT_TRUE(access.end());
    EXPECT_TRUE(info_of(shared).open_brackets.empty());  // the fixture looks whether the flags were the same
    const auto done = runtime().counters() - before;
    EXPECT_EQ(done.sync_starts, 1U);
    EXPECT_EQ(done.sync_ends, 1U);
    EXPECT_EQ(done.cpu_waits, 0U);
    EXPECT_EQ(done.copied_bytes, 0U);
  }
}

TEST_F(CoreCpuAccess, MemfdNeedsNoBracket) {
  const auto shared = buffer(kPage, "memfd");
  auto access = must(must(shared.map_cpu()).begin(Usage::ReadWrite, soon()));
  EXPECT_TRUE(access.end());
  EXPECT_EQ(runtime().counters().sync_starts, 0U);
  EXPECT_EQ(kernel.count("DMA_BUF_IOCTL_SYNC"), 0U);
}

TEST_F(CoreCpuAccess, WaitsBeforeStart) {
  // START would wait as well, and knows no deadline: so poll comes first.
  const auto shared = buffer();
  const auto mapping = must(shared.map_cpu());
  kernel.forget_calls();
  auto access = must(mapping.begin(Usage::Write, soon()));
  std::vector<std::string> order;
  for (const auto& call : kernel.calls()) {
    order.push_back(call.request.empty() ? call.name : call.request);
  }
  EXPECT_THAT(order, ElementsAre("ppoll", "DMA_BUF_IOCTL_SYNC"));
  EXPECT_TRUE(access.end());
}

TEST_F(CoreCpuAccess, PendingFenceTimesOut) {
  const auto shared = foreign();
  const auto fence = kernel.make_fence("work");
  ASSERT_TRUE(kernel.add_fence(shared.fd.get(), fence, true));
  const auto mapping = must(shared.buffer.map_cpu());
  kernel.forget_calls();
  for (const auto usage : {Usage::Read, Usage::Write}) {
    EXPECT_TRUE(fails_with(mapping.begin(usage, Deadline::in(std::chrono::milliseconds(5))), Errc::TimedOut,
                           {"deadline"}));
    EXPECT_TRUE(fails_with(mapping.begin(usage, Deadline::now()), Errc::TimedOut));
  }
  EXPECT_EQ(kernel.count("DMA_BUF_IOCTL_SYNC"), 0U) << "no bracket was begun";
  EXPECT_GT(runtime().counters().cpu_waits, 0U);
  kernel.signal(fence);
  auto access = must(mapping.begin(Usage::Write, soon()));
  EXPECT_TRUE(access.end()) << "the refused turns were given back";
}

TEST_F(CoreCpuAccess, ReadersWaitForWritersOnly) {
  const auto shared = foreign();
  const auto fence = kernel.make_fence("a device reads");
  ASSERT_TRUE(kernel.add_fence(shared.fd.get(), fence, false));
  const auto mapping = must(shared.buffer.map_cpu());
  auto access = must(mapping.begin(Usage::Read, Deadline::now()));
  EXPECT_TRUE(access.end());
  EXPECT_TRUE(fails_with(mapping.begin(Usage::Write, Deadline::now()), Errc::TimedOut));
  EXPECT_TRUE(fails_with(mapping.begin(Usage::ReadWrite, Deadline::now()), Errc::TimedOut));
  kernel.signal(fence);
}

TEST_F(CoreCpuAccess, WaitEndsWithTheSignal) {
  const auto shared = foreign();
  const auto fence = kernel.make_fence("work");
  ASSERT_TRUE(kernel.add_fence(shared.fd.get(), fence, true));
  const auto mapping = must(shared.buffer.map_cpu());
  std::jthread device([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    kernel.signal(fence);
  });
  const auto before = runtime().counters();
  auto access = must(mapping.begin(Usage::Read, soon()));
  EXPECT_TRUE(fence.signalled());
  EXPECT_EQ((runtime().counters() - before).cpu_waits, 1U);
  EXPECT_TRUE(access.end());
}

TEST_F(CoreCpuAccess, SecondObjectThatIsNotReadyLetsTheFirstGo) {
  auto left = foreign();
  auto right = foreign();
  const auto frame = frame_over({left.buffer, right.buffer});
  for (const auto* late : {&left, &right}) {
    const auto fence = kernel.make_fence("work");
    ASSERT_TRUE(kernel.add_fence(late->fd.get(), fence, true));
    EXPECT_TRUE(fails_with(frame.begin_cpu_access(Usage::Read, Deadline::now()), Errc::TimedOut));
    EXPECT_TRUE(kernel.info(left.fd.get())->open_brackets.empty());
    EXPECT_TRUE(kernel.info(right.fd.get())->open_brackets.empty());
    kernel.signal(fence);
  }
  auto access = must(frame.begin_cpu_access(Usage::Write, soon()));
  EXPECT_TRUE(access.end());
}

TEST_F(CoreCpuAccess, InterruptedCallsAreRepeated) {
  const auto shared = buffer();
  must(shared.fd());  // so that each bracket is issued when it comes
  const auto mapping = must(shared.map_cpu());
  for (const int interruption : {EINTR, EAGAIN}) {
    for (const char* call : {"ppoll", "DMA_BUF_IOCTL_SYNC"}) {
      const auto before = kernel.count(call);
      kernel.fail_next(call, interruption);  // START
      auto access = must(mapping.begin(Usage::Write, soon()));
      kernel.fail_next(call, interruption);  // END, or nothing
      EXPECT_TRUE(access.end());
      kernel.stop_failing();
      EXPECT_GT(kernel.count(call), before + 1);
    }
  }
}

TEST_F(CoreCpuAccess, RefusedEndIsReported) {
  const auto shared = buffer();
  must(shared.fd());
  const auto mapping = must(shared.map_cpu());
  auto access = must(mapping.begin(Usage::Write, soon()));
  kernel.fail_next("DMA_BUF_IOCTL_SYNC", EIO);
  EXPECT_TRUE(fails_with(access.end(), Errc::Io, {"DMA_BUF_IOCTL_SYNC", "EIO"}));
  EXPECT_TRUE(fails_with(access.end(), Errc::WrongState));
  auto next = must(mapping.begin(Usage::Write, soon()));
  EXPECT_TRUE(next.end()) << "the turn was given back";
  EXPECT_EQ(runtime().counters().sync_starts, 2U);
  EXPECT_EQ(runtime().counters().sync_ends, 1U) << "only what was done is counted";
}

TEST_F(CoreCpuAccess, RefusedEndOfOneObjectEndsTheOthers) {
  const auto left = buffer();
  const auto right = buffer();
  must(left.fd());
  must(right.fd());
  const auto frame = frame_over({left, right});
  auto access = must(frame.begin_cpu_access(Usage::Write, soon()));
  kernel.fail_next("DMA_BUF_IOCTL_SYNC", EIO);
  EXPECT_TRUE(fails_with(access.end(), Errc::Io, {"EIO"}));
  EXPECT_EQ(info_of(left).open_brackets.size() + info_of(right).open_brackets.size(), 1U)
      << "the one that the kernel refused to end";
  auto next = must(frame.begin_cpu_access(Usage::Read, soon()));
  EXPECT_TRUE(next.end());
}

TEST_F(CoreCpuAccess, RefusedPollIsReported) {
  const auto shared = buffer();
  const auto mapping = must(shared.map_cpu());
  kernel.fail_next("ppoll", ENOMEM);
  EXPECT_TRUE(fails_with(mapping.begin(Usage::Write, soon()), Errc::OutOfMemory, {"ppoll", "ENOMEM"}));
  auto next = must(mapping.begin(Usage::Write, soon()));
  EXPECT_TRUE(next.end());
}

TEST_F(CoreCpuAccess, ReadOnlyDescriptorIsReadOnly) {
  const auto shared = foreign({.writable = false});
  EXPECT_TRUE(shared.buffer.read_only());
  const auto mapping = must(shared.buffer.map_cpu());
  for (const auto usage : {Usage::Write, Usage::ReadWrite}) {
    EXPECT_TRUE(fails_with(mapping.begin(usage, soon()), Errc::Unsupported, {"read-only"}));
  }
  auto access = must(mapping.begin(Usage::Read, soon()));
  EXPECT_EQ(access.bytes()[0], std::byte{0});
  EXPECT_TRUE(access.end());
  const auto device = open("dma");
  EXPECT_TRUE(fails_with(shared.buffer.attach(device, Usage::Write), Errc::Unsupported, {"read-only"}));
  auto attachment = must(shared.buffer.attach(device, Usage::Read));
  const auto of_device = must(attachment.map(Direction::ToDevice));
  EXPECT_EQ(of_device.verdict(), AliasVerdict::Unknown) << "nothing can be written, so nothing is proved";
}

TEST_F(CoreCpuAccess, MemoryThatCannotBeMappedIsRefused) {
  const auto shared = foreign({.mappable = false});
  EXPECT_TRUE(fails_with(shared.buffer.map_cpu(), Errc::Unsupported, {"mmap", "EINVAL"}));
  const auto frame = frame_over({shared.buffer});
  EXPECT_TRUE(fails_with(frame.begin_cpu_access(Usage::Read, soon()), Errc::Unsupported));
}

TEST_F(CoreCpuAccess, MappedOnceForAllWhoAsk) {
  const auto shared = buffer();
  kernel.forget_calls();
  std::span<std::byte> first;
  for (int i = 0; i < 3; ++i) {
    auto access = must(must(shared.map_cpu()).begin(Usage::Read, soon()));
    first = i == 0 ? access.bytes() : first;
    EXPECT_EQ(access.bytes().data(), first.data());
    EXPECT_TRUE(access.end());
  }
  EXPECT_EQ(kernel.count("mmap"), 1U);
  kernel.forget_calls();
  auto access = must(frame_over({shared}).begin_cpu_access(Usage::Read, soon()));
  EXPECT_EQ(access.bytes().data(), first.data());
  EXPECT_TRUE(access.end());
  EXPECT_EQ(kernel.count("mmap"), 0U);
}

TEST_F(CoreCpuAccess, AccessKeepsTheMemoryAlive) {
  std::optional<CpuAccess> access;
  {
    const auto shared = buffer();
    access.emplace(must(must(shared.map_cpu()).begin(Usage::Write, soon())));
  }
  EXPECT_EQ(kernel.live_dma_bufs(), 1U);
  access->bytes().back() = std::byte{1};
  EXPECT_TRUE(access->end());
  access.reset();
  EXPECT_EQ(kernel.live_dma_bufs(), 0U);
}

// The fixture's books are what notices a missing END; this shows that they do.
TEST_F(CoreCpuAccess, MissingEndIsNoticed) {
  Tampering tampering(kernel);
  tampering.swallow_sync([](std::size_t, std::uint64_t flags) { return (flags & DMA_BUF_SYNC_END) != 0; });
  auto tampered = make_runtime(tampering.table());
  const auto shared = must(tampered.allocate(kPage, kSystem));
  auto access = must(must(shared.map_cpu()).begin(Usage::Read, soon()));
  EXPECT_TRUE(access.end());
  expect_violation("A SYNC bracket of dma-buf 1 of exporter system was still open");
}

}  // namespace
}  // namespace causeway::test
