// SPDX-License-Identifier: Apache-2.0
//
// Who sees which bytes when: the fake's cards have memory of their own, so that a missing xrtBOSync shows.
#include <cerrno>

#include "unit/xrt_harness.hpp"

namespace causeway::test {
namespace {

using fpga_xrt::Sync;
using fpga_xrt::SyncDirection;
using ::testing::Each;

class XrtSync : public XrtTest {
protected:
  /// What a kernel of the card would do: add one to each byte.
  void run_kernel(const Device& card, const Mapping& from, const Mapping& to) {
    const auto& in = card_bytes(card, from);
    auto& out = card_bytes(card, to);
    std::transform(in.begin(), in.end(), out.begin(),
                   [](std::byte b) { return std::byte(std::to_integer<unsigned>(b) + 1); });
  }
};

TEST_F(XrtSync, TurnsCarryTheBytes) {
  const auto card = open();
  const auto from = buffer(card);
  const auto to = buffer(card);
  fill(from.memory, 4);
  fill(to.memory, 9);
  auto reads = must(from.mapping.begin_access(Usage::Read, Deadline::now()));
  auto writes = must(to.mapping.begin_access(Usage::Write, Deadline::now()));
  run_kernel(card, from.mapping, to.mapping);
  EXPECT_TRUE(must(reads.end()).empty());
  EXPECT_TRUE(must(writes.end()).empty()) << "the card is done";
  EXPECT_THAT(bytes_of(to.memory), Each(std::byte{5}));
  EXPECT_THAT(bytes_of(from.memory), Each(std::byte{4}));
  EXPECT_EQ(xrt.calls["xrtBOSync"], 2) << "one for each turn, and none that nobody needs";
}

// What the tests above rely on: without the sync nothing arrives.
TEST_F(XrtSync, WithoutASyncNothingArrives) {
  const auto card = open({.sync = Sync::Explicit});
  const auto from = buffer(card);
  const auto to = buffer(card);
  fill(from.memory, 4);
  fill(to.memory, 9);
  auto reads = must(from.mapping.begin_access(Usage::Read, Deadline::now()));
  auto writes = must(to.mapping.begin_access(Usage::Write, Deadline::now()));
  run_kernel(card, from.mapping, to.mapping);
  must(reads.end());
  must(writes.end());
  EXPECT_EQ(xrt.calls["xrtBOSync"], 0);
  EXPECT_THAT(bytes_of(to.memory), Each(std::byte{9}));
  EXPECT_THAT(card_bytes(card, from.mapping), Each(std::byte{0xcc}));
}

TEST_F(XrtSync, ByRangeNothingElseMoves) {
  const auto card = open({.sync = Sync::Explicit});
  const auto one = buffer(card);
  fill(one.memory, 7);
  auto turn = must(one.mapping.begin_access(Usage::ReadWrite, Deadline::now()));
  must(fpga_xrt::sync(card, one.mapping, 0, SyncDirection::ToDevice, 100, 50));
  auto& seen = card_bytes(card, one.mapping);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    ASSERT_EQ(seen[i], i >= 100 && i < 150 ? std::byte{7} : std::byte{0xcc}) << i;
  }
  std::fill(seen.begin(), seen.end(), std::byte{1});
  must(fpga_xrt::sync(card, one.mapping, 0, SyncDirection::FromDevice, kPage, 8));
  must(turn.end());
  const auto bytes = bytes_of(one.memory);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    ASSERT_EQ(bytes[i], i >= kPage && i < kPage + 8 ? std::byte{1} : std::byte{7}) << i;
  }
}

// A turn carries what the planes cover; what lies around them in the same object is somebody else's.
TEST_F(XrtSync, ATurnCarriesThePlanesAlone) {
  const auto card = open();
  const auto memory = must(runtime->allocate(2 * kPage));
  fill(memory, 7);
  const auto frame = must(Frame::create({.format = formats::kR8,
                                         .width = 40,
                                         .height = 3,
                                         .planes = {{.object = 0, .stride = 64, .offset = 1024}}},
                                        {memory}));
  auto attached = must(frame.attach(card, Usage::ReadWrite));
  const auto mapped = must(attached.map(Direction::Bidirectional));
  auto turn = must(mapped.begin_access(Usage::ReadWrite, Deadline::now()));
  auto& seen = card_bytes(card, mapped);
  constexpr std::size_t kEnd = 1024 + 2 * 64 + 40;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    ASSERT_EQ(seen[i], i >= 1024 && i < kEnd ? std::byte{7} : std::byte{0xcc}) << i;
  }
  std::fill(seen.begin(), seen.end(), std::byte{1});
  must(turn.end());
  const auto bytes = bytes_of(memory);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    ASSERT_EQ(bytes[i], i >= 1024 && i < kEnd ? std::byte{1} : std::byte{7}) << i;
  }
}

TEST_F(XrtSync, RangesAreChecked) {
  const auto card = open({.sync = Sync::Explicit});
  const auto one = buffer(card);
  const auto sync = [&](std::uint64_t offset, std::uint64_t size) {
    return fpga_xrt::sync(card, one.mapping, 0, SyncDirection::ToDevice, offset, size);
  };
  EXPECT_TRUE(sync(0, 2 * kPage));
  EXPECT_TRUE(sync(2 * kPage - 1, 1));
  for (const auto& [offset, size] : std::initializer_list<std::pair<std::uint64_t, std::uint64_t>>{
           {0, 2 * kPage + 1}, {2 * kPage, 1}, {1, 2 * kPage}, {0, 0}, {~std::uint64_t{0}, 2}}) {
    EXPECT_TRUE(fails_with(sync(offset, size), Errc::InvalidArgument, {"the object has 8192"}));
  }
  EXPECT_TRUE(fails_with(fpga_xrt::sync(card, one.mapping, 1, SyncDirection::ToDevice, 0, 1),
                         Errc::InvalidArgument, {"object 1"}));
  EXPECT_TRUE(fails_with(fpga_xrt::sync(card, one.mapping, 0, SyncDirection{2}, 0, 1), Errc::InvalidArgument,
                         {"direction 2"}));
  EXPECT_TRUE(fails_with(fpga_xrt::sync(card, Mapping(), 0, SyncDirection::ToDevice, 0, 1),
                         Errc::InvalidArgument, {"no FPGA card"}));
}

TEST_F(XrtSync, AFailureAtTheBeginBeginsNothing) {
  const auto card = open();
  const auto one = buffer(card);
  xrt.failing = "xrtBOSync";
  EXPECT_TRUE(fails_with(one.mapping.begin_access(Usage::Read, Deadline::now()), Errc::Io,
                         {"bytes 0 to 8192", "visible to the card"}));
  auto turn = must(one.mapping.begin_access(Usage::Write, Deadline::now()));
  must(turn.end());
}

// Nobody reads what did not arrive, until it is written anew.
TEST_F(XrtSync, AFailureAtTheEndSpoilsTheBuffer) {
  const auto card = open();
  const auto one = buffer(card);
  auto turn = must(one.mapping.begin_access(Usage::Write, Deadline::now()));
  xrt.failing = "xrtBOSync";
  EXPECT_TRUE(fails_with(turn.end(), Errc::Io, {"as the card left them"}));
  auto mapped = must(one.memory.map_cpu());
  EXPECT_TRUE(fails_with(mapped.begin(Usage::Read, Deadline::now()), Errc::Io));
  fill(one.memory, 1);
  EXPECT_THAT(bytes_of(one.memory), Each(std::byte{1}));
}

// Its bytes are taken over at the end of the turn, so the turn cannot end before the card is done.
TEST_F(XrtSync, ATurnThatWritesDoesNotEndWithAFence) {
  for (const auto sync : {Sync::Automatic, Sync::Explicit}) {
    const auto card = open({.sync = sync});
    const auto one = buffer(card);
    auto event = must(HostEvent::create(*runtime));
    const std::array fences{event.fence()};
    auto reads = must(one.mapping.begin_access(Usage::Read, Deadline::now()));
    EXPECT_EQ(must(reads.end(fences)).size(), 1U) << "reading is another matter";
    must(event.signal());
    auto done = must(HostEvent::create(*runtime));
    const std::array later{done.fence()};
    auto writes = must(one.mapping.begin_access(Usage::Write, Deadline::now()));
    auto ended = writes.end(later);
    if (sync == Sync::Automatic) {
      EXPECT_TRUE(fails_with(ended, Errc::Unsupported, {"xrtRunWait", "Sync::Explicit"}));
    } else {
      EXPECT_EQ(must(std::move(ended)).size(), 1U);
      auto mapped = must(one.memory.map_cpu());
      EXPECT_TRUE(fails_with(mapped.begin(Usage::Read, Deadline::now()), Errc::TimedOut));
    }
    must(done.signal());
  }
}

TEST_F(XrtSync, CpuAndCardTakeTurnsOnMemoryThatIsNotCoherent) {
  const auto card = open();
  const auto memory = must(runtime->allocate(kPage, kSeparate));
  const auto one = share(card, memory);
  for (std::uint8_t round = 1; round < 5; ++round) {
    fill(memory, round);
    auto turn = must(one.mapping.begin_access(Usage::ReadWrite, Deadline::now()));
    run_kernel(card, one.mapping, one.mapping);
    must(turn.end());
    EXPECT_THAT(bytes_of(memory), Each(std::byte(round + 1)));
  }
}

// XRT does not tell what its kernels do, so the program must.
TEST_F(XrtSync, ADroppedTurnLeavesTheBufferLostUntilTheCardIsIdle) {
  const auto card = open();
  const auto one = buffer(card);
  const auto other = buffer(card);
  { const auto dropped = must(one.mapping.begin_access(Usage::Write, Deadline::now())); }
  auto mapped = must(one.memory.map_cpu());
  EXPECT_TRUE(fails_with(mapped.begin(Usage::Write, Deadline::now()), Errc::DeviceLost));
  auto turn = must(other.mapping.begin_access(Usage::Write, Deadline::now()));
  std::fill_n(card_bytes(card, other.mapping).begin(), 2 * kPage, std::byte{3});
  must(turn.end());
  EXPECT_THAT(bytes_of(other.memory), Each(std::byte{3})) << "the other buffers are not concerned";
  EXPECT_TRUE(fails_with(mapped.begin(Usage::Write, Deadline::now()), Errc::DeviceLost));
  must(fpga_xrt::idle(card));
  auto access = must(mapped.begin(Usage::Write, Deadline::now()));
  must(access.end());
}

}  // namespace
}  // namespace causeway::test
