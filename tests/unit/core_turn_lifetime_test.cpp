// SPDX-License-Identifier: Apache-2.0
//
// A turn of the CPU holds no reference: what it is on stays because a handle exists, or because the last one
// left its reference to the turn's end.
#include <array>
#include <atomic>
#include <barrier>
#include <cerrno>
#include <memory>
#include <optional>
#include <thread>

#include "core/turn_watch.hpp"
#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::IsEmpty;

class CoreTurnLifetime : public CoreTest {
protected:
  [[nodiscard]] std::size_t living() { return runtime().ledger().size(); }
  [[nodiscard]] std::size_t mapped() { return kernel.count("mmap") - kernel.count("munmap"); }
  static void write(CpuAccess& access, int value) { access.bytes()[0] = std::byte(value); }
};

TEST_F(CoreTurnLifetime, MemoryStaysUntilTheEndOfATurnThatHasNoHandleAnyMore) {
  const auto before = mapped();
  std::optional<CpuMapping> mapping(must(buffer().map_cpu()));
  auto access = must(mapping->begin(Usage::ReadWrite, soon()));
  write(access, 1);
  mapping.reset();
  EXPECT_EQ(living(), 1U);
  EXPECT_EQ(mapped(), before + 1);
  write(access, 2);
  EXPECT_EQ(access.bytes()[0], std::byte{2});
  EXPECT_TRUE(access.end());
  EXPECT_EQ(living(), 0U);
  EXPECT_EQ(mapped(), before);
  EXPECT_THAT(access.bytes(), IsEmpty());
  EXPECT_TRUE(fails_with(access.end(), Errc::WrongState));
}

TEST_F(CoreTurnLifetime, WithoutATurnItGoesWithTheLastHandle) {
  std::optional<CpuMapping> mapping(must(buffer().map_cpu()));
  EXPECT_TRUE(must(mapping->begin(Usage::Write, soon())).end());
  mapping.reset();
  EXPECT_EQ(living(), 0U);
}

TEST_F(CoreTurnLifetime, AccessThatIsDroppedEndsTheMemoryToo) {
  std::optional<CpuMapping> mapping(must(buffer().map_cpu()));
  {
    auto access = must(mapping->begin(Usage::Write, soon()));
    mapping.reset();
    const auto moved = std::move(access);
    EXPECT_EQ(living(), 1U);
  }
  EXPECT_EQ(living(), 0U);
}

TEST_F(CoreTurnLifetime, HandleThatGoesAtOnceGivesItsReferenceToTheAccess) {
  auto access = must(must(buffer().map_cpu()).begin(Usage::Write, soon()));
  auto picture = must(frame_over({buffer()}).begin_cpu_access(Usage::Write, soon()));
  write(access, 1);
  write(picture, 1);
  EXPECT_EQ(living(), 2U);
  access = std::move(picture);  // which ends the turn that it had
  EXPECT_EQ(living(), 1U);
  EXPECT_TRUE(access.end());
  EXPECT_EQ(living(), 0U);
}

TEST_F(CoreTurnLifetime, HandleThatIsAssignedToLeavesItsReferenceToo) {
  auto mapping = must(buffer().map_cpu());
  auto other = must(buffer().map_cpu());
  auto access = must(mapping.begin(Usage::Write, soon()));
  mapping = other;
  EXPECT_EQ(living(), 2U);
  write(access, 1);
  EXPECT_TRUE(access.end());
  EXPECT_EQ(living(), 1U);
  auto next = must(mapping.begin(Usage::Write, soon()));
  mapping = std::move(mapping);  // NOLINT: to itself
  other = std::move(mapping);
  write(next, 1);
  EXPECT_TRUE(next.end());
}

TEST_F(CoreTurnLifetime, LastOfSeveralReadersLetsGo) {
  std::optional<CpuMapping> mapping(must(buffer().map_cpu()));
  auto one = must(mapping->begin(Usage::Read, soon()));
  auto another = must(mapping->begin(Usage::Read, soon()));
  const auto copy = mapping;
  mapping.reset();
  EXPECT_TRUE(one.end());
  EXPECT_EQ(living(), 1U);
  EXPECT_EQ(another.bytes()[0], std::byte{0});
  EXPECT_TRUE(another.end());
  EXPECT_EQ(living(), 1U) << "a copy of the handle is left";
}

TEST_F(CoreTurnLifetime, FrameOverSeveralObjectsStaysWhole) {
  std::optional<Frame> frame(frame_over({buffer(2 * kPage), buffer(2 * kPage)}));
  auto access = must(frame->begin_cpu_access(Usage::Write, soon()));
  frame.reset();
  EXPECT_EQ(living(), 2U);
  access.plane(0)[0] = access.plane(1)[0] = std::byte{1};
  EXPECT_TRUE(access.end());
  EXPECT_EQ(living(), 0U);
}

TEST_F(CoreTurnLifetime, FrameMayWaitForATurnThatIsAnotherFramesAndGoesThen) {
  const auto shared = buffer(2 * kPage);
  std::optional<Frame> one(frame_over({shared}));
  const auto other = frame_over({shared});
  const std::weak_ptr<const core::FrameState> state = one->state();
  auto access = must(other.begin_cpu_access(Usage::Write, soon()));
  one.reset();
  EXPECT_TRUE(access.end());
  EXPECT_TRUE(state.expired());
}

TEST_F(CoreTurnLifetime, DevicesTurnKeepsNoHandleWaiting) {
  const auto memory = buffer(2 * kPage);
  auto attachment = must(memory.attach(open("dma"), Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  std::optional<Frame> frame(frame_over({memory}));
  const std::weak_ptr<const core::FrameState> state = frame->state();
  auto access = must(mapping.begin_access(Usage::Write, soon()));
  frame.reset();
  EXPECT_TRUE(state.expired());
  must(access.end());
}

TEST_F(CoreTurnLifetime, RangeStaysABufferUntilTheEnd) {
  std::optional<CpuRange> range(must(buffer().map_page(0)));
  auto access = must(range->begin(Usage::Write, soon()));
  range.reset();
  EXPECT_EQ(living(), 1U);
  EXPECT_TRUE(access.end());
  EXPECT_EQ(living(), 0U);
}

TEST_F(CoreTurnLifetime, ObjectIsStillTheSameOneToWhoComesByItsDescriptor) {
  std::optional<CpuMapping> mapping;
  UniqueFd fd;
  {
    const auto memory = buffer();
    fd = must(memory.dup_fd());
    mapping = must(memory.map_cpu());
  }
  auto access = must(mapping->begin(Usage::Write, soon()));
  mapping.reset();
  const auto again = must(DmaBuf::from_fd(runtime(), fd.borrow()));
  EXPECT_EQ(living(), 1U);
  EXPECT_TRUE(fails_with(must(again.map_cpu()).begin(Usage::Write, soon()), Errc::Busy));
  EXPECT_TRUE(access.end());
  EXPECT_TRUE(must(must(again.map_cpu()).begin(Usage::Write, soon())).end());
}

TEST_F(CoreTurnLifetime, RuntimeMayGoBeforeTheTurnDoes) {
  const auto before = mapped();
  std::optional<Runtime> own(make_runtime(kernel.syscalls()));
  std::optional<CpuMapping> mapping(must(must(own->allocate(kPage, kSystem)).map_cpu()));
  auto access = must(mapping->begin(Usage::Write, soon()));
  mapping.reset();
  own.reset();
  write(access, 1);
  EXPECT_TRUE(access.end());
  EXPECT_EQ(mapped(), before);
}

TEST_F(CoreTurnLifetime, PaymentThatTheKernelRefusesIsToldByTheEnd) {
  const auto memory = buffer();
  const auto mapping = must(memory.map_cpu());
  auto access = must(mapping.begin(Usage::Write, soon()));
  const auto fd = must(memory.dup_fd());
  kernel.fail_next("DMA_BUF_IOCTL_SYNC", EIO);
  EXPECT_TRUE(fails_with(access.end(), Errc::Io, {"DMA_BUF_IOCTL_SYNC"}));
  EXPECT_TRUE(must(mapping.begin(Usage::Write, soon())).end()) << "which pays it";
  EXPECT_THAT(kernel.info(fd.get())->open_brackets, IsEmpty());
}

TEST_F(CoreTurnLifetime, HandleAndTurnMayGoInAnyOrderAfterAPaymentWasLeft) {
  for (const bool handle_first : {true, false}) {
    std::optional<DmaBuf> memory(buffer());
    std::optional<CpuMapping> mapping(must(memory->map_cpu()));
    auto access = must(mapping->begin(Usage::Write, soon()));
    const auto fd = must(memory->dup_fd());
    memory.reset();
    if (handle_first) {
      mapping.reset();
    }
    EXPECT_TRUE(access.end());
    EXPECT_THAT(kernel.info(fd.get())->open_brackets, IsEmpty());
    mapping.reset();
    EXPECT_EQ(living(), 0U);
  }
}

// With the barrier of the kernel, and where a turn's end has to do without.
class CoreTurnRaces : public CoreTurnLifetime, public ::testing::WithParamInterface<bool> {
protected:
  void SetUp() override {
    CoreTurnLifetime::SetUp();
    if (!GetParam()) {
      core::TurnWatch::rely_on_membarrier(false);
    }
  }
  void TearDown() override {
    if (!GetParam()) {
      core::TurnWatch::rely_on_membarrier(true);
    }
    CoreTurnLifetime::TearDown();
  }

  static constexpr int kRounds = 200;
  /// Runs both at the same time, each on a thread, for as many rounds; prepare before each, check after it.
  template <class Prepare, class One, class Other, class Check>
  static void race(Prepare&& prepare, One&& one, Other&& other, Check&& check) {
    std::barrier round(2);
    std::jthread second([&] {
      for (int i = 0; i < kRounds; ++i) {
        round.arrive_and_wait();
        other();
        round.arrive_and_wait();
      }
    });
    for (int i = 0; i < kRounds; ++i) {
      prepare();
      round.arrive_and_wait();
      one();
      round.arrive_and_wait();
      check();
    }
  }
};

// For ThreadSanitizer and AddressSanitizer, too: whoever comes second lets the memory go, and nobody twice.
TEST_P(CoreTurnRaces, EndOfTheTurnAndEndOfTheLastHandle) {
  for (const Usage usage : {Usage::Write, Usage::Read}) {
    std::optional<CpuMapping> mapping;
    std::optional<CpuAccess> access;
    race(
        [&] {
          mapping = must(must(runtime().allocate(kPage, "memfd")).map_cpu());
          access = must(mapping->begin(usage, soon()));
        },
        [&] { EXPECT_TRUE(access->end()); }, [&] { mapping.reset(); }, [&] { ASSERT_EQ(living(), 0U); });
  }
}

TEST_P(CoreTurnRaces, EndsOfTwoReadersAfterTheLastHandle) {
  std::array<std::optional<CpuAccess>, 2> accesses;
  race(
      [&] {
        const auto frame = frame_over({must(runtime().allocate(kPage, "memfd"))});
        for (auto& access : accesses) {
          access = must(frame.begin_cpu_access(Usage::Read, soon()));
        }
      },
      [&] { EXPECT_TRUE(accesses[0]->end()); }, [&] { EXPECT_TRUE(accesses[1]->end()); },
      [&] { ASSERT_EQ(living(), 0U); });
}

TEST_P(CoreTurnRaces, EndOfTheTurnAndADescriptorThatLeaves) {
  std::optional<DmaBuf> memory;
  std::optional<CpuAccess> access;
  UniqueFd fd;
  race(
      [&] {
        memory = buffer();
        access = must(must(memory->map_cpu()).begin(Usage::Write, soon()));
      },
      [&] { EXPECT_TRUE(access->end()); }, [&] { fd = must(memory->dup_fd()); },
      [&] {
        ASSERT_THAT(kernel.info(fd.get())->open_brackets, IsEmpty());
        fd.reset();
        memory.reset();
      });
}

INSTANTIATE_TEST_SUITE_P(, CoreTurnRaces, ::testing::Bool(),
                         [](const auto& mode) { return mode.param ? "Membarrier" : "ReadModifyWrite"; });

}  // namespace
}  // namespace causeway::test
