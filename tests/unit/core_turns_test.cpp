// SPDX-License-Identifier: Apache-2.0
//
// Whose turn it is: writers exclude everybody, readers exclude writers; on several objects all or none.
#include <atomic>
#include <thread>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

class CoreTurns : public CoreTest {
protected:
  static Result<CpuAccess> begin(const DmaBuf& of, Usage usage) {
    return must(of.map_cpu()).begin(usage, soon());
  }
  /// Nobody has a turn on it: only then can somebody write.
  static ::testing::AssertionResult is_idle(const DmaBuf& of) {
    auto access = begin(of, Usage::Write);
    if (!access) {
      return ::testing::AssertionFailure() << access.error().message();
    }
    const auto ended = access->end();
    return ended ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << ended.error().message();
  }
};

TEST_F(CoreTurns, SecondWriterIsRefused) {
  const auto shared = buffer(kPage, kSystem, "the picture");
  auto first = must(begin(shared, Usage::Write));
  EXPECT_TRUE(fails_with(begin(shared, Usage::Write), Errc::Busy, {"the picture"}));
  EXPECT_TRUE(fails_with(begin(shared, Usage::Read), Errc::Busy, {"the picture"}));
  EXPECT_TRUE(first.end());
  EXPECT_TRUE(is_idle(shared));
}

TEST_F(CoreTurns, ReadersAreCounted) {
  const auto shared = buffer();
  auto first = must(begin(shared, Usage::Read));
  auto second = must(begin(shared, Usage::Read));
  EXPECT_TRUE(fails_with(begin(shared, Usage::ReadWrite), Errc::Busy));
  EXPECT_TRUE(first.end());
  EXPECT_TRUE(fails_with(begin(shared, Usage::Write), Errc::Busy)) << "one still reads";
  EXPECT_TRUE(second.end());
  EXPECT_TRUE(is_idle(shared));
}

TEST_F(CoreTurns, DeviceAndCpuExcludeEachOther) {
  const auto shared = buffer();
  const auto dma = open("dma");
  auto attachment = must(shared.attach(dma, Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  {
    auto access = must(mapping.begin_access(Usage::Write, soon()));
    EXPECT_TRUE(fails_with(begin(shared, Usage::Read), Errc::Busy));
    EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Read, soon()), Errc::Busy));
    EXPECT_TRUE(access.end());
  }
  auto access = must(begin(shared, Usage::Write));
  EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Read, soon()), Errc::Busy));
  EXPECT_TRUE(access.end());
  EXPECT_TRUE(is_idle(shared));
}

TEST_F(CoreTurns, AllObjectsOrNone) {
  // Turns are taken in the order of identities, so one of the two is refused first and one last.
  const auto left = buffer();
  const auto right = buffer();
  const auto frame = frame_over({left, right});
  for (const auto* busy : {&left, &right}) {
    auto writer = must(begin(*busy, Usage::Write));
    EXPECT_TRUE(fails_with(frame.begin_cpu_access(Usage::Read, soon()), Errc::Busy));
    EXPECT_TRUE(is_idle(busy == &left ? right : left)) << "the other one was let go";
    EXPECT_TRUE(writer.end());
  }
  auto access = must(frame.begin_cpu_access(Usage::Write, soon()));
  EXPECT_TRUE(fails_with(begin(left, Usage::Read), Errc::Busy));
  EXPECT_TRUE(fails_with(begin(right, Usage::Read), Errc::Busy));
  EXPECT_TRUE(access.end());
  EXPECT_TRUE(is_idle(left));
  EXPECT_TRUE(is_idle(right));
}

TEST_F(CoreTurns, RefusedStartOfAnyObjectLetsAllGo) {
  const auto left = buffer();
  const auto right = buffer();
  const auto frame = frame_over({left, right});
  for (const std::size_t nth : {1U, 2U}) {
    kernel.fail_nth("DMA_BUF_IOCTL_SYNC", nth, EIO);
    EXPECT_TRUE(fails_with(frame.begin_cpu_access(Usage::Write, soon()), Errc::Io, {"SYNC", "EIO"}));
    kernel.stop_failing();
    EXPECT_TRUE(info_of(left).open_brackets.empty());
    EXPECT_TRUE(info_of(right).open_brackets.empty());
    EXPECT_TRUE(is_idle(left));
    EXPECT_TRUE(is_idle(right));
  }
}

TEST_F(CoreTurns, ObjectThatIsThereTwiceHasOneTurn) {
  const auto shared = buffer();
  const auto frame = frame_over({shared, shared});
  auto access = must(frame.begin_cpu_access(Usage::Write, soon()));
  EXPECT_EQ(info_of(shared).open_brackets.size(), 1U);
  EXPECT_TRUE(access.end());
  EXPECT_TRUE(is_idle(shared));
}

TEST_F(CoreTurns, RefusedBeginOfTheDeviceGivesTheTurnBack) {
  const auto shared = buffer();
  for (const char* id : {"dma,fail_begin=12", "via-cpu,fail_begin=12"}) {
    const auto device = open(id);
    auto attachment = must(shared.attach(device, Usage::ReadWrite));
    const auto mapping = must(attachment.map(Direction::Bidirectional));
    EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Write, soon()), Errc::Io, {"told to fail"}));
    EXPECT_TRUE(is_idle(shared));
  }
}

TEST_F(CoreTurns, RefusedEndOfTheDeviceIsToldAndGivesTheTurnBack) {
  const auto shared = buffer();
  for (const char* id : {"dma,fail_end=12", "via-cpu,fail_end=12"}) {
    const auto device = open(id);
    auto attachment = must(shared.attach(device, Usage::ReadWrite));
    const auto mapping = must(attachment.map(Direction::Bidirectional));
    auto access = must(mapping.begin_access(Usage::Write, soon()));
    EXPECT_TRUE(fails_with(access.end(), Errc::Io, {"told to fail"}));
    EXPECT_TRUE(fails_with(access.end(), Errc::WrongState, {"ended"}));
    EXPECT_TRUE(is_idle(shared));
  }
}

TEST_F(CoreTurns, AnAccessEndsOnce) {
  const auto shared = buffer();
  auto of_cpu = must(begin(shared, Usage::Write));
  EXPECT_TRUE(of_cpu.end());
  EXPECT_TRUE(fails_with(of_cpu.end(), Errc::WrongState, {"ended"}));
  EXPECT_TRUE(of_cpu.bytes().empty()) << "the spans die with the access";
  const auto device = open("dma");
  auto attachment = must(shared.attach(device, Usage::Read));
  const auto mapping = must(attachment.map(Direction::ToDevice));
  auto of_device = must(mapping.begin_access(Usage::Read, soon()));
  EXPECT_TRUE(of_device.end());
  EXPECT_TRUE(fails_with(of_device.end(), Errc::WrongState, {"ended"}));
  EXPECT_TRUE(is_idle(shared)) << "the second end took nobody else's turn away";
}

TEST_F(CoreTurns, SecondEndLeavesTheNextTurnAlone) {
  const auto shared = buffer();
  auto first = must(begin(shared, Usage::Read));
  EXPECT_TRUE(first.end());
  auto second = must(begin(shared, Usage::Read));
  EXPECT_FALSE(first.end());
  EXPECT_TRUE(fails_with(begin(shared, Usage::Write), Errc::Busy));
  EXPECT_TRUE(second.end());
}

TEST_F(CoreTurns, DroppedAccessOfTheCpuIsEndedInSilence) {
  const auto shared = buffer();
  { const auto dropped = must(begin(shared, Usage::Write)); }
  EXPECT_TRUE(is_idle(shared));
  EXPECT_TRUE(log.entries().empty());
}

TEST_F(CoreTurns, DroppedAccessThatCannotBeEndedIsLogged) {
  const auto shared = buffer();
  must(shared.fd());  // so that SYNC END comes at once
  {
    const auto dropped = must(begin(shared, Usage::Write));
    kernel.fail_always("DMA_BUF_IOCTL_SYNC", EIO);
  }
  kernel.stop_failing();
  EXPECT_TRUE(log.says(LogLevel::Error, "dropped"));
  EXPECT_TRUE(log.says(LogLevel::Error, "EIO"));
  const auto device = open("dma,fail_end=12");
  auto attachment = must(shared.attach(device, Usage::Read));
  const auto mapping = must(attachment.map(Direction::ToDevice));
  { const auto dropped = must(mapping.begin_access(Usage::Read, soon())); }
  EXPECT_TRUE(log.says(LogLevel::Error, "told to fail"));
  EXPECT_TRUE(is_idle(shared));
}

TEST_F(CoreTurns, MovedAccessIsEndedByItsNewOwner) {
  const auto shared = buffer();
  auto first = must(begin(shared, Usage::Write));
  auto second = std::move(first);
  EXPECT_TRUE(fails_with(first.end(), Errc::WrongState));  // NOLINT(bugprone-use-after-move): the point
  EXPECT_TRUE(first.bytes().empty());
  EXPECT_TRUE(first.plane(0).empty());
  EXPECT_EQ(first.stride(0), 0U);
  EXPECT_FALSE(second.bytes().empty());
  // Assigning over an access that has begun ends that one.
  const auto other = buffer();
  auto third = must(begin(other, Usage::Write));
  third = std::move(second);
  EXPECT_TRUE(is_idle(other));
  EXPECT_TRUE(fails_with(begin(shared, Usage::Read), Errc::Busy));
  EXPECT_TRUE(third.end());
  EXPECT_TRUE(is_idle(shared));
}

TEST_F(CoreTurns, MovedMappingsAndAttachmentsRefuse) {
  const auto shared = buffer();
  const auto device = open("dma");
  auto attachment = must(shared.attach(device, Usage::ReadWrite));
  auto mapping = must(attachment.map(Direction::Bidirectional));
  auto moved = std::move(mapping);
  EXPECT_FALSE(mapping.valid());  // NOLINT(bugprone-use-after-move): the point
  EXPECT_EQ(mapping.native(kDmaView), nullptr);
  EXPECT_TRUE(mapping.import_path().empty());
  EXPECT_TRUE(mapping.sg().empty());
  EXPECT_EQ(mapping.verdict(), AliasVerdict::Unknown);
  EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Read, soon()), Errc::WrongState));
  EXPECT_TRUE(moved.valid());
  EXPECT_NE(moved.native(kDmaView), nullptr);
  EXPECT_EQ(moved.native("causeway.something.else"), nullptr);
  EXPECT_TRUE(fails_with(attachment.map(Direction::Bidirectional), Errc::WrongState, {"mapped already"}));
  moved = Mapping();
  EXPECT_TRUE(attachment.map(Direction::Bidirectional)) << "the mapping that was, is gone";
  const auto other = std::move(attachment);
  EXPECT_TRUE(fails_with(attachment.map(Direction::Bidirectional), Errc::WrongState));  // NOLINT: the point
  EXPECT_EQ(other.device(), device);
}

TEST_F(CoreTurns, TurnsAreForReadingAndWritingOnly) {
  const auto shared = buffer();
  for (const auto usage : {Usage::Sampled, Usage::AsBuffer, static_cast<Usage>(0)}) {
    EXPECT_TRUE(fails_with(begin(shared, usage), Errc::InvalidArgument));
  }
  const auto device = open("dma");
  EXPECT_TRUE(fails_with(shared.attach(device, Usage::AsBuffer), Errc::InvalidArgument, {"usage"}));
  EXPECT_TRUE(fails_with(shared.attach(device, Usage::Read | Usage::AsBuffer | Usage::AsImage),
                         Errc::InvalidArgument, {"more than one"}));
  auto attachment = must(shared.attach(device, Usage::Sampled));
  const auto mapping = must(attachment.map(Direction::ToDevice));
  EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Write, soon()), Errc::InvalidArgument, {"writing"}));
  auto access = must(mapping.begin_access(Usage::Read, soon()));
  EXPECT_TRUE(access.end());
}

// For ThreadSanitizer too: at no moment do two threads write, and none reads what is half written.
TEST_F(CoreTurns, ThreadsNeverShareAWritersTurn) {
  const auto shared = buffer();
  std::atomic<int> turns{0};
  const auto work = [&](Usage usage) {
    const auto mapping = must(shared.map_cpu());
    for (int round = 0; round < 300; ++round) {
      auto access = mapping.begin(usage, soon());
      if (!access) {
        EXPECT_EQ(access.error().code(), Errc::Busy);
        std::this_thread::yield();
        continue;
      }
      ++turns;
      const auto bytes = access->bytes();
      if (writes(usage)) {
        std::fill(bytes.begin(), bytes.end(), static_cast<std::byte>(round));
      } else {
        EXPECT_EQ(bytes.front(), bytes.back());
      }
      EXPECT_TRUE(access->end());
    }
  };
  {
    std::vector<std::jthread> threads;
    for (const auto usage : {Usage::Write, Usage::Read, Usage::ReadWrite, Usage::Read}) {
      threads.emplace_back(work, usage);
    }
  }
  EXPECT_GT(turns.load(), 0);
  EXPECT_TRUE(is_idle(shared));
}

TEST_F(CoreTurns, MappingDroppedInTheMiddleOfATurnLastsUntilItsEnd) {
  const auto device = open("dma");
  auto shared = buffer();
  auto attachment = must(shared.attach(device, Usage::ReadWrite));
  auto mapping = std::make_optional(must(attachment.map(Direction::Bidirectional)));
  auto access = must(mapping->begin_access(Usage::Write, soon()));
  mapping.reset();
  EXPECT_TRUE(shared.attachments().at(0).mapped) << "the device is still at work";
  EXPECT_TRUE(fails_with(attachment.map(Direction::Bidirectional), Errc::WrongState));
  EXPECT_TRUE(access.end());
  EXPECT_FALSE(shared.attachments().at(0).mapped);
  EXPECT_TRUE(attachment.map(Direction::Bidirectional));
}

}  // namespace
}  // namespace causeway::test
