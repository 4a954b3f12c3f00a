// SPDX-License-Identifier: Apache-2.0
//
// Import and export: each piece of memory once, freed once, whatever fails.
#include <cerrno>

#include "unit/xrt_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::SizeIs;

using XrtMemory = XrtTest;

TEST_F(XrtMemory, ADmaBufIsImportedByItsDescriptor) {
  const auto card = open();
  const auto one = buffer(card, 3 * kPage);
  EXPECT_EQ(one.mapping.import_path(), "dma-buf");
  EXPECT_EQ(one.mapping.verdict(), AliasVerdict::Unknown) << "only a kernel of the card can move bytes";
  ASSERT_THAT(one.mapping.sg(), SizeIs(1));
  EXPECT_EQ(one.mapping.sg()[0].length, 3 * kPage);
  EXPECT_EQ(must(fpga::iova(one.mapping, 0, 5000)).address, one.mapping.sg()[0].address + 5000);
  EXPECT_NE(must(fpga_xrt::buffer(card, one.mapping)), nullptr);
  EXPECT_EQ(xrt.calls["xrtBOImport"], 1);
}

// A second import would have the same GEM handle, and the first free would take it from both.
TEST_F(XrtMemory, TheSameMemoryIsImportedOnce) {
  const auto card = open();
  const auto memory = must(runtime->allocate(kPage));
  std::optional<Shared> first(share(card, memory));
  const auto second = share(card, memory);
  EXPECT_EQ(xrt.calls["xrtBOImport"], 1);
  EXPECT_EQ(xrt.buffers, 1);
  first.reset();
  EXPECT_EQ(xrt.buffers, 1) << "the second still needs it";
  auto turn = must(second.mapping.begin_access(Usage::Read, Deadline::now()));
  must(turn.end());
}

TEST_F(XrtMemory, AfterTheLastOneItIsImportedAnew) {
  const auto card = open();
  const auto memory = must(runtime->allocate(kPage));
  static_cast<void>(share(card, memory));
  EXPECT_EQ(xrt.buffers, 0);
  const auto again = share(card, memory);
  EXPECT_EQ(xrt.calls["xrtBOImport"], 2);
}

TEST_F(XrtMemory, EachCardHasItsOwn) {
  const auto first = open();
  const auto second = open({.id = "1"});
  const auto memory = must(runtime->allocate(kPage));
  const auto seen = share(first, memory);
  const auto other = share(second, memory);
  EXPECT_EQ(xrt.buffers, 2);
  EXPECT_TRUE(fails_with(fpga_xrt::buffer(first, other.mapping), Errc::InvalidArgument,
                         {"a mapping of another device"}));
  EXPECT_TRUE(fails_with(fpga_xrt::buffer(first, seen.mapping, 1), Errc::InvalidArgument,
                         {"object 1 was asked for", "has 1"}));
}

TEST_F(XrtMemory, MemfdsAreRefused) {
  const auto card = open();
  const auto memory = must(runtime->allocate(kPage, "memfd"));
  EXPECT_TRUE(fails_with(memory.attach(card, Usage::Read), Errc::Unsupported, {"dma-buf"}));
  EXPECT_EQ(xrt.calls["xrtBOImport"], 0);
}

TEST_F(XrtMemory, ATiledPictureIsRefused) {
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

TEST_F(XrtMemory, WhatIsOnlyReadableIsNotWritten) {
  const auto card = open();
  const int fd = kernel.make_dma_buf({.size = kPage, .writable = false});
  const auto memory = must(DmaBuf::from_fd(*runtime, BorrowedFd(fd)));
  ::close(fd);
  auto attached = must(memory.attach(card, Usage::Read));
  EXPECT_TRUE(fails_with(attached.map(Direction::Bidirectional), Errc::Permission));
  const auto mapped = must(attached.map(Direction::ToDevice));
  EXPECT_TRUE(fails_with(fpga_xrt::sync(card, mapped, 0, fpga_xrt::SyncDirection::FromDevice, 0, kPage),
                         Errc::InvalidArgument, {"for reading alone"}));
}

TEST_F(XrtMemory, ACardThatSeesLessIsTold) {
  const auto card = open();
  xrt.sees_less = 4096;
  const auto memory = must(runtime->allocate(2 * kPage));
  EXPECT_TRUE(fails_with(memory.attach(card, Usage::Read), Errc::Unsupported, {"8192", "sees 4096"}));
  EXPECT_EQ(xrt.buffers, 0);
}

class XrtImportFails : public XrtTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(XrtImportFails, AtEachStepAndNothingIsLeft) {
  const auto card = open();
  const auto first = must(runtime->allocate(4 * kPage));
  const auto second = must(runtime->allocate(4 * kPage));
  const auto frame = must(Frame::create({.format = formats::kNV12,
                                         .width = 32,
                                         .height = 32,
                                         .planes = {{.stride = 32}, {.object = 1, .stride = 32}}},
                                        {first, second}));
  for (const unsigned skip : {0U, 1U}) {  // the first object, then the second
    for (const int reason : {ENOMEM, 0}) {
      xrt.failing = GetParam();
      xrt.skip = skip;
      xrt.failing_errno = reason;
      const auto attached = frame.attach(card, Usage::ReadWrite);
      EXPECT_TRUE(fails_with(attached, reason == 0 ? Errc::Io : Errc::OutOfMemory, {GetParam()}));
      EXPECT_EQ(xrt.buffers, 0);
    }
  }
  EXPECT_TRUE(frame.attach(card, Usage::ReadWrite)) << "and once nothing fails";
}

INSTANTIATE_TEST_SUITE_P(Xrt, XrtImportFails, ::testing::Values("xrtBOImport", "xrtBOSize", "xrtBOAddress"),
                         [](const auto& one) { return std::string(one.param); });

TEST_F(XrtMemory, WhatXrtDoesNotFreeIsLogged) {
  const auto card = open();
  {
    const auto one = buffer(card);
    xrt.failing = "xrtBOFree";
  }
  EXPECT_TRUE(log.says(LogLevel::Warning, "a buffer of 8192 bytes was not freed by XRT"));
}

// ---------------------------------------------------------------- the card's own

TEST_F(XrtMemory, TheCardsOwnMemoryIsExported) {
  const auto card = open({.memory_group = 1, .buffer_flags = 1U << 29U, .alignment = 256});
  const auto frame =
      must(runtime->allocate_on(card, {.format = formats::kNV12, .width = 98, .height = 10}, Usage::Read));
  ASSERT_THAT(frame.objects(), SizeIs(1));
  EXPECT_EQ(frame.layout().planes[0].stride, 256U);
  EXPECT_EQ(frame.layout().planes[1].offset, 256U * 10);
  EXPECT_EQ(frame.objects()[0].size(), kPage);
  EXPECT_EQ(xrt.buffers, 1);
  // The descriptor that XRT keeps is not ours: the memory lives on without it.
  const auto fd = must(frame.objects()[0].dup_fd(Deadline::now()));
  EXPECT_TRUE(kernel.info(fd.get()));
}

// Back into the card that it came from: no import, the same buffer.
TEST_F(XrtMemory, ItsOwnMemoryIsNotImported) {
  const auto card = open();
  {
    const auto frame = must(runtime->allocate_on(card, FrameDesc::bytes(kPage), Usage::ReadWrite));
    auto attached = must(frame.attach(card, Usage::ReadWrite));
    const auto mapped = must(attached.map(Direction::Bidirectional));
    EXPECT_EQ(xrt.calls["xrtBOImport"], 0);
    EXPECT_EQ(xrt.buffers, 1);
    // Another card imports it.
    const auto other = open({.id = "1"});
    const auto seen = share(other, frame.objects()[0]);
    EXPECT_EQ(xrt.calls["xrtBOImport"], 1);
  }
  EXPECT_EQ(xrt.buffers, 0);
}

TEST_F(XrtMemory, WhatItCannotAllocate) {
  const auto card = open({.memory_group = 7});
  EXPECT_TRUE(fails_with(runtime->allocate_on(card, FrameDesc::bytes(kPage), Usage::Read),
                         Errc::InvalidArgument, {"memory group 7", "xclbin"}));
  FrameDesc tiled{.format = formats::kXRGB8888, .width = 64, .height = 64};
  tiled.modifiers = {Modifier{0x0100000000000001}};
  EXPECT_TRUE(fails_with(runtime->allocate_on(card, tiled, Usage::Read), Errc::Unsupported, {"LINEAR"}));
}

class XrtExportFails : public XrtTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(XrtExportFails, AndNothingIsLeft) {
  const auto card = open();
  xrt.failing = GetParam();
  xrt.failing_errno = ENOSPC;
  const auto made = runtime->allocate_on(card, FrameDesc::bytes(kPage), Usage::Read);
  ASSERT_FALSE(made);
  EXPECT_TRUE(is_told(made.error()));
  EXPECT_THAT(made.error().message(), ::testing::HasSubstr(GetParam()));
  EXPECT_EQ(xrt.buffers, 0);
  EXPECT_TRUE(runtime->allocate_on(card, FrameDesc::bytes(kPage), Usage::Read));
}

INSTANTIATE_TEST_SUITE_P(Xrt, XrtExportFails,
                         ::testing::Values("xrtBOAlloc", "xrtBOSize", "xrtBOAddress", "xrtBOExport"),
                         [](const auto& one) { return std::string(one.param); });

// Each system call on the way, too: the duplicate of the exported descriptor, the look at it.
TEST_F(XrtMemory, NoFailingCallLeavesAnything) {
  std::size_t whole = 0;
  for_each_failing_call(EMFILE, [&](const std::string& failing) {
    const auto card = try_open();
    if (!card) {
      return;
    }
    {
      const auto own = runtime->allocate_on(*card, FrameDesc::bytes(kPage), Usage::ReadWrite);
      const auto memory = runtime->allocate(kPage);
      if (own && memory) {
        auto attached = memory->attach(*card, Usage::ReadWrite);
        whole += attached && attached->map(Direction::Bidirectional) ? 1U : 0U;
      }
    }
    EXPECT_EQ(xrt.buffers, 0) << failing;
  });
  EXPECT_GE(whole, 1U);
}

}  // namespace
}  // namespace causeway::test
