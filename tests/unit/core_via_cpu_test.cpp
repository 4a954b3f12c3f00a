// SPDX-License-Identifier: Apache-2.0
//
// A device that works through a CPU mapping is bracketed with SYNC as the CPU is; one that does not, is not.
#include <linux/dma-buf.h>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::ElementsAre;

class CoreViaCpu : public CoreTest {
protected:
  struct Mapped {
    Attachment attachment;
    Mapping mapping;
  };
  static Mapped map_on(const DmaBuf& shared, const Device& device) {
    auto attachment = must(shared.attach(device, Usage::ReadWrite));
    auto mapping = must(attachment.map(Direction::Bidirectional));
    return {.attachment = std::move(attachment), .mapping = std::move(mapping)};
  }
};

TEST_F(CoreViaCpu, ItsTurnIsABracket) {
  const auto shared = buffer();
  const auto device = open("via-cpu");
  ASSERT_TRUE(device.has(Capability::AccessesViaCpu));
  const auto on = map_on(shared, device);
  const std::array<std::pair<Usage, std::uint64_t>, 3> all{{{Usage::Read, DMA_BUF_SYNC_READ},
                                                            {Usage::Write, DMA_BUF_SYNC_WRITE},
                                                            {Usage::ReadWrite, DMA_BUF_SYNC_RW}}};
  for (const auto& [usage, flags] : all) {
    const auto before = runtime().counters();
    auto access = must(on.mapping.begin_access(usage, soon()));
    EXPECT_THAT(info_of(shared).open_brackets, ElementsAre(flags));
    EXPECT_TRUE(access.end());
    EXPECT_TRUE(info_of(shared).open_brackets.empty());
    const auto done = runtime().counters() - before;
    EXPECT_EQ(done.sync_starts, 1U);
    EXPECT_EQ(done.sync_ends, 1U);
  }
}

TEST_F(CoreViaCpu, DmaDeviceHasNoBracket) {
  const auto shared = buffer();
  const auto device = open("dma");
  ASSERT_FALSE(device.has(Capability::AccessesViaCpu));
  const auto on = map_on(shared, device);
  const auto before = runtime().counters();
  kernel.forget_calls();
  auto access = must(on.mapping.begin_access(Usage::ReadWrite, soon()));
  EXPECT_TRUE(info_of(shared).open_brackets.empty());
  EXPECT_TRUE(access.end());
  EXPECT_EQ(kernel.count("DMA_BUF_IOCTL_SYNC"), 0U);
  EXPECT_EQ((runtime().counters() - before).sync_starts, 0U);
  EXPECT_EQ((runtime().counters() - before).sync_ends, 0U);
}

TEST_F(CoreViaCpu, EachObjectOfAFrameHasItsBracket) {
  const auto left = buffer();
  const auto right = buffer();
  const auto device = open("via-cpu");
  auto attachment = must(frame_over({left, right}).attach(device, Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  auto access = must(mapping.begin_access(Usage::Write, soon()));
  EXPECT_EQ(info_of(left).open_brackets.size(), 1U);
  EXPECT_EQ(info_of(right).open_brackets.size(), 1U);
  EXPECT_TRUE(access.end());
  EXPECT_TRUE(info_of(left).open_brackets.empty());
  EXPECT_TRUE(info_of(right).open_brackets.empty());
}

TEST_F(CoreViaCpu, CountersAreWhatTheKernelCounted) {
  const auto shared = buffer();
  const auto device = open("via-cpu");
  const auto on = map_on(shared, device);
  for (int i = 0; i < 5; ++i) {
    auto access = must(on.mapping.begin_access(Usage::Write, soon()));
    EXPECT_TRUE(access.end());
  }
  const auto counted = runtime().counters();
  EXPECT_EQ(counted.sync_starts + counted.sync_ends, kernel.count("DMA_BUF_IOCTL_SYNC"))
      << "brackets of the alias proof included";
  EXPECT_EQ(counted.sync_starts, counted.sync_ends);
}

TEST_F(CoreViaCpu, WaitsForFencesOfTheKernel) {
  const UniqueFd fd(kernel.make_dma_buf({}));
  const auto shared = must(DmaBuf::from_fd(runtime(), fd.borrow()));
  const auto device = open("via-cpu");
  const auto on = map_on(shared, device);
  const auto fence = kernel.make_fence("work");
  ASSERT_TRUE(kernel.add_fence(fd.get(), fence, true));
  EXPECT_TRUE(fails_with(on.mapping.begin_access(Usage::Read, Deadline::now()), Errc::TimedOut));
  kernel.signal(fence);
  auto access = must(on.mapping.begin_access(Usage::Read, Deadline::now()));
  EXPECT_TRUE(access.end());
}

TEST_F(CoreViaCpu, RefusedSyncEndIsReported) {
  const auto shared = buffer();
  const auto device = open("via-cpu");
  const auto on = map_on(shared, device);
  auto access = must(on.mapping.begin_access(Usage::Write, soon()));
  kernel.fail_next("DMA_BUF_IOCTL_SYNC", EIO);
  EXPECT_TRUE(fails_with(access.end(), Errc::Io, {"DMA_BUF_IOCTL_SYNC", "EIO"}));
}

}  // namespace
}  // namespace causeway::test
