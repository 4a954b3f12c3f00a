// SPDX-License-Identifier: Apache-2.0
//
// The contract of exporters, second half: what the CPU and devices do with the memory.
#include <algorithm>
#include <array>

#include "contract/exporter_contract.hpp"

namespace causeway::test {
namespace {

TEST_P(ExporterContract, IsMappedOnceForTheCpu) {
  const auto made = buffer(3 * kPage);
  const auto mapping = must(made.map_cpu());
  EXPECT_EQ(mapping.size(), made.size());
  auto first = must(mapping.begin(Usage::Read, soon()));
  auto second = begin(made, Usage::Read);
  EXPECT_EQ(first.bytes().data(), second.bytes().data());
  EXPECT_EQ(first.bytes().size(), made.size());
  EXPECT_TRUE(first.end());
  EXPECT_TRUE(second.end());
}

TEST_P(ExporterContract, IsReadAndWrittenByTheCpu) {
  const auto made = buffer(3 * kPage);
  auto writing = begin(made, Usage::Write);
  for (std::size_t i = 0; i < writing.bytes().size(); ++i) {
    writing.bytes()[i] = static_cast<std::byte>(i * 13 + i / kPage);
  }
  EXPECT_TRUE(writing.end());
  // Another runtime has a mapping of its own of the same memory.
  auto other = another_runtime();
  const auto there = must(DmaBuf::from_fd(other, must(made.dup_fd()).borrow()));
  EXPECT_EQ(there.id(), made.id());
  auto reading = begin(there, Usage::Read);
  ASSERT_EQ(reading.bytes().size(), made.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < reading.bytes().size(); ++i) {
    wrong += reading.bytes()[i] != static_cast<std::byte>(i * 13 + i / kPage) ? 1U : 0U;
  }
  EXPECT_EQ(wrong, 0U);
  EXPECT_TRUE(reading.end());
}

TEST_P(ExporterContract, ExcludesASecondWriter) {
  const auto made = buffer();
  auto access = begin(made, Usage::Write);
  const auto refused = must(made.map_cpu()).begin(Usage::Write, soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::Busy);
  EXPECT_TRUE(access.end());
}

TEST_P(ExporterContract, BracketsTheCpuWithSync) {
  const auto made = buffer();
  const auto before = runtime().counters();
  auto access = begin(made, Usage::ReadWrite);
  EXPECT_TRUE(access.end());
  const auto done = runtime().counters() - before;
  EXPECT_EQ(done.sync_starts, makes_dma_bufs() ? 1U : 0U);
  EXPECT_EQ(done.sync_ends + done.sync_owed - done.sync_paid, makes_dma_bufs() ? 1U : 0U);
  must(made.fd());
  const auto left = runtime().counters() - before;
  EXPECT_EQ(left.sync_ends, makes_dma_bufs() ? 1U : 0U) << "nothing is owed once the descriptor is given out";
  if (!makes_dma_bufs()) {
    refused_by_design("a memfd is plain shared memory, and knows no SYNC");
  }
}

TEST_P(ExporterContract, MapsPartsForTheCpu) {
  const auto made = buffer(4 * kPage);
  {
    const auto page = must(made.map_page(2));
    EXPECT_EQ(page.bytes().size(), kPage);
    auto access = must(page.begin(Usage::Write, soon()));
    page.bytes()[7] = std::byte{77};
    EXPECT_TRUE(access.end());
  }
  {
    const auto range = must(made.mmap(kPage, 2 * kPage));
    EXPECT_EQ(range.bytes().size(), 2 * kPage);
    auto access = must(range.begin(Usage::Read, soon()));
    EXPECT_EQ(range.bytes()[kPage + 7], std::byte{77});
    EXPECT_TRUE(access.end());
  }
  const std::array<std::pair<std::uint64_t, std::uint64_t>, 6> outside{{{0, made.size() + kPage},
                                                                        {made.size(), kPage},
                                                                        {UINT64_MAX - kPage + 1, 2 * kPage},
                                                                        {1, kPage},
                                                                        {0, kPage - 1},
                                                                        {0, 0}}};
  for (const auto& [offset, length] : outside) {
    const auto range = made.mmap(offset, length);
    ASSERT_FALSE(range) << offset << ", " << length;
    EXPECT_EQ(range.error().code(), Errc::InvalidArgument) << range.error().message();
  }
  for (const std::uint64_t index : {made.size() / kPage, UINT64_MAX / kPage, UINT64_MAX}) {
    const auto page = made.map_page(index);
    ASSERT_FALSE(page) << index;
    EXPECT_EQ(page.error().code(), Errc::InvalidArgument) << page.error().message();
  }
}

TEST_P(ExporterContract, IsAttachedAndMappedAndProved) {
  const auto made = buffer(5 * kPage);
  {
    auto access = begin(made, Usage::Write);
    std::fill(access.bytes().begin(), access.bytes().end(), std::byte{0x11});
    EXPECT_TRUE(access.end());
  }
  const auto device = must(runtime().open_device("null"));
  auto attachment = must(made.attach(device, Usage::ReadWrite));
  EXPECT_EQ(attachment.device(), device);
  auto mapping = must(attachment.map(Direction::Bidirectional));
  EXPECT_EQ(mapping.verdict(), AliasVerdict::Aliased);
  EXPECT_FALSE(mapping.import_path().empty());
  auto turn = must(mapping.begin_access(Usage::ReadWrite, soon()));
  EXPECT_TRUE(turn.end());
  auto access = begin(made, Usage::Read);
  const auto bytes = access.bytes();
  EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0x11}; }))
      << "the proof put the bytes back";
  EXPECT_TRUE(access.end());
}

TEST_P(ExporterContract, KnowsItsAttachments) {
  const auto made = buffer();
  EXPECT_THAT(made.attachments(), ::testing::IsEmpty());
  const auto device = must(runtime().open_device("null"));
  {
    auto attachment = must(made.attach(device, Usage::Read));
    ASSERT_EQ(made.attachments().size(), 1U);
    EXPECT_EQ(made.attachments()[0].device, device.name());
    EXPECT_FALSE(made.attachments()[0].mapped);
    const auto mapping = must(attachment.map(Direction::ToDevice));
    EXPECT_TRUE(made.attachments()[0].mapped);
  }
  EXPECT_THAT(made.attachments(), ::testing::IsEmpty());
}

TEST_P(ExporterContract, IsSeenByADeviceOfItsOwnPath) {
  // By a mapping of the device's own on a real kernel; past the CPU on the fake one.
  const auto made = buffer(2 * kPage);
  const auto device = must(runtime().open_device("testdma", {.id = "dma"}));
  auto attachment = must(made.attach(device, Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  EXPECT_EQ(mapping.verdict(), AliasVerdict::Aliased);
  const auto& view = *static_cast<const DmaView*>(mapping.native(kDmaView));
  const std::array value{std::byte{0x5a}};
  auto turn = must(mapping.begin_access(Usage::Write, soon()));
  EXPECT_TRUE(view.write(0, kPage + 1, value));
  EXPECT_TRUE(turn.end());
  auto access = begin(made, Usage::Read);
  EXPECT_EQ(access.bytes()[kPage + 1], value[0]);
  EXPECT_TRUE(access.end());
}

TEST_P(ExporterContract, CanBePinned) {
  const auto made = buffer(2 * kPage);
  EXPECT_EQ(made.has_pinnable_view(), has_memfd_beneath());
  const auto device = must(runtime().open_device("testdma", {.id = "pinnable"}));
  auto attachment = made.attach(device, Usage::ReadWrite);
  if (!has_memfd_beneath()) {
    ASSERT_FALSE(attachment);
    EXPECT_EQ(attachment.error().code(), Errc::Unsupported) << attachment.error().message();
    refused_by_design("there is no memfd beneath, so a device that pins user pages has nothing to pin");
    return;
  }
  const auto mapping = must(must(std::move(attachment)).map(Direction::Bidirectional));
  EXPECT_EQ(mapping.import_path(), "pinned");
  EXPECT_EQ(mapping.verdict(), AliasVerdict::Aliased) << "the memfd and the buffer are the same bytes";
}

TEST_P(ExporterContract, IsTakenByDevicesForDmaBufsOnly) {
  const auto device = must(runtime().open_device("testdma", {.id = "no-memfd"}));
  const auto made = buffer();
  const auto attachment = made.attach(device, Usage::Read);
  EXPECT_EQ(attachment.has_value(), makes_dma_bufs());
  if (!attachment) {
    // Deferred storage was settled in a memfd before this device came: it may suit another time.
    const auto expected = exporter() == kDeferred ? Errc::Busy : Errc::Unsupported;
    EXPECT_EQ(attachment.error().code(), expected) << attachment.error().message();
    refused_by_design("a memfd is no dma-buf");
  }
}

TEST_P(ExporterContract, MakesPoolsOfFrames) {
  const auto device = must(runtime().open_device("null"));
  if (is_created() || is_device()) {
    const auto named = runtime().negotiate(FrameDesc::bytes(kPage)).exporter(exporter()).allocate(1);
    ASSERT_FALSE(named);
    EXPECT_EQ(named.error().code(), Errc::NotFound) << named.error().message();
    refused_by_design(std::string("its buffers are made by ") +
                      (is_device() ? "Runtime::allocate_on" : "DmaBuf::create") +
                      "; pools come from allocators");
    return;
  }
  auto pool = must(runtime()
                       .negotiate({.format = formats::kNV12, .width = 640, .height = 480})
                       .with(device, Usage::ReadWrite)
                       .exporter(exporter())
                       .allocate(3));
  EXPECT_EQ(pool.size(), 3U);
  EXPECT_EQ(pool.report().exporter, exporter());
  EXPECT_EQ(pool.report().imports.at(0).verdict, AliasVerdict::Aliased);
  for (int i = 0; i < 6; ++i) {
    const auto lease = must(pool.acquire(soon()));
    auto access = must(lease->frame().begin_cpu_access(Usage::Write, soon()));
    EXPECT_EQ(access.plane(1).size(), std::size_t{access.stride(1)} * 239 + 640);
    std::fill(access.plane(0).begin(), access.plane(0).end(), std::byte{16});
    EXPECT_TRUE(access.end());
    auto turn = must(lease->on(device).begin_access(Usage::Read, soon()));
    EXPECT_TRUE(turn.end());
  }
}

}  // namespace
}  // namespace causeway::test
