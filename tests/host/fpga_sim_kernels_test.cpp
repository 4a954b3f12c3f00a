// SPDX-License-Identifier: Apache-2.0
//
// Frames through the card's kernels, against the CPU's reference, bit by bit: formats, odd sizes, strides,
// scattered and whole device addresses. What does not belong to the picture keeps its bytes.
#include "host/fpga_sim_card.hpp"

namespace causeway::test {
namespace {

using fpga_sim::Job;
using fpga_sim::Kernel;

struct Case {
  unsigned bits;
  Kernel kernel;
  Format from;
  Format to;
  std::uint32_t width;
  std::uint32_t height;
  std::uint64_t max_run = std::uint64_t{64} * 1024;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.bits << " bits, kernel " << static_cast<int>(c.kernel) << ", " << c.from.to_string() << " to "
       << c.to.to_string() << ", " << c.width << "x" << c.height << ", runs to " << c.max_run;
}

class FpgaKernels : public CardTest, public ::testing::WithParamInterface<Case> {};

// The bytes of a pixel that are red, green and blue, by the names of DRM (format.hpp has the memory order).
Image image_of(const Case& c, std::uint32_t in_stride, std::uint32_t out_stride) {
  Image image{.mode = static_cast<std::uint32_t>(c.kernel),
              .width = c.width,
              .height = c.height,
              .in_stride = in_stride,
              .out_stride = out_stride};
  if (c.kernel == Kernel::Pass) {
    image.width *= c.from == formats::kXRGB8888 ? 4U : c.from == formats::kYUYV ? 2U : 1U;
  }
  if (c.from == formats::kABGR8888) {
    image.red = 0;
    image.blue = 2;
  } else if (c.from == formats::kRGBX8888) {
    image.red = 3;
    image.green = 2;
    image.blue = 1;
  } else if (c.from == formats::kBGRA8888) {
    image.red = 1;
    image.green = 2;
    image.blue = 3;
  }
  return image;
}

TEST_P(FpgaKernels, EqualTheReference) {
  const Case& c = GetParam();
  open(c.bits, c.max_run);
  const auto sources = frames({.format = c.from, .width = c.width, .height = c.height}, Usage::Read);
  const auto targets = frames({.format = c.to, .width = c.width, .height = c.height}, Usage::Write);
  for (const auto* pool : {&sources, &targets}) {
    EXPECT_EQ(pool->report().imports[0].verdict, AliasVerdict::Aliased);
    EXPECT_EQ(pool->report().imports[0].import_path, "host-pointer");
  }
  const auto from = sources.frame(0);
  const auto to = targets.frame(0);
  fill(from, 1);
  fill(to, 2);
  const Bytes in = bytes_of(from);
  Bytes expected = bytes_of(to);
  reference(image_of(c, from.frame().layout().planes[0].stride, to.frame().layout().planes[0].stride), beat,
            in, expected);
  auto job = Job::prepare(*card, from.on(*card), to.on(*card), c.kernel);
  ASSERT_TRUE(job) << job.error().message();
  const auto done = run(*job, from, to);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(bytes_of(to) == expected);
  EXPECT_TRUE(bytes_of(from) == in);
  EXPECT_EQ(runtime->counters().copied_bytes, 0U);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const unsigned bits : {64U, 512U}) {
    for (const auto& [width, height] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
             {1, 1}, {3, 3}, {67, 5}, {64, 64}, {641, 31}, {1920, 8}}) {
      all.push_back({bits, Kernel::Sobel, formats::kR8, formats::kR8, width, height});
      all.push_back({bits, Kernel::Grey, formats::kXRGB8888, formats::kR8, width, height});
      all.push_back({bits, Kernel::Pass, formats::kR8, formats::kR8, width, height});
    }
    all.push_back({bits, Kernel::Sobel, formats::kNV12, formats::kR8, 322, 46});
    all.push_back({bits, Kernel::Sobel, formats::kNV12, formats::kNV12, 322, 46});
    all.push_back({bits, Kernel::Sobel, formats::kYUV420, formats::kR8, 130, 18});
    all.push_back({bits, Kernel::Grey, formats::kABGR8888, formats::kNV12, 130, 18});
    all.push_back({bits, Kernel::Grey, formats::kRGBX8888, formats::kR8, 99, 7});
    all.push_back({bits, Kernel::Grey, formats::kBGRA8888, formats::kR8, 99, 7});
    all.push_back({bits, Kernel::Pass, formats::kXRGB8888, formats::kXRGB8888, 101, 9});
    all.push_back({bits, Kernel::Pass, formats::kYUYV, formats::kYUYV, 102, 9});
    all.push_back({bits, Kernel::Pass, formats::kBytes, formats::kBytes, 100'003, 1});
    // A page for each descriptor; and one entry beyond the length field, which the driver splits.
    all.push_back({bits, Kernel::Sobel, formats::kR8, formats::kR8, 1000, 100, 4096});
    all.push_back({bits, Kernel::Pass, formats::kBytes, formats::kBytes, 3'000'001, 1, 0});
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, FpgaKernels, ::testing::ValuesIn(cases()));

class FpgaCard : public CardTest, public ::testing::WithParamInterface<unsigned> {
protected:
  void SetUp() override { open(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Bits, FpgaCard, ::testing::Values(64U, 512U));

TEST_P(FpgaCard, ARepeatedFrameSetsUpNothingAgain) {
  const FrameDesc desc{.format = formats::kR8, .width = 640, .height = 480};
  const auto sources = frames(desc, Usage::Read);
  const auto targets = frames(desc, Usage::Write);
  auto job =
      Job::prepare(*card, sources.frame(0).on(*card), targets.frame(0).on(*card), Kernel::Sobel).value();
  run(job, sources.frame(0), targets.frame(0)).value();
  const auto first = counters();
  for (std::uint64_t i = 1; i <= 5; ++i) {
    fill(sources.frame(0), i);
    Bytes expected = bytes_of(targets.frame(0));
    const auto stride = sources.frame(0).frame().layout().planes[0].stride;
    reference({.mode = 1, .width = 640, .height = 480, .in_stride = stride, .out_stride = stride}, beat,
              bytes_of(sources.frame(0)), expected);
    run(job, sources.frame(0), targets.frame(0)).value();
    EXPECT_TRUE(bytes_of(targets.frame(0)) == expected) << i;
    const auto now = counters();
    EXPECT_EQ(now.descriptors_written, first.descriptors_written);
    // Two tails; and two acknowledged interrupts, which can come together.
    EXPECT_EQ(now.register_writes, first.register_writes + 4 * i);
    EXPECT_EQ(now.submissions, first.submissions + i);
    EXPECT_EQ(now.bytes_read, first.bytes_read + i * stride * 480);
  }
}

TEST_P(FpgaCard, JobsTakeTurnsOnOneCard) {
  const FrameDesc grey{.format = formats::kR8, .width = 200, .height = 100};
  const auto colours = frames({.format = formats::kXRGB8888, .width = 200, .height = 100}, Usage::Read);
  const auto greys = frames(grey, Usage::ReadWrite, 2);
  fill(colours.frame(0), 5);
  auto to_grey =
      Job::prepare(*card, colours.frame(0).on(*card), greys.frame(0).on(*card), Kernel::Grey).value();
  auto edges = Job::prepare(*card, greys.frame(0).on(*card), greys.frame(1).on(*card), Kernel::Sobel).value();
  for (int i = 0; i < 3; ++i) {
    run(to_grey, colours.frame(0), greys.frame(0)).value();
    Bytes expected = bytes_of(greys.frame(1));
    const auto stride = greys.frame(0).frame().layout().planes[0].stride;
    run(edges, greys.frame(0), greys.frame(1)).value();
    reference({.mode = 1, .width = 200, .height = 100, .in_stride = stride, .out_stride = stride}, beat,
              bytes_of(greys.frame(0)), expected);
    EXPECT_TRUE(bytes_of(greys.frame(1)) == expected);
  }
}

// Two attachments of one buffer have device addresses of their own, and lead to the same bytes.
TEST_P(FpgaCard, TwoAttachmentsOfOneBuffer) {
  auto buffer = runtime->allocate(200'000).value();
  auto first = buffer.attach(*card, Usage::ReadWrite).value();
  auto second = buffer.attach(*card, Usage::ReadWrite).value();
  auto one = first.map(Direction::Bidirectional).value();
  auto other = second.map(Direction::Bidirectional).value();
  EXPECT_EQ(one.verdict(), AliasVerdict::Aliased);
  EXPECT_EQ(other.verdict(), AliasVerdict::Aliased);
  EXPECT_NE(fpga::iova(one).value().address, fpga::iova(other).value().address);
  EXPECT_EQ(one.sg().size(), 4U);  // 64 KiB each
  EXPECT_EQ(fpga::iova(one, 0, 70'000).value().address, one.sg()[1].address + 70'000 - 65'536);
  EXPECT_EQ(fpga::iova(one, 0, 300'000).error().code(), Errc::InvalidArgument);
  EXPECT_EQ(fpga::iova(one, 1).error().code(), Errc::InvalidArgument);
}

// The completion is something to poll; nobody need call wait().
TEST_P(FpgaCard, TheCompletionCanBePolled) {
  const FrameDesc desc{.format = formats::kR8, .width = 640, .height = 480};
  const auto pool = frames(desc, Usage::ReadWrite, 2);
  auto job = Job::prepare(*card, pool.frame(0).on(*card), pool.frame(1).on(*card), Kernel::Pass).value();
  auto reads = pool.frame(0).on(*card).begin_access(Usage::Read, soon()).value();
  auto writes = pool.frame(1).on(*card).begin_access(Usage::Write, soon()).value();
  pollfd waits{.fd = job.submit().value().get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&waits, 1, 30'000), 1);
  EXPECT_NE(waits.revents & POLLIN, 0);  // and hung up, once the signal is whole
  job.wait(Deadline::now()).value();     // it has ended
  EXPECT_TRUE(reads.end());
  EXPECT_TRUE(writes.end());
}

// Fences alone: the turns end at once, and whoever comes next waits for the card by himself.
TEST_P(FpgaCard, ATurnEndsWithTheFenceOfItsJob) {
  const FrameDesc desc{.format = formats::kR8, .width = 1024, .height = 512};
  const auto pool = frames(desc, Usage::ReadWrite, 3);
  fill(pool.frame(0), 3);
  auto first = Job::prepare(*card, pool.frame(0).on(*card), pool.frame(1).on(*card), Kernel::Pass).value();
  auto second = Job::prepare(*card, pool.frame(1).on(*card), pool.frame(2).on(*card), Kernel::Pass).value();
  for (int round = 0; round < 3; ++round) {
    for (auto* job : {&first, &second}) {
      const std::uint32_t i = job == &first ? 0 : 1;
      auto reads = pool.frame(i).on(*card).begin_access(Usage::Read, soon()).value();
      auto writes = pool.frame(i + 1).on(*card).begin_access(Usage::Write, soon()).value();
      ASSERT_TRUE(job->submit());
      const auto signals = writes.end().value();
      for (const auto& fence : signals) {  // none if the card was quicker than we are
        EXPECT_EQ(fence.kind(), FenceKind::HostEvent);
      }
      EXPECT_TRUE(reads.end());
    }
    EXPECT_TRUE(bytes_of(pool.frame(2)) == bytes_of(pool.frame(0)));
    fill(pool.frame(0), 10 + static_cast<std::uint64_t>(round));
  }
}

// What a failed job was to write is not read by mistake.
TEST_P(FpgaCard, AFailedJobFailsItsFence) {
  const FrameDesc desc{.format = formats::kR8, .width = 4096, .height = 4096};
  const auto pool = frames(desc, Usage::ReadWrite, 2);
  auto job = Job::prepare(*card, pool.frame(0).on(*card), pool.frame(1).on(*card), Kernel::Pass).value();
  auto reads = pool.frame(0).on(*card).begin_access(Usage::Read, soon()).value();
  auto writes = pool.frame(1).on(*card).begin_access(Usage::Write, soon()).value();
  ASSERT_TRUE(job.submit());
  const auto signals = writes.end().value();
  EXPECT_TRUE(reads.end());
  ASSERT_TRUE(fpga::reset(*card));
  const auto looked = pool.frame(1).frame().begin_cpu_access(Usage::Read, soon());
  if (signals.empty() || signals[0].status() == FenceStatus::Signalled) {
    GTEST_SKIP() << "this machine simulates 16 MiB before a reset is asked for";
  }
  EXPECT_EQ(signals[0].status(), FenceStatus::Failed);
  EXPECT_EQ(signals[0].error(), ECANCELED);
  ASSERT_FALSE(looked);
  EXPECT_EQ(looked.error().code(), Errc::Io);
}

}  // namespace
}  // namespace causeway::test
