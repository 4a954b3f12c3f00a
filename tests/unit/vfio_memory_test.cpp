// SPDX-License-Identifier: Apache-2.0
//
// Memory in the card's address space: pinned through the memfd beneath, mapped as the direction says, and
// gone when the mapping is.
#include "support/backend_harness.hpp"
#include "unit/vfio_harness.hpp"

extern "C" const cw_backend* causeway_fpga_vfio_backend(std::uint32_t host_version);

namespace causeway::test {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

using VfioMemory = VfioTest;

TEST_F(VfioMemory, TheCardAndTheCpuSeeTheSameBytes) {
  const auto card = open();
  for (const char* exporter : {"udmabuf", "memfd"}) {
    SCOPED_TRACE(exporter);
    const auto memory = must(runtime->allocate(2 * kPage, exporter));
    auto attached = must(memory.attach(card, Usage::ReadWrite));
    const auto mapped = must(attached.map(Direction::Bidirectional));
    EXPECT_EQ(mapped.import_path(), "pinned");
    EXPECT_EQ(mapped.verdict(), AliasVerdict::Unknown) << "only the driver of a card can have it move bytes";
    ASSERT_THAT(mapped.sg(), SizeIs(2));  // edu's segments
    EXPECT_EQ(mapped.sg()[1].address, mapped.sg()[0].address + kPage);
    fill(memory, 3);
    std::vector<std::byte> seen(2 * kPage);
    ASSERT_TRUE(vfio.dma_read(mapped.sg()[0].address, seen));
    EXPECT_EQ(seen, bytes_of(memory));
    std::reverse(seen.begin(), seen.end());
    ASSERT_TRUE(vfio.dma_write(mapped.sg()[0].address, seen));
    EXPECT_EQ(seen, bytes_of(memory));
  }
}

// The core hands over the memfd beneath a dma-buf. Were it the dma-buf itself, the kernel would refuse.
TEST_F(VfioMemory, ADmaBufsOwnMappingCannotBePinned) {
  const auto card = open();
  const auto& table = *causeway_fpga_vfio_backend(CW_ABI_VERSION);
  const auto memory = must(runtime->allocate(kPage, "udmabuf"));
  auto object = plugin::sized<cw_object>();
  object.fd = object.pinnable_fd = must(memory.fd()).get();
  object.flags = CW_OBJECT_IS_DMA_BUF;
  object.size = kPage;
  const AttachWords words(object);
  cw_attachment* attachment = nullptr;
  const auto attached =
      attempt([&](cw_error* error) { return table.attach(card.raw(), &words.info, &attachment, error); });
  ASSERT_TRUE(attached) << attached;
  auto mapping = plugin::sized<cw_mapping>();
  const auto mapped = attempt([&](cw_error* error) {
    return table.map(card.raw(), attachment, CW_DIRECTION_BIDIRECTIONAL, &mapping, error);
  });
  EXPECT_EQ(mapped.status, CW_UNSUPPORTED);
  EXPECT_THAT(mapped.text, HasSubstr("a dma-buf's own mapping cannot be pinned, the memfd beneath it can"));
  table.detach(card.raw(), attachment);
}

TEST_F(VfioMemory, WithoutAMemfdBeneathThereIsNoWayIn) {
  const auto card = open();
  const auto heap = must(runtime->allocate(kPage, kSystem));
  EXPECT_TRUE(fails_with(heap.attach(card, Usage::Read), Errc::Unsupported, {"memfd"}));
  auto pool = runtime->negotiate(FrameDesc::bytes(kPage)).with(card, Usage::Read).allocate(1);
  EXPECT_EQ(must(std::move(pool)).report().exporter, "udmabuf");
  EXPECT_FALSE(
      runtime->negotiate(FrameDesc::bytes(kPage)).with(card, Usage::Read).exporter(kSystem).allocate(1));
}

TEST_F(VfioMemory, TheDirectionIsWhatTheIommuPermits) {
  const auto card = open();
  std::array<std::byte, 8> bytes{};
  const struct {
    Direction direction;
    bool reads;
    bool writes;
  } cases[] = {{Direction::ToDevice, true, false},
               {Direction::FromDevice, false, true},
               {Direction::Bidirectional, true, true}};
  for (const auto& each : cases) {
    const auto one = buffer(card, kPage, each.direction);
    EXPECT_EQ(vfio.dma_read(one.mapping.sg()[0].address, bytes), each.reads);
    EXPECT_EQ(vfio.dma_write(one.mapping.sg()[0].address, bytes), each.writes);
    EXPECT_EQ(must(fpga::view(one.mapping))->writable, each.writes ? 1U : 0U);
  }
}

TEST_F(VfioMemory, WhatIsNotMappedIsOutOfReach) {
  const auto card = open();
  std::array<std::byte, 8> bytes{};
  std::uint64_t address = 0;
  {
    const auto one = buffer(card, kPage);
    const auto other = buffer(card, kPage);
    address = one.mapping.sg()[0].address;
    EXPECT_TRUE(vfio.dma_read(address + kPage - 8, bytes));
    EXPECT_FALSE(vfio.dma_read(address + kPage - 4, bytes)) << "the page behind a mapping is nobody's";
    EXPECT_GE(other.mapping.sg()[0].address, address + 2 * kPage);
    EXPECT_FALSE(vfio.dma_read(0, bytes)) << "a register that was never written";
    EXPECT_EQ(must(fpga_vfio::info(card)).mapped_bytes, 2 * kPage);
  }
  EXPECT_FALSE(vfio.dma_read(address, bytes)) << "unmapped";
  EXPECT_EQ(must(fpga_vfio::info(card)).mapped_bytes, 0U);
  const auto again = buffer(card, kPage);
  EXPECT_EQ(again.mapping.sg()[0].address, address) << "addresses are used again";
}

TEST_F(VfioMemory, AddressesStayWithinWhatTheCardDrives) {
  vfio.configure({.ranges = {{0x3000, 0x9fff}, {0xd000, 0x1fffff}}});
  const auto card = open({.address_bits = 16});  // up to 0xffff
  std::vector<Buffer> buffers;
  std::vector<std::uint64_t> addresses;
  for (int i = 0; i < 4; ++i) {
    buffers.push_back(buffer(card, kPage));
    addresses.push_back(buffers.back().mapping.sg()[0].address);
  }
  EXPECT_THAT(addresses, ::testing::ElementsAre(0x3000, 0x5000, 0x7000, 0xd000));
  const auto memory = must(runtime->allocate(kPage));
  auto attached = must(memory.attach(card, Usage::Read));
  EXPECT_TRUE(
      fails_with(attached.map(Direction::ToDevice), Errc::OutOfMemory,
                 {"no room for 4096 bytes", "0x3000 to 0xffff", "16384 bytes are in use", "address_bits"}));
  // Given back in any order, the room is one again: 3 pages and the one behind them fit into 7 pages.
  buffers.erase(buffers.begin() + 1);
  buffers.erase(buffers.begin());
  buffers.erase(buffers.begin());
  EXPECT_EQ(buffer(card, 5 * kPage).mapping.sg()[0].address, 0x3000U);
}

TEST_F(VfioMemory, AKernelThatTellsNoRangesHasAHoleForInterrupts) {
  vfio.configure({.tells_ranges = false});
  const auto card = open({});
  const auto info = must(fpga_vfio::info(card));
  EXPECT_EQ(info.first_address, kPage);
  EXPECT_GT(info.last_address, 0xfeefffffU);
  EXPECT_TRUE(buffer(card).mapping.valid());
}

TEST_F(VfioMemory, NegotiationKeepsToWhatTheCardNeeds) {
  const auto card = open({.address_bits = 20, .alignment = 64, .max_object = 128 * kPage});
  const auto plan = must(runtime->negotiate({.format = formats::kNV12, .width = 98, .height = 10})
                             .with(card, Usage::Read)
                             .plan());
  EXPECT_TRUE(plan.needs_pinnable);
  EXPECT_EQ(plan.layout.planes[0].stride % 64, 0U);
  EXPECT_EQ(plan.layout.planes[1].offset % 64, 0U);
  EXPECT_FALSE(runtime->negotiate(FrameDesc::bytes(129 * kPage)).with(card, Usage::Read).plan());
  EXPECT_TRUE(runtime->negotiate(FrameDesc::bytes(128 * kPage)).with(card, Usage::Read).plan());
}

TEST_F(VfioMemory, WithoutALimitAnObjectIsOneSegment) {
  const auto card = open({});
  const auto one = buffer(card, 64 * kPage);
  ASSERT_THAT(one.mapping.sg(), SizeIs(1));
  EXPECT_EQ(one.mapping.sg()[0].length, 64 * kPage);
  EXPECT_EQ(must(fpga::iova(one.mapping, 0, 5000)).address, one.mapping.sg()[0].address + 5000);
}

TEST_F(VfioMemory, TooLittleLockedMemorySaysHowToGetMore) {
  vfio.configure({.memlock = 4 * kPage});
  const auto card = open();
  const auto small = buffer(card, 2 * kPage);
  const auto memory = must(runtime->allocate(3 * kPage));
  auto attached = must(memory.attach(card, Usage::Read));
  EXPECT_TRUE(
      fails_with(attached.map(Direction::ToDevice), Errc::OutOfMemory,
                 {"12288 bytes were to be pinned", "RLIMIT_MEMLOCK", "ulimit -l unlimited", "LimitMEMLOCK"}));
  EXPECT_THAT(vfio.mapped(), SizeIs(1));
}

TEST_F(VfioMemory, TooManyMappings) {
  vfio.configure({.dma_entries = 1});
  const auto card = open();
  const auto one = buffer(card);
  const auto memory = must(runtime->allocate(kPage));
  auto attached = must(memory.attach(card, Usage::Read));
  EXPECT_TRUE(fails_with(attached.map(Direction::ToDevice), Errc::OutOfMemory, {"dma_entry_limit"}));
}

// Two objects: when the second one is refused, the first one is let go.
TEST_F(VfioMemory, NoFailureLeavesAnythingMapped) {
  std::size_t whole = 0;
  for_each_failing_call(EIO, [&](const std::string& failing) {
    const auto card = try_open();
    const auto first = runtime->allocate(kPage);
    const auto second = runtime->allocate(kPage);
    if (!card || !first || !second) {
      return;
    }
    const auto frame = must(Frame::create({.format = formats::kNV12,
                                           .width = 32,
                                           .height = 32,
                                           .planes = {{.stride = 32}, {.object = 1, .stride = 32}}},
                                          {*first, *second}));
    if (auto attached = frame.attach(*card, Usage::ReadWrite)) {
      if (const auto mapped = attached->map(Direction::Bidirectional)) {
        ++whole;
        EXPECT_THAT(vfio.mapped(), SizeIs(2));
      } else {
        EXPECT_THAT(vfio.mapped(), SizeIs(0)) << failing;
      }
    }
  });
  EXPECT_GE(whole, 2U);
}

TEST_F(VfioMemory, AnAddressThatCouldNotBeUnmappedIsNotGivenOutAgain) {
  const auto card = open();
  std::uint64_t address = 0;
  {
    const auto one = buffer(card, kPage);
    address = one.mapping.sg()[0].address;
    kernel.fail_next("VFIO_IOMMU_UNMAP_DMA", EIO);
  }
  EXPECT_THAT(log.entries().back().text, HasSubstr("were to be unmapped"));
  EXPECT_NE(buffer(card, kPage).mapping.sg()[0].address, address);
}

TEST_F(VfioMemory, ATiledPictureIsRefused) {
  const auto card = open();
  const auto memory = must(runtime->allocate(64 * kPage));
  const auto frame = must(Frame::create({.format = formats::kXRGB8888,
                                         .modifier = Modifier{0x0100000000000001},
                                         .width = 32,
                                         .height = 32,
                                         .planes = {{.object = 0, .stride = 128, .offset = 0}}},
                                        {memory}));
  EXPECT_TRUE(fails_with(frame.attach(card, Usage::Read), Errc::Unsupported, {"LINEAR"}));
}

}  // namespace
}  // namespace causeway::test
