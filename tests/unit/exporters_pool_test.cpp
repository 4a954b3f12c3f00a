// SPDX-License-Identifier: Apache-2.0
//
// The memory of a pool's frames: one memfd for all where the exporter is udmabuf.
#include <cerrno>
#include <set>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

constexpr std::uint32_t kMegabyte = 1U << 20U;

class ExportersPool : public CoreTest {
protected:
  Result<FramePool> allocate(std::uint32_t count, std::uint32_t bytes,
                             const std::vector<Device>& devices = {}) {
    auto negotiation = runtime().negotiate(FrameDesc::bytes(bytes)).exporter("udmabuf").name("slab");
    for (const auto& device : devices) {
      negotiation.with(device, Usage::ReadWrite);
    }
    return negotiation.allocate(count);
  }
  static void fill(const Frame& frame, unsigned char value) {
    auto access = must(frame.begin_cpu_access(Usage::Write, soon()));
    std::fill(access.bytes().begin(), access.bytes().end(), std::byte{value});
    must(access.end());
  }
  static bool holds(const Frame& frame, unsigned char value) {
    auto access = must(frame.begin_cpu_access(Usage::Read, soon()));
    const auto bytes = access.bytes();
    const bool all =
        std::all_of(bytes.begin(), bytes.end(), [&](std::byte b) { return b == std::byte{value}; });
    must(access.end());
    return all;
  }
};

TEST_F(ExportersPool, FramesShareAMemfdAndNothingElse) {
  const auto pool = must(allocate(4, 3 * kPage));
  EXPECT_EQ(kernel.count("memfd_create"), 1U);
  std::set<ObjectId> ids;
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    fill(pool.frame(i).frame(), static_cast<unsigned char>(i + 1));
    ids.insert(pool.frame(i).frame().objects()[0].id());
  }
  EXPECT_EQ(ids.size(), 4U) << "each a dma-buf, with fences of its own";
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    const auto& object = pool.frame(i).frame().objects()[0];
    EXPECT_TRUE(holds(pool.frame(i).frame(), static_cast<unsigned char>(i + 1)));
    EXPECT_EQ(info_of(object).size, 3 * kPage);
    EXPECT_EQ(info_of(object).name, "slab");
    EXPECT_EQ(object.exporter(), "udmabuf");
  }
}

// The proof of each mapping writes at the offset that the device was told: a wrong one would not be aliased.
TEST_F(ExportersPool, DevicesThatPinAreToldEachFramesPlace) {
  const auto device = open("pinnable");
  const auto pool = must(allocate(3, 2 * kPage, {device}));
  EXPECT_EQ(kernel.count("memfd_create"), 1U);
  const std::array value{std::byte{0x5a}};
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    const auto& mapping = pool.frame(i).on(device);
    EXPECT_EQ(mapping.import_path(), "pinned");
    EXPECT_EQ(mapping.verdict(), AliasVerdict::Aliased);
    auto turn = must(mapping.begin_access(Usage::Write, soon()));
    EXPECT_TRUE(static_cast<const DmaView*>(mapping.native(kDmaView))->write(0, kPage + i, value));
    must(turn.end());
  }
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    auto access = must(pool.frame(i).frame().begin_cpu_access(Usage::Read, soon()));
    for (std::uint32_t other = 0; other < pool.size(); ++other) {
      EXPECT_EQ(access.bytes()[kPage + other], other == i ? value[0] : std::byte{0}) << i << ", " << other;
    }
    must(access.end());
  }
}

// Some kernels map a udmabuf on huge pages wrongly for drivers, so that such pages are kept only where every
// device was seen to find its bytes.
TEST_F(ExportersPool, HugePagesAreKeptIfEveryDeviceIsSeenToShareThem) {
  const auto pool = must(allocate(2, 2 * kMegabyte, {open("dma")}));
  for (const auto& entry : runtime().ledger()) {
    EXPECT_EQ(entry.huge_bytes, 2 * kMegabyte) << entry.to_string();
  }
}

TEST_F(ExportersPool, HugePagesAreGivenUpIfOneDeviceIsNot) {
  const auto cannot_tell = open("dma,fail_probe=" + std::to_string(CW_UNSUPPORTED));
  const auto pool = must(allocate(2, 2 * kMegabyte, {open("dma"), cannot_tell}));
  EXPECT_EQ(pool.report().exporter, "udmabuf");
  EXPECT_EQ(pool.report().imports.size(), 2U);
  EXPECT_EQ(pool.report().imports.at(1).verdict, AliasVerdict::Unknown);
  EXPECT_EQ(runtime().ledger().size(), 2U);
  for (const auto& entry : runtime().ledger()) {
    EXPECT_EQ(entry.huge_bytes, 0U) << entry.to_string();
  }
}

TEST_F(ExportersPool, HugePagesAreNotTakenWhereNobodyProvesAnything) {
  const auto pool = must(allocate(2, 2 * kMegabyte));
  const auto by_hand = must(runtime().allocate(2 * kMegabyte, "udmabuf"));
  EXPECT_EQ(runtime().ledger().size(), 3U);
  for (const auto& entry : runtime().ledger()) {
    EXPECT_EQ(entry.huge_bytes, 0U) << entry.to_string();
  }
}

TEST_F(ExportersPool, FrameOutlivesItsPool) {
  const auto last = [&] {
    const auto pool = must(allocate(3, kPage));
    fill(pool.frame(2).frame(), 9);
    return pool.frame(2).frame();
  }();
  EXPECT_EQ(kernel.live_dma_bufs(), 1U);
  EXPECT_TRUE(holds(last, 9));
}

TEST_F(ExportersPool, FramesOfSeveralObjectsShareItToo) {
  const auto device = open("dma,objects=2");
  const auto pool = must(runtime()
                             .negotiate({.format = formats::kNV12, .width = 64, .height = 64})
                             .with(device, Usage::ReadWrite)
                             .exporter("udmabuf")
                             .allocate(2));
  EXPECT_EQ(kernel.count("memfd_create"), 1U);
  std::set<ObjectId> ids;
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    const auto objects = pool.frame(i).frame().objects();
    ASSERT_EQ(objects.size(), 2U);
    for (std::size_t o = 0; o < objects.size(); ++o) {
      EXPECT_EQ(objects[o].size(), pool.plan().object_sizes[o]);
      ids.insert(objects[o].id());
    }
  }
  EXPECT_EQ(ids.size(), 4U);
}

TEST_F(ExportersPool, EachFrameHasAMemfdWhereOneForAllIsRefused) {
  kernel.fail_nth("memfd_create", 1, ENOMEM);
  const auto pool = must(allocate(3, kPage));
  EXPECT_EQ(pool.report().exporter, "udmabuf");
  EXPECT_EQ(kernel.count("memfd_create"), 1U + 3U);
  EXPECT_TRUE(log.says(LogLevel::Debug, "one by one"));
  fill(pool.frame(2).frame(), 3);
  EXPECT_TRUE(holds(pool.frame(1).frame(), 0));
}

TEST_F(ExportersPool, OtherExportersAllocateOneByOne) {
  const auto pool = must(runtime().negotiate(FrameDesc::bytes(kPage)).exporter("memfd").allocate(3));
  EXPECT_EQ(kernel.count("memfd_create"), 3U) << "a memfd's fences would be those of all";
}

}  // namespace
}  // namespace causeway::test
