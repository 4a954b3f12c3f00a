// SPDX-License-Identifier: Apache-2.0
//
// Which exporter makes the memory: udmabuf, then the heaps, then memfd; each tried in earnest.
#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kMegabyte = 1U << 20U;

class CoreLadder : public CoreTest {
protected:
  void change(const std::function<void(FakeConfig&)>& change) {
    kernel.configure(change);
    restart();
  }
  Result<FramePool> allocate(std::uint32_t bytes, const std::vector<Device>& devices = {},
                             const std::string& exporter = {}) {
    auto negotiation = runtime().negotiate(FrameDesc::bytes(bytes));
    for (const auto& device : devices) {
      negotiation.with(device, Usage::ReadWrite);
    }
    if (!exporter.empty()) {
      negotiation.exporter(exporter);
    }
    return negotiation.allocate(2);
  }
  static std::vector<std::string> refused(const FramePool& pool) {
    std::vector<std::string> names;
    for (const auto& refusal : pool.report().refused) {
      EXPECT_THAT(refusal.reason, HasSubstr(" ")) << "a whole sentence";
      names.push_back(refusal.exporter);
    }
    return names;
  }
  std::vector<std::string> names() {
    std::vector<std::string> all;
    for (const auto& exporter : runtime().exporters()) {
      all.push_back(exporter.name);
    }
    return all;
  }
};

TEST_F(CoreLadder, FirstRungIsUdmabuf) {
  EXPECT_THAT(names(),
              ElementsAre("udmabuf", kSystem, kSeparate, "memfd", "hugetlb:udmabuf", "hugetlb:memfd"));
  const auto pool = must(allocate(kPage));
  EXPECT_EQ(pool.report().exporter, "udmabuf");
  EXPECT_THAT(pool.report().refused, IsEmpty());
  EXPECT_EQ(pool.frame(0).frame().objects()[0].exporter(), "udmabuf");
}

TEST_F(CoreLadder, ExportersAreTriedWithAPage) {
  for (const auto& exporter : runtime().exporters()) {
    EXPECT_TRUE(exporter.available) << exporter.name;
    EXPECT_THAT(exporter.explanation, HasSubstr(" "));
  }
  kernel.configure([](FakeConfig& config) { config.heaps[0].open_errno = EACCES; });
  const auto all = runtime().exporters();
  EXPECT_FALSE(all.at(1).available);
  EXPECT_THAT(all.at(1).explanation, AllOf(HasSubstr("/dev/dma_heap/system"), HasSubstr("EACCES")));
  EXPECT_EQ(kernel.live_dma_bufs(), 0U) << "a trial leaves nothing";
}

TEST_F(CoreLadder, NextRungsAreTheHeapsAndMemfd) {
  change([](FakeConfig& config) { config.udmabuf = false; });
  auto pool = must(allocate(kPage));
  EXPECT_EQ(pool.report().exporter, kSystem);
  EXPECT_THAT(refused(pool), ElementsAre("udmabuf"));
  EXPECT_THAT(pool.report().refused[0].reason, AllOf(HasSubstr("/dev/udmabuf"), HasSubstr("ENOENT")));
  change([](FakeConfig& config) {
    config.udmabuf_open_errno = EACCES;
    config.udmabuf = true;
    for (auto& heap : config.heaps) {
      heap.open_errno = EACCES;
    }
  });
  pool = must(allocate(kPage));
  EXPECT_EQ(pool.report().exporter, "memfd");
  EXPECT_FALSE(pool.frame(0).frame().objects()[0].is_dma_buf());
  EXPECT_THAT(refused(pool), ElementsAre("udmabuf", kSystem, kSeparate));
  for (const auto& refusal : pool.report().refused) {
    EXPECT_THAT(refusal.reason, HasSubstr("EACCES")) << refusal.exporter;
  }
}

TEST_F(CoreLadder, MachineWithoutAnythingHasMemfd) {
  change([](FakeConfig& config) {
    config.udmabuf = false;
    config.heaps.clear();
  });
  EXPECT_THAT(names(), ElementsAre("udmabuf", "memfd", "hugetlb:udmabuf", "hugetlb:memfd"));
  EXPECT_EQ(must(allocate(kPage)).report().exporter, "memfd");
  EXPECT_EQ(must(runtime().allocate(kPage)).exporter(), "memfd");
}

TEST_F(CoreLadder, FrameAbove64MegabytesFallsToTheHeap) {
  EXPECT_EQ(must(runtime().allocate(std::uint64_t{64} * kMegabyte)).exporter(), "udmabuf");
  const auto pool = must(allocate(64 * kMegabyte + 1));
  EXPECT_EQ(pool.report().exporter, kSystem);
  EXPECT_THAT(refused(pool), ElementsAre("udmabuf"));
  EXPECT_THAT(pool.report().refused[0].reason,
              AllOf(HasSubstr("67112960"), HasSubstr("size_limit_mb"), HasSubstr("EINVAL")));
}

TEST_F(CoreLadder, FullHeapFallsToTheNext) {
  change([](FakeConfig& config) {
    config.udmabuf = false;
    config.heaps[0].largest = kPage;
  });
  const auto pool = must(allocate(kMegabyte));
  EXPECT_EQ(pool.report().exporter, kSeparate);
  EXPECT_THAT(refused(pool), ElementsAre("udmabuf", kSystem));
  EXPECT_THAT(pool.report().refused[1].reason, AllOf(HasSubstr("1048576"), HasSubstr("ENOMEM")));
}

TEST_F(CoreLadder, AllFramesComeFromOneExporter) {
  change([](FakeConfig& config) { config.udmabuf = false; });
  kernel.fail_nth("DMA_HEAP_IOCTL_ALLOC", 2, ENOMEM);  // the first frame is there, the second is not
  const auto pool = must(allocate(kPage));
  EXPECT_EQ(pool.report().exporter, kSeparate);
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    EXPECT_EQ(pool.frame(i).frame().objects()[0].exporter(), kSeparate);
  }
  EXPECT_EQ(kernel.live_dma_bufs(), 2U) << "the frame of the rung before was let go";
}

TEST_F(CoreLadder, HeapsAreFoundUnderAnyName) {
  const std::vector<std::string> odd{"linux,cma", "default_cma_region", "reserved", "vidbuf_cached", "a:b"};
  change([&](FakeConfig& config) {
    config.heaps.clear();
    for (const auto& name : odd) {
      config.heaps.push_back({.name = name});
    }
  });
  const auto found = names();
  for (const auto& name : odd) {
    EXPECT_THAT(found, ::testing::Contains("dma_heap:" + name));
    const auto made = must(runtime().allocate(kPage, "dma_heap:" + name));
    EXPECT_EQ(made.exporter(), "dma_heap:" + name);
    EXPECT_EQ(info_of(made).exporter, name);
  }
}

TEST_F(CoreLadder, CallerMayNameTheExporter) {
  EXPECT_EQ(must(allocate(kPage, {}, "memfd")).report().exporter, "memfd");
  EXPECT_EQ(must(allocate(kPage, {}, kSeparate)).report().exporter, kSeparate);
  EXPECT_EQ(must(allocate(kPage, {}, "dma_heap")).report().exporter, kSystem) << "any heap, the best first";
  EXPECT_EQ(must(runtime().allocate(kPage, "dma_heap")).exporter(), kSystem);
}

TEST_F(CoreLadder, NamedExporterIsNotReplaced) {
  kernel.configure([](FakeConfig& config) { config.udmabuf_open_errno = EACCES; });
  EXPECT_TRUE(fails_with(allocate(kPage, {}, "udmabuf"), Errc::Permission, {"udmabuf", "EACCES"}));
  EXPECT_TRUE(fails_with(runtime().allocate(kPage, "udmabuf"), Errc::Permission, {"udmabuf", "EACCES"}));
}

TEST_F(CoreLadder, UnknownExporterIsToldWithThoseThatThereAre) {
  for (const char* unknown : {"vram", "dma_heap:none", "udmabu", "dma_heap:", "UDMABUF", "dma"}) {
    EXPECT_TRUE(fails_with(allocate(kPage, {}, unknown), Errc::NotFound,
                           {unknown, "udmabuf", kSystem, kSeparate, "memfd"}));
    EXPECT_TRUE(fails_with(runtime().allocate(kPage, unknown), Errc::NotFound, {unknown, kSystem}));
  }
}

// ---- A rung counts only if every device takes the memory

TEST_F(CoreLadder, TrialAttachThatIsRefusedMovesOn) {
  const auto device = open("dma,refuse=udmabuf");
  const auto pool = must(allocate(kPage, {device}));
  EXPECT_EQ(pool.report().exporter, kSystem);
  EXPECT_THAT(refused(pool), ElementsAre("udmabuf"));
  EXPECT_THAT(pool.report().refused[0].reason, AllOf(HasSubstr("test device dma,refuse=udmabuf"),
                                                     HasSubstr("does not take memory of udmabuf")));
  EXPECT_EQ(kernel.live_dma_bufs(), 2U) << "the refused rung was given back";
}

TEST_F(CoreLadder, EveryDeviceHasASay) {
  const auto one = open("dma,refuse=udmabuf");
  const auto other = open("via-cpu,refuse=system");
  const auto pool = must(allocate(kPage, {one, other}));
  EXPECT_EQ(pool.report().exporter, kSeparate);
  EXPECT_THAT(refused(pool), ElementsAre("udmabuf", kSystem));
  EXPECT_EQ(pool.report().imports.size(), 2U);
}

TEST_F(CoreLadder, RefusedMapCountsAsMuchAsARefusedAttach) {
  const auto device = open("dma,fail_map=2,after=1");  // the first frame is mapped, and no other after it
  EXPECT_TRUE(fails_with(allocate(kPage, {device}), Errc::Unsupported,
                         {"udmabuf", kSystem, kSeparate, "memfd", "told to fail"}));
  EXPECT_EQ(kernel.live_dma_bufs(), 0U);
}

TEST_F(CoreLadder, DeviceForDmaBufsNeverMeetsAMemfd) {
  const auto device = open("no-memfd");
  EXPECT_TRUE(fails_with(allocate(kPage, {device}, "memfd"), Errc::Unsupported, {"no-memfd", "memfd"}));
  EXPECT_EQ(must(allocate(kPage, {device})).report().exporter, "udmabuf");
}

TEST_F(CoreLadder, DeviceThatPinsGetsAMemfdBeneath) {
  const auto device = open("pinnable");
  const auto pool = must(allocate(kPage, {device}));
  EXPECT_EQ(pool.report().exporter, "udmabuf");
  EXPECT_TRUE(pool.plan().needs_pinnable);
  EXPECT_EQ(pool.report().imports.at(0).import_path, "pinned");
  EXPECT_EQ(pool.report().imports.at(0).verdict, AliasVerdict::Aliased);
  EXPECT_TRUE(fails_with(allocate(kPage, {device}, kSystem), Errc::Unsupported, {"memfd beneath", kSystem}));
  change([](FakeConfig& config) { config.udmabuf = false; });
  EXPECT_EQ(must(allocate(kPage, {open("pinnable")})).report().exporter, "memfd");
}

TEST_F(CoreLadder, AllRungsRefusedIsOneErrorWithEveryReason) {
  const auto device = open("dma,attach_max=4096");
  const auto pool = allocate(kMegabyte, {device});
  EXPECT_TRUE(fails_with(pool, Errc::Unsupported,
                         {"udmabuf", kSystem, kSeparate, "memfd", "at most 4096 bytes", "1048576"}));
  EXPECT_EQ(kernel.live_dma_bufs(), 0U);
  kernel.configure([](FakeConfig& config) {
    config.udmabuf = false;
    config.heaps[0].open_errno = EACCES;
    config.heaps[1].largest = kPage;
  });
  EXPECT_TRUE(fails_with(allocate(kMegabyte, {device}), Errc::Unsupported,
                         {"ENOENT", "EACCES", "ENOMEM", "at most 4096 bytes"}));
}

TEST_F(CoreLadder, NeverMoreFramesThanADeviceTakes) {
  const auto device = open("dma,max_frames=3");
  auto negotiation = runtime().negotiate(FrameDesc::bytes(kPage));
  negotiation.with(device, Usage::Read);
  EXPECT_EQ(must(negotiation.plan()).max_frames, 3U);
  EXPECT_TRUE(fails_with(negotiation.allocate(4), Errc::InvalidArgument, {"4", "3"}));
  EXPECT_TRUE(fails_with(negotiation.allocate(0), Errc::InvalidArgument, {"0"}));
  EXPECT_EQ(must(negotiation.allocate(3)).size(), 3U);
}

TEST_F(CoreLadder, BufferByHandIsRoundedUpAndNamed) {
  const auto made = must(runtime().allocate(kPage + 1, kSystem, "a picture"));
  EXPECT_EQ(made.size(), 2 * kPage);
  EXPECT_EQ(made.name(), "a picture");
  EXPECT_EQ(info_of(made).name, "a picture");
  EXPECT_EQ(info_of(made).size, 2 * kPage);
  const std::string longest(200, 'x');
  EXPECT_EQ(info_of(must(runtime().allocate(kPage, kSystem, longest))).name, std::string(31, 'x'));
  EXPECT_TRUE(fails_with(runtime().allocate(0), Errc::InvalidArgument, {"0"}));
  EXPECT_FALSE(runtime().allocate(UINT64_MAX));
  EXPECT_FALSE(runtime().allocate(UINT64_MAX - kPage));
}

}  // namespace
}  // namespace causeway::test
