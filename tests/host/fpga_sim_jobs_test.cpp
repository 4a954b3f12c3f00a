// SPDX-License-Identifier: Apache-2.0
//
// Jobs that cannot be, jobs that fail, and cards that go away in the middle.
#include <gmock/gmock.h>

#include <filesystem>
#include <iterator>
#include <thread>

#include "host/fpga_sim_card.hpp"

namespace causeway::test {
namespace {

using fpga_sim::Job;
using fpga_sim::Kernel;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::size_t entries_of(const char* folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

class FpgaJobs : public CardTest, public ::testing::WithParamInterface<unsigned> {
protected:
  // Large, so that a transfer is met in the middle; no test fails if it is not.
  static constexpr std::uint32_t kWide = 4096;
  static constexpr std::uint32_t kHigh = 256;

  void SetUp() override { open(GetParam()); }

  /// A job over a large frame, submitted; turns on both sides.
  struct Running {
    FramePool pool;
    Job job;
    Access reads;
    Access writes;
  };
  [[nodiscard]] Running start_large() {
    auto pool = frames({.format = formats::kR8, .width = kWide, .height = kHigh}, Usage::ReadWrite, 2);
    auto job = Job::prepare(*card, pool.frame(0).on(*card), pool.frame(1).on(*card), Kernel::Pass).value();
    auto reads = pool.frame(0).on(*card).begin_access(Usage::Read, soon()).value();
    auto writes = pool.frame(1).on(*card).begin_access(Usage::Write, soon()).value();
    EXPECT_TRUE(job.submit());
    return {std::move(pool), std::move(job), std::move(reads), std::move(writes)};
  }
  void stop_ring(rtl::Ring ring) {
    fpga::registers(*card).value().write32(static_cast<std::uint32_t>(ring) + rtl::reg::kControl, 0).value();
  }
  void expect_works() {
    const auto pool = frames({.format = formats::kR8, .width = 64, .height = 64}, Usage::ReadWrite, 2);
    fill(pool.frame(0), 9);
    auto job = Job::prepare(*card, pool.frame(0).on(*card), pool.frame(1).on(*card), Kernel::Pass).value();
    const auto done = run(job, pool.frame(0), pool.frame(1));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(bytes_of(pool.frame(0)) == bytes_of(pool.frame(1)));
  }
};
INSTANTIATE_TEST_SUITE_P(Bits, FpgaJobs, ::testing::Values(64U, 512U));

TEST_P(FpgaJobs, NeedTurnsOnBothMappings) {
  const auto pool = frames({.format = formats::kR8, .width = 64, .height = 64}, Usage::ReadWrite, 2);
  auto job = Job::prepare(*card, pool.frame(0).on(*card), pool.frame(1).on(*card), Kernel::Pass).value();
  auto refused = job.submit();
  EXPECT_EQ(refused.error().code(), Errc::WrongState);
  EXPECT_THAT(refused.error().message(), HasSubstr("no turn on the source"));
  auto reads = pool.frame(0).on(*card).begin_access(Usage::Read, soon()).value();
  auto reads_other = pool.frame(1).on(*card).begin_access(Usage::Read, soon()).value();
  refused = job.submit();
  EXPECT_THAT(refused.error().message(), HasSubstr("no turn on the destination"));
  EXPECT_TRUE(reads_other.end());
  auto writes = pool.frame(1).on(*card).begin_access(Usage::Write, soon()).value();
  ASSERT_TRUE(job.submit());
  job.wait(soon()).value();
}

TEST_P(FpgaJobs, DoNotOutliveTheirMappings) {
  const auto source = frames({.format = formats::kR8, .width = 64, .height = 64}, Usage::Read);
  std::optional<FramePool> target(frames({.format = formats::kR8, .width = 64, .height = 64}, Usage::Write));
  auto job = Job::prepare(*card, source.frame(0).on(*card), target->frame(0).on(*card), Kernel::Pass).value();
  target.reset();
  // New memory at the old device addresses must not be taken for the old one.
  const auto successor = frames({.format = formats::kR8, .width = 64, .height = 64}, Usage::Write);
  auto reads = source.frame(0).on(*card).begin_access(Usage::Read, soon()).value();
  auto writes = successor.frame(0).on(*card).begin_access(Usage::Write, soon()).value();
  const auto refused = job.submit();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::WrongState);
  EXPECT_THAT(refused.error().message(), HasSubstr("mapped no more"));
}

TEST_P(FpgaJobs, DiscardedInTheMiddle) {
  auto running = start_large();
  { const Job gone = std::move(running.job); }
  EXPECT_TRUE(running.reads.end());
  EXPECT_TRUE(running.writes.end());
  expect_works();
}

// Handles go in whatever order while the engine works; nothing is left, neither descriptors nor threads.
TEST_P(FpgaJobs, ClosedInTheMiddleLeavesNothingBehind) {
  card.reset();
  runtime.reset();
  const auto fds = entries_of("/proc/self/fd");
  const auto threads = entries_of("/proc/self/task");
  for (int round = 0; round < 8; ++round) {
    open(GetParam());
    auto running = start_large();
    ASSERT_TRUE(fpga::interrupt(*card, 1));
    if (round % 2 == 0) {
      stop_ring(rtl::Ring::S2mm);  // it will not end by itself
      fpga::reset(*card).value();
    }
    card.reset();
    runtime.reset();
  }
  EXPECT_EQ(entries_of("/proc/self/fd"), fds);
  // A thread that was joined may be listed for a moment more.
  const auto patience = soon();
  while (entries_of("/proc/self/task") > threads && patience.left() > Deadline::Clock::duration::zero()) {
    std::this_thread::yield();
  }
  EXPECT_LE(entries_of("/proc/self/task"), threads);
}

TEST_P(FpgaJobs, WhatTheKernelsDoNotTake) {
  const auto pool_of = [&](Format format, std::uint32_t width, std::uint32_t height) {
    return frames({.format = format, .width = width, .height = height}, Usage::ReadWrite);
  };
  const auto grey = pool_of(formats::kR8, 64, 64);
  const auto wide = pool_of(formats::kR8, 8200, 4);
  const auto colour = pool_of(formats::kXRGB8888, 64, 64);
  const auto packed = pool_of(formats::kYUYV, 64, 64);
  const auto nv12 = pool_of(formats::kNV12, 64, 64);
  const auto refusal = [&](const FramePool& from, const FramePool& to, Kernel kernel) {
    const auto made = Job::prepare(*card, from.frame(0).on(*card), to.frame(0).on(*card), kernel);
    return made ? std::string("it was taken") : made.error().message();
  };
  EXPECT_THAT(refusal(packed, grey, Kernel::Sobel),
              AllOf(HasSubstr("YUYV of 64x64"), HasSubstr("8-bit luma")));
  EXPECT_THAT(refusal(grey, grey, Kernel::Grey), HasSubstr("an RGB format"));
  EXPECT_THAT(refusal(grey, wide, Kernel::Sobel), HasSubstr("both of one size"));
  EXPECT_THAT(refusal(wide, wide, Kernel::Sobel), HasSubstr("the kernel's line memory holds 8192"));
  EXPECT_THAT(refusal(grey, colour, Kernel::Pass), HasSubstr("alike in format"));
  EXPECT_THAT(refusal(nv12, nv12, Kernel::Pass), HasSubstr("images of one plane"));
  EXPECT_THAT(refusal(grey, grey, Kernel{7}), HasSubstr("there is no kernel 7"));
  const auto read_only = frames({.format = formats::kR8, .width = 64, .height = 64}, Usage::Read);
  EXPECT_THAT(refusal(grey, read_only, Kernel::Pass), HasSubstr("mapped for reading alone"));
  auto other = fpga_sim::open(*runtime).value();
  const auto elsewhere = runtime->negotiate({.format = formats::kR8, .width = 64, .height = 64})
                             .with(other, Usage::ReadWrite)
                             .allocate(1)
                             .value();
  const auto foreign =
      Job::prepare(*card, elsewhere.frame(0).on(other), grey.frame(0).on(*card), Kernel::Pass);
  ASSERT_FALSE(foreign);
  EXPECT_THAT(foreign.error().message(), HasSubstr("a mapping of another device"));
}

TEST_P(FpgaJobs, RowsThatAreNoWholeBeats) {
  auto memory = runtime->allocate(64 * 1024).value();
  const auto frame =
      Frame::create({.format = formats::kR8, .width = 33, .height = 9, .planes = {{0, 36, 4}}}, {memory})
          .value();
  auto attachment = frame.attach(*card, Usage::ReadWrite).value();
  const auto mapping = attachment.map(Direction::Bidirectional).value();
  const auto made = Job::prepare(*card, mapping, mapping, Kernel::Pass);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Errc::Unsupported);
  EXPECT_THAT(made.error().message(), AllOf(HasSubstr("begins at byte 4"), HasSubstr("36 bytes apart")));
}

TEST(FpgaOpen, OneThreadForEachCard) {
  auto runtime = Runtime::create().value();
  const auto before = entries_of("/proc/self/task");
  const auto first = fpga_sim::open(runtime, {.data_bits = 64}).value();
  const auto second = fpga_sim::open(runtime, {.data_bits = 512}).value();
  EXPECT_EQ(entries_of("/proc/self/task"), before + 2);
}

TEST(FpgaOpen, WhatThereIsNot) {
  auto runtime = Runtime::create().value();
  EXPECT_EQ(runtime.devices("fpga_sim").value().size(), 2U);
  EXPECT_EQ(runtime.open_device("fpga_sim", {.id = "7"}).error().code(), Errc::NotFound);
  EXPECT_EQ(runtime.open_device("fpga_sim", {.id = "64"}).value().name(), "simulated FPGA, 64 bits");
  EXPECT_EQ(fpga_sim::open(runtime, {.data_bits = 128}).error().code(), Errc::InvalidArgument);
  EXPECT_EQ(fpga_sim::open(runtime, {.max_run = 1000}).error().code(), Errc::InvalidArgument);
}

// Two cards are two pieces of hardware.
TEST(FpgaOpen, CardsRunSideBySide) {
  auto runtime = Runtime::create().value();
  std::vector<std::thread> users;
  for (int i = 0; i < 2; ++i) {
    users.emplace_back([&runtime, i] {
      auto card = fpga_sim::open(runtime, {.data_bits = i == 0 ? 64U : 512U}).value();
      auto pool = runtime.negotiate({.format = formats::kR8, .width = 500, .height = 100})
                      .with(card, Usage::ReadWrite)
                      .allocate(2)
                      .value();
      fill(pool.frame(0), static_cast<std::uint64_t>(i));
      auto job = Job::prepare(card, pool.frame(0).on(card), pool.frame(1).on(card), Kernel::Pass).value();
      for (int round = 0; round < 10; ++round) {
        auto reads = pool.frame(0).on(card).begin_access(Usage::Read, soon()).value();
        auto writes = pool.frame(1).on(card).begin_access(Usage::Write, soon()).value();
        ASSERT_TRUE(job.submit());
        job.wait(soon()).value();
        EXPECT_TRUE(reads.end());
        EXPECT_TRUE(writes.end());
      }
    });
  }
  for (auto& user : users) {
    user.join();
  }
}

}  // namespace
}  // namespace causeway::test
