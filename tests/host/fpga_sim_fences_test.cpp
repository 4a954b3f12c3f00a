// SPDX-License-Identifier: Apache-2.0
//
// Fences between the card and others: what a job waits for, the card waits for and no thread of the program;
// and whoever waits for a card whose process is killed is told.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <thread>

#include "host/fpga_sim_card.hpp"
#include "support/pass_fds.hpp"

namespace causeway::test {
namespace {

using fpga_sim::Job;
using fpga_sim::Kernel;
using namespace std::chrono_literals;

class FpgaFences : public CardTest {
protected:
  static constexpr FrameDesc kDesc{.format = formats::kR8, .width = 640, .height = 480};

  void SetUp() override { open(512); }

  [[nodiscard]] Job pass(const FrameRef& from, const FrameRef& to) {
    return Job::prepare(*card, from.on(*card), to.on(*card), Kernel::Pass).value();
  }
  [[nodiscard]] std::uint64_t waits() { return runtime->counters().cpu_waits; }
};

// A camera's software says later that the frame is whole; the card is started before.
TEST_F(FpgaFences, AJobWaitsForAProgramsEventByItself) {
  const auto pool = frames(kDesc, Usage::ReadWrite, 2);
  fill(pool.frame(0), 1);
  fill(pool.frame(1), 2);
  const auto before = bytes_of(pool.frame(1));
  auto job = pass(pool.frame(0), pool.frame(1));
  auto whole = HostEvent::create(*runtime, Producer::CacheCoherent).value();
  const std::array given{whole.fence()};
  const auto waited = waits();
  auto reads = pool.frame(0).on(*card).begin_access(Usage::Read, given, soon()).value();
  auto writes = pool.frame(1).on(*card).begin_access(Usage::Write, soon()).value();
  ASSERT_TRUE(job.submit());
  EXPECT_EQ(reads.end().value().size(), 1U);
  const auto done = writes.end().value();
  ASSERT_EQ(done.size(), 1U);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(done[0].status(), FenceStatus::Pending);
  EXPECT_EQ(waits(), waited) << "no thread of the program waits";
  ASSERT_TRUE(whole.signal());
  EXPECT_TRUE(bytes_of(pool.frame(1)) == bytes_of(pool.frame(0)));
  EXPECT_FALSE(bytes_of(pool.frame(1)) == before);
}

// What one reader waits for stays for the job, whichever reader is done first.
TEST_F(FpgaFences, ReadersThatOverlapEndInAnyOrder) {
  const auto pool = frames(kDesc, Usage::ReadWrite, 2);
  fill(pool.frame(0), 1);
  auto job = pass(pool.frame(0), pool.frame(1));
  auto whole = HostEvent::create(*runtime, Producer::CacheCoherent).value();
  const std::array given{whole.fence()};
  auto waits_for_it = pool.frame(0).on(*card).begin_access(Usage::Read, given, soon()).value();
  auto waits_for_nothing = pool.frame(0).on(*card).begin_access(Usage::Read, soon()).value();
  auto writes = pool.frame(1).on(*card).begin_access(Usage::Write, soon()).value();
  ASSERT_TRUE(waits_for_nothing.end());
  ASSERT_TRUE(job.submit());
  ASSERT_TRUE(waits_for_it.end());
  const auto done = writes.end().value();
  ASSERT_EQ(done.size(), 1U);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(done[0].status(), FenceStatus::Pending) << "the job came before what it had to wait for";
  ASSERT_TRUE(whole.signal());
  EXPECT_TRUE(bytes_of(pool.frame(1)) == bytes_of(pool.frame(0)));
}

// An event of another process cannot tell the card: the program waits, as for all that no device can wait
// for.
TEST_F(FpgaFences, AnEventOfAnotherProcessIsWaitedForOnTheCpu) {
  const auto pool = frames(kDesc, Usage::ReadWrite, 2);
  auto job = pass(pool.frame(0), pool.frame(1));
  auto event = HostEvent::create(*runtime).value();
  const auto told = event.fence().dup_event().value();
  const std::array given{Fence::from_event(*runtime, told.borrow(), Producer::CacheCoherent).value()};
  const auto early = pool.frame(0).on(*card).begin_access(Usage::Read, given, Deadline::in(20ms));
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code(), Errc::TimedOut);
  ASSERT_TRUE(event.signal());
  auto reads = pool.frame(0).on(*card).begin_access(Usage::Read, given, soon()).value();
  EXPECT_TRUE(reads.end());
}

// Two cards and two jobs on one of them, from picture to picture, and nobody waits but at the end.
TEST_F(FpgaFences, CardsAndJobsWaitForEachOther) {
  auto second = fpga_sim::open(*runtime, {.data_bits = 64}).value();
  const auto pool = runtime->negotiate(kDesc)
                        .with(*card, Usage::ReadWrite)
                        .with(second, Usage::ReadWrite)
                        .allocate(4)
                        .value();
  auto first_job = pass(pool.frame(0), pool.frame(1));
  auto second_job =
      Job::prepare(second, pool.frame(1).on(second), pool.frame(2).on(second), Kernel::Pass).value();
  auto third_job = pass(pool.frame(2), pool.frame(3));
  struct Stage {
    const Device& device;
    Job& job;
    std::uint32_t from;
  };
  const std::array stages{Stage{*card, first_job, 0}, Stage{second, second_job, 1},
                          Stage{*card, third_job, 2}};
  for (std::uint64_t round = 0; round < 3; ++round) {
    fill(pool.frame(0), round);
    const auto before = waits();
    for (const auto& [device, job, from] : stages) {
      auto reads = pool.frame(from).on(device).begin_access(Usage::Read, soon()).value();
      auto writes = pool.frame(from + 1).on(device).begin_access(Usage::Write, soon()).value();
      ASSERT_TRUE(job.submit());
      EXPECT_TRUE(reads.end());
      EXPECT_TRUE(writes.end());
    }
    EXPECT_EQ(waits(), before);
    EXPECT_TRUE(bytes_of(pool.frame(3)) == bytes_of(pool.frame(0))) << round;
  }
}

// Registers have no gate: who drives the card by them finds the memory ready after begin_access.
TEST_F(FpgaFences, WithoutAJobTheTurnItselfWaits) {
  const auto pool = frames(kDesc, Usage::ReadWrite, 1);
  auto event = HostEvent::create(*runtime, Producer::CacheCoherent).value();
  const std::array given{event.fence()};
  const auto early = pool.frame(0).on(*card).begin_access(Usage::Read, given, Deadline::in(20ms));
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code(), Errc::TimedOut);
  std::thread signals([&] {
    std::this_thread::sleep_for(20ms);
    EXPECT_TRUE(event.signal());
  });
  auto reads = pool.frame(0).on(*card).begin_access(Usage::Read, given, soon()).value();
  EXPECT_EQ(event.fence().status(), FenceStatus::Signalled);
  EXPECT_TRUE(reads.end());
  signals.join();
}

// Handles go while a job waits for an event that never comes; nobody hangs, and the late signal harms nobody.
TEST_F(FpgaFences, ACardClosedWithAJobThatWaits) {
  auto event = HostEvent::create(*runtime, Producer::CacheCoherent).value();
  {
    const auto pool = frames(kDesc, Usage::ReadWrite, 2);
    auto job = pass(pool.frame(0), pool.frame(1));
    const std::array given{event.fence()};
    auto reads = pool.frame(0).on(*card).begin_access(Usage::Read, given, soon()).value();
    auto writes = pool.frame(1).on(*card).begin_access(Usage::Write, soon()).value();
    ASSERT_TRUE(job.submit());
    EXPECT_TRUE(reads.end());
    EXPECT_TRUE(writes.end());
  }
  card.reset();
  EXPECT_TRUE(event.signal());
}

// ---------------------------------------------------------------- killed

/// A process whose card fills a buffer from another one, over and over, until it is killed.
pid_t start_worker(int memory_fd, int socket) {
  const pid_t child = ::fork();
  if (child != 0) {
    return child;
  }
  ::alarm(60);  // nothing of this test outlives it
  try {
    auto own = Runtime::create().value();
    auto card = fpga_sim::open(own, {.data_bits = 64}).value();
    const auto target = DmaBuf::from_fd(own, BorrowedFd(memory_fd)).value();
    const auto source = own.allocate(target.size()).value();
    auto in = source.attach(card, Usage::Read).value();
    auto out = target.attach(card, Usage::Write).value();
    const auto from = in.map(Direction::ToDevice).value();
    const auto to = out.map(Direction::FromDevice).value();
    auto job = Job::prepare(card, from, to, Kernel::Pass).value();
    bool told = false;
    while (true) {
      auto reads = from.begin_access(Usage::Read, soon()).value();
      auto writes = to.begin_access(Usage::Write, soon()).value();
      static_cast<void>(job.submit().value());
      const auto fences = writes.end().value();
      if (!told && !fences.empty()) {
        const auto event = fences[0].dup_event().value();
        told = send_fds(socket, std::array{event.get()});
        ::kill(::getpid(), SIGSTOP);  // with the transfer in flight, all threads stand
      }
      static_cast<void>(reads.end().value());
      static_cast<void>(job.wait(soon()));
    }
  } catch (const std::exception&) {
    ::_exit(1);
  }
}

TEST(FpgaKilled, WhoWaitsIsToldAndMemoryAndCardGoOn) {
  constexpr std::uint64_t kBytes = std::uint64_t{8} << 20U;
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  auto runtime = Runtime::create().value();
  // On a dma-buf the kernel cannot carry the card's event, so that its turns would end with the transfer.
  const auto memory = runtime.allocate(kBytes, "memfd").value();
  const auto fd = memory.dup_fd(Deadline::now()).value();
  const pid_t child = start_worker(fd.get(), theirs.get());
  ASSERT_GT(child, 0);
  theirs.reset();
  const auto events = receive_fds<1>(ours.get());
  const auto written = Fence::from_event(runtime, events[0].borrow()).value();
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  EXPECT_EQ(written.status(), FenceStatus::Pending) << "8 MiB take a 64-bit card far longer than this";
  ASSERT_EQ(::kill(child, SIGKILL), 0);  // in the middle of its transfer
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  const auto waited = written.wait(soon());
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().system_errno(), EOWNERDEAD);

  // Its hardware died with it: the bytes stand still, and a card of our own writes them all.
  auto card = fpga_sim::open(runtime, {.data_bits = 512}).value();
  const auto source = runtime.allocate(kBytes).value();
  {
    auto mapped = source.map_cpu().value();
    auto access = mapped.begin(Usage::Write, soon()).value();
    std::fill(access.bytes().begin(), access.bytes().end(), std::byte{0x77});
    access.end().value();
  }
  auto in = source.attach(card, Usage::Read).value();
  auto out = memory.attach(card, Usage::Write).value();
  const auto from = in.map(Direction::ToDevice).value();
  const auto to = out.map(Direction::FromDevice).value();
  auto job = Job::prepare(card, from, to, Kernel::Pass).value();
  auto reads = from.begin_access(Usage::Read, soon()).value();
  auto writes = to.begin_access(Usage::Write, soon()).value();
  ASSERT_TRUE(job.submit());
  job.wait(soon()).value();
  EXPECT_TRUE(reads.end());
  EXPECT_TRUE(writes.end());
  auto mapped = memory.map_cpu().value();
  auto access = mapped.begin(Usage::Read, soon()).value();
  EXPECT_TRUE(std::all_of(access.bytes().begin(), access.bytes().end(),
                          [](std::byte byte) { return byte == std::byte{0x77}; }));
  access.end().value();
}

}  // namespace
}  // namespace causeway::test
