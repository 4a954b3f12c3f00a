// SPDX-License-Identifier: Apache-2.0
//
// What single owners answer that were moved from: every method, and no crash.
#include <unistd.h>

#include "unit/core_harness.hpp"

// NOLINTBEGIN(bugprone-use-after-move): that is what these tests are about

namespace causeway::test {
namespace {

using ::testing::IsEmpty;

class CoreMovedFrom : public CoreTest {};

TEST_F(CoreMovedFrom, Attachment) {
  const auto device = open("dma");
  const auto memory = buffer();
  auto attachment = must(memory.attach(device, Usage::ReadWrite));
  const auto kept = std::move(attachment);
  EXPECT_EQ(kept.device(), device);
  const Device none = attachment.device();
  EXPECT_TRUE(fails_with(attachment.map(Direction::ToDevice), Errc::WrongState, {"moved away"}));
  EXPECT_TRUE(fails_with(attachment.try_map(Direction::ToDevice), Errc::WrongState, {"moved away"}));

  EXPECT_EQ(none.name() + none.id() + none.backend() + none.driver() + none.driver_version(), "");
  EXPECT_FALSE(none.has(Capability::Coherent));
  EXPECT_EQ(none.interface("causeway.none"), nullptr);
  EXPECT_EQ(none.raw(), nullptr);
  EXPECT_EQ(none.slot(), Device::kMaxDevices);
  EXPECT_FALSE(none == device);
  EXPECT_TRUE(fails_with(memory.attach(none, Usage::Read), Errc::InvalidArgument, {"moved away"}));
  EXPECT_TRUE(fails_with(frame_over({memory}).attach(none, Usage::Read), Errc::InvalidArgument));
  EXPECT_TRUE(fails_with(runtime().allocate_on(none, FrameDesc::bytes(kPage), Usage::Read),
                         Errc::InvalidArgument, {"moved away"}));
  auto negotiation = runtime().negotiate(FrameDesc::bytes(kPage));
  EXPECT_TRUE(fails_with(negotiation.with(none, Usage::Read).allocate(1), Errc::InvalidArgument, {"moved"}));
  const auto pool = must(runtime().negotiate(FrameDesc::bytes(kPage)).allocate(1));
  EXPECT_FALSE(pool.frame(0).on(none).valid());
  EXPECT_FALSE(HostEvent::of_past(none, {}).valid());
}

TEST_F(CoreMovedFrom, MappingAndAccess) {
  const auto device = open("dma");
  const auto memory = buffer();
  auto attachment = must(memory.attach(device, Usage::ReadWrite));
  auto mapping = must(attachment.map(Direction::Bidirectional));
  const auto kept = std::move(mapping);
  EXPECT_FALSE(mapping.valid());
  EXPECT_EQ(mapping.native(kDmaView), nullptr);
  EXPECT_EQ(mapping.import_path(), "");
  EXPECT_EQ(mapping.verdict(), AliasVerdict::Unknown);
  EXPECT_THAT(mapping.sg(), IsEmpty());
  EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Read, soon()), Errc::WrongState, {"moved away"}));

  auto access = must(kept.begin_access(Usage::Write, soon()));
  auto turn = std::move(access);
  EXPECT_THAT(access.waits(), IsEmpty());
  EXPECT_EQ(access.state(), nullptr);
  EXPECT_TRUE(fails_with(access.end(), Errc::WrongState));
  EXPECT_TRUE(turn.end()) << "it was ended by nobody else";
}

TEST_F(CoreMovedFrom, CpuAccessAndCpuRange) {
  const auto memory = buffer(2 * kPage);
  const auto frame = frame_over({memory});
  auto access = must(frame.begin_cpu_access(Usage::Write, soon()));
  auto turn = std::move(access);
  EXPECT_THAT(access.bytes(), IsEmpty());
  EXPECT_THAT(access.plane(0), IsEmpty());
  EXPECT_EQ(access.stride(0), 0U);
  EXPECT_TRUE(fails_with(access.end(), Errc::WrongState));
  EXPECT_TRUE(turn.end());

  auto range = must(memory.map_page(0));
  auto other = must(memory.map_page(1));
  const auto mapped = [&] { return kernel.count("mmap") - kernel.count("munmap"); };
  const auto before = mapped();
  other = std::move(range);
  EXPECT_EQ(mapped(), before - 1) << "what it had is unmapped at once";
  EXPECT_THAT(range.bytes(), IsEmpty());
  EXPECT_TRUE(fails_with(range.begin(Usage::Read, soon()), Errc::WrongState, {"moved away"}));
  EXPECT_TRUE(must(other.begin(Usage::Read, soon())).end());
}

TEST_F(CoreMovedFrom, FrameLease) {
  auto pool = must(runtime().negotiate(FrameDesc::bytes(kPage)).allocate(1));
  auto lease = must(pool.acquire(Deadline::now()));
  const auto kept = std::move(lease);
  EXPECT_EQ(lease->index(), 0U);
  EXPECT_EQ((*lease).frame().layout(), kept->frame().layout());
  {
    const auto nothing = std::move(lease);  // has no frame to give back
  }
  EXPECT_TRUE(fails_with(pool.acquire(Deadline::now()), Errc::TimedOut));
}

TEST_F(CoreMovedFrom, FenceSlots) {
  const auto memory = buffer();
  auto event = must(HostEvent::create(runtime()));
  auto slots = must(memory.reservation().reserve(1));
  auto kept = std::move(slots);
  EXPECT_EQ(slots.left(), 0U);
  EXPECT_TRUE(fails_with(slots.add(event.fence(), FenceUsage::Read), Errc::WrongState));
  EXPECT_TRUE(kept.add(event.fence(), FenceUsage::Read));
}

TEST_F(CoreMovedFrom, HostEventAndHostTimeline) {
  auto event = must(HostEvent::create(runtime()));
  auto kept = std::move(event);
  EXPECT_FALSE(event.fence().valid());
  EXPECT_TRUE(fails_with(event.signal(), Errc::WrongState, {"moved away"}));
  EXPECT_TRUE(kept.signal());

  auto timeline = must(HostTimeline::create(runtime()));
  auto owner = std::move(timeline);
  EXPECT_EQ(timeline.context(), 0U);
  EXPECT_EQ(timeline.value(), 0U);
  EXPECT_TRUE(fails_with(timeline.point(1), Errc::WrongState, {"moved away"}));
  EXPECT_TRUE(fails_with(timeline.signal(1), Errc::WrongState, {"moved away"}));
  EXPECT_TRUE(owner.signal(1));
}

TEST_F(CoreMovedFrom, UniqueFd) {
  UniqueFd fd(::dup(0));
  const UniqueFd kept = std::move(fd);
  EXPECT_FALSE(fd.valid());
  EXPECT_FALSE(fd.borrow().valid());
  EXPECT_EQ(fd.release(), -1);
}

}  // namespace
}  // namespace causeway::test

// NOLINTEND(bugprone-use-after-move)
