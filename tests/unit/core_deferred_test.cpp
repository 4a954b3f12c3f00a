// SPDX-License-Identifier: Apache-2.0
//
// Deferred storage: settled at the first need, for all who are attached; moved only while nothing holds it.
#include <array>
#include <cstring>

#include "core/runtime_state.hpp"
#include "core_harness.hpp"

namespace causeway::test {
namespace {

class CoreDeferred : public CoreTest {
protected:
  DmaBuf deferred(std::uint64_t size = 2 * kPage) {
    return must(DmaBuf::create(runtime(), DeferredExporter::describe(runtime(), size, "late")));
  }
};

TEST_F(CoreDeferred, HasNoStorageBeforeTheFirstMap) {
  kernel.forget_calls();
  auto buffer = deferred();
  const auto device = open("dma");
  auto attachment = must(buffer.attach(device, Usage::ReadWrite));
  EXPECT_EQ(buffer.exporter(), "deferred");
  EXPECT_EQ(buffer.id(), ObjectId{});
  for (const auto& call : kernel.calls()) {
    EXPECT_NE(call.name, "memfd_create") << "nothing is allocated yet";
  }
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  EXPECT_EQ(buffer.exporter(), "udmabuf");
  EXPECT_NE(buffer.id(), ObjectId{});
  EXPECT_EQ(mapping.verdict(), AliasVerdict::Aliased);
}

TEST_F(CoreDeferred, StorageSuitsAllWhoAreAttached) {
  auto buffer = deferred();
  const auto pinning = open("pinnable");
  const auto other = open("dma");
  auto first = must(buffer.attach(other, Usage::Read));
  auto second = must(buffer.attach(pinning, Usage::ReadWrite));
  const auto mapping = must(first.map(Direction::ToDevice));
  EXPECT_TRUE(buffer.has_pinnable_view()) << "the second one needs it, though the first one mapped";
  EXPECT_TRUE(second.map(Direction::Bidirectional));
}

TEST_F(CoreDeferred, LateDeviceThatItDoesNotSuitIsToldWhy) {
  auto buffer = deferred();
  ASSERT_TRUE(buffer.move_to(kSystem));
  const auto pinning = open("pinnable");
  EXPECT_TRUE(fails_with(buffer.attach(pinning, Usage::Read), Errc::Busy,
                         {"late", kSystem, "needs a memfd beneath"}));
  ASSERT_TRUE(buffer.move_to("udmabuf"));
  EXPECT_TRUE(buffer.attach(pinning, Usage::Read)) << "moved, it suits";
}

TEST_F(CoreDeferred, MovesWithItsContentAndCountsTheCopy) {
  auto buffer = deferred();
  {
    const auto cpu = must(buffer.map_cpu());
    auto access = must(cpu.begin(Usage::Write, soon()));
    std::memset(access.bytes().data(), 0x5a, access.bytes().size());
    ASSERT_TRUE(access.end());
  }
  const auto before = runtime().counters();
  const auto old_id = buffer.id();
  ASSERT_TRUE(buffer.move_to(kSystem));
  EXPECT_EQ((runtime().counters() - before).copied_bytes, buffer.size());
  EXPECT_EQ(buffer.exporter(), kSystem);
  EXPECT_NE(buffer.id(), old_id);
  const auto cpu = must(buffer.map_cpu());
  auto access = must(cpu.begin(Usage::Read, soon()));
  EXPECT_EQ(access.bytes()[kPage], std::byte{0x5a});
  EXPECT_TRUE(access.end());
}

TEST_F(CoreDeferred, NothingThatHoldsItLetsItMove) {
  const auto device = open("dma");
  {
    auto buffer = deferred();
    auto attachment = must(buffer.attach(device, Usage::ReadWrite));
    const auto mapping = must(attachment.map(Direction::Bidirectional));
    EXPECT_TRUE(fails_with(buffer.move_to("memfd"), Errc::Busy, {"device mapping"}));
  }
  {
    auto buffer = deferred();
    const auto cpu = must(buffer.map_cpu());
    EXPECT_TRUE(fails_with(buffer.move_to("memfd"), Errc::Busy, {"CPU mapping"}));
  }
  {
    auto buffer = deferred();
    const auto page = must(buffer.map_page(0));
    EXPECT_TRUE(fails_with(buffer.move_to("memfd"), Errc::Busy, {"CPU mapping"}));
  }
  {
    auto buffer = deferred();
    ASSERT_TRUE(buffer.fd());
    EXPECT_TRUE(fails_with(buffer.move_to("memfd"), Errc::Busy, {"given out"}));
  }
  auto buffer = this->buffer();
  EXPECT_TRUE(fails_with(buffer.move_to("memfd"), Errc::Unsupported, {"stays where it is"}));
}

// What was imported of the former place is no import of the new one.
TEST_F(CoreDeferred, AnAttachmentThatWasMappedBeforeTheMoveSeesTheNewPlace) {
  auto buffer = deferred();
  const auto device = open("dma");
  auto before = must(buffer.attach(device, Usage::ReadWrite));
  { const auto mapping = must(before.map(Direction::Bidirectional)); }
  auto settled = must(buffer.attach(device, Usage::ReadWrite));
  ASSERT_TRUE(buffer.move_to(kSystem));
  for (auto* attachment : {&before, &settled}) {
    const auto mapping = must(attachment->map(Direction::Bidirectional));
    EXPECT_EQ(mapping.verdict(), AliasVerdict::Aliased);
    {
      const auto cpu = must(buffer.map_cpu());
      auto access = must(cpu.begin(Usage::Write, soon()));
      access.bytes()[0] = std::byte{0x5a};
      ASSERT_TRUE(access.end());
    }
    const auto& view = *static_cast<const DmaView*>(mapping.native(kDmaView));
    std::array<std::byte, 1> seen{};
    auto turn = must(mapping.begin_access(Usage::Read, soon()));
    EXPECT_TRUE(view.read(0, 0, seen));
    EXPECT_TRUE(turn.end());
    EXPECT_EQ(seen[0], std::byte{0x5a});
  }
}

TEST_F(CoreDeferred, MoveThatFailsLeavesItWhereItWas) {
  auto buffer = deferred();
  ASSERT_TRUE(buffer.move_to("udmabuf"));
  EXPECT_TRUE(fails_with(buffer.move_to("no such exporter"), Errc::NotFound));
  EXPECT_EQ(buffer.exporter(), "udmabuf");
  EXPECT_TRUE(buffer.map_cpu());
}

// The content is in its new place by then, and the old identity free for another object.
TEST_F(CoreDeferred, MoveWhoseNewPlaceCannotBeLookedAtLosesTheOldIdentity) {
  auto buffer = deferred();
  must(buffer.map_cpu());
  const auto old = buffer.id();
  kernel.fail_next("fstat", ENOMEM);
  EXPECT_TRUE(fails_with(buffer.move_to("memfd"), Errc::OutOfMemory, {"fstat"}));
  EXPECT_EQ(runtime().state()->buffers().find(old), nullptr);
  EXPECT_EQ(buffer.id(), ObjectId{});
  EXPECT_TRUE(buffer.map_cpu());
  EXPECT_EQ(buffer.exporter(), "memfd");
  EXPECT_EQ(runtime().state()->buffers().find(buffer.id()), buffer.state());
}

TEST_F(CoreDeferred, EveryFailingCallOfTheFirstMapIsTold) {
  for (const int failure : {EMFILE, ENOMEM, EINTR, EAGAIN}) {
    for_each_failing_call(failure, [&](const std::string& /*failing*/) {
      const auto device = open("dma");
      auto buffer = deferred();
      auto attachment = must(buffer.attach(device, Usage::ReadWrite));
      auto mapping = attachment.map(Direction::Bidirectional);
      if (!mapping) {
        EXPECT_TRUE(is_told(mapping.error()));
      }
    });
  }
}

}  // namespace
}  // namespace causeway::test
