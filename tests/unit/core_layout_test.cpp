// SPDX-License-Identifier: Apache-2.0
//
// Frame::create() checks a layout that comes from outside against the memory that it is to lie in.
#include <limits>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();

// 64x64 NV12: 4096 bytes of luma, 2048 of chroma.
FrameLayout nv12() {
  return {.format = formats::kNV12,
          .width = 64,
          .height = 64,
          .planes = {{.object = 0, .stride = 64, .offset = 0}, {.object = 0, .stride = 64, .offset = 4096}}};
}

class CoreLayout : public CoreTest {
protected:
  // Two pages, of which the picture leaves the last 2048 bytes over.
  Result<Frame> create(const FrameLayout& layout) {
    return Frame::create(layout, {buffer(2 * kPage, "memfd")});
  }
};

TEST_F(CoreLayout, LayoutThatFitsIsTaken) {
  const auto frame = must(create(nv12()));
  EXPECT_EQ(frame.layout(), nv12());
  ASSERT_EQ(frame.objects().size(), 1U);
  EXPECT_EQ(frame.objects()[0].size(), 2 * kPage);
}

TEST_F(CoreLayout, PlaneMayEndWhereTheObjectEnds) {
  auto layout = nv12();
  layout.planes[1].offset = 2 * kPage - 2048;
  EXPECT_TRUE(create(layout));
  layout.planes[1].offset += 1;
  EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"plane 1", "2048", "6145", "8192"}));
}

TEST_F(CoreLayout, LastRowNeedsNoPadding) {
  auto layout = nv12();
  layout.planes[1].stride = 128;  // 31 rows of 128 bytes, and one of 64
  layout.planes[1].offset = 2 * kPage - (31 * 128 + 64);
  EXPECT_TRUE(create(layout));
  layout.planes[1].offset += 1;
  EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"plane 1"}));
}

TEST_F(CoreLayout, OffsetsNear2To64DoNotWrapAround) {
  for (const std::uint64_t offset : {kMost, kMost - 2047, kMost - 4096, 2 * kPage + 1, 2 * kPage}) {
    auto layout = nv12();
    layout.planes[1].offset = offset;
    EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"plane 1", std::to_string(offset)}));
  }
}

TEST_F(CoreLayout, EnormousStridesDoNotWrapAround) {
  auto layout = nv12();
  layout.planes[0].stride = 0xffff'ffff;
  EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"plane 0"}));
  layout.height = 65536;
  EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"plane 0"}));
}

TEST_F(CoreLayout, StrideShorterThanARowIsRefused) {
  auto layout = nv12();
  layout.planes[1].stride = 63;
  EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"plane 1", "stride", "63", "64"}));
  layout.planes[1].stride = 0;
  EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"plane 1", "stride"}));
}

TEST_F(CoreLayout, ObjectThatIsNotThereIsRefused) {
  for (const std::uint32_t object : {1U, 4U, 0xffff'ffffU}) {
    auto layout = nv12();
    layout.planes[1].object = object;
    EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument,
                           {"plane 1", "object " + std::to_string(object), "1"}));
  }
}

TEST_F(CoreLayout, NumberOfPlanesIsTheFormats) {
  auto layout = nv12();
  layout.planes.pop_back();
  EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"NV12", "plane", "2", "1"}));
  layout.planes.resize(5, {.stride = 64});
  EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"2", "5"}));
  layout.planes.clear();
  EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"2", "0"}));
}

TEST_F(CoreLayout, SizesAndFormatsAreChecked) {
  auto layout = nv12();
  layout.width = 63;
  EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"63x64"}));
  layout = nv12();
  layout.height = 0;
  EXPECT_TRUE(fails_with(create(layout), Errc::InvalidArgument, {"64x0"}));
  layout = nv12();
  layout.format = Format{0x12345678};
  EXPECT_TRUE(fails_with(create(layout), Errc::Unsupported));
}

TEST_F(CoreLayout, OneToFourObjects) {
  const FrameLayout grey{.format = formats::kR8, .width = 64, .height = 64, .planes = {{.stride = 64}}};
  EXPECT_TRUE(fails_with(Frame::create(grey, {}), Errc::InvalidArgument, {"one to four", "0"}));
  const std::vector<DmaBuf> five(5, buffer(kPage, "memfd"));
  EXPECT_TRUE(fails_with(Frame::create(grey, five), Errc::InvalidArgument, {"one to four", "5"}));
  EXPECT_TRUE(Frame::create(grey, {five.begin(), five.begin() + 4}));
}

TEST_F(CoreLayout, ObjectsOfTwoRuntimesDoNotMix) {
  auto other = make_runtime(kernel.syscalls());
  auto layout = nv12();
  layout.planes[1] = {.object = 1, .stride = 64, .offset = 0};
  const auto mine = buffer(kPage, "memfd");
  const auto foreign = must(other.allocate(kPage, "memfd"));
  EXPECT_TRUE(fails_with(Frame::create(layout, {mine, foreign}), Errc::InvalidArgument, {"runtime"}));
  EXPECT_TRUE(Frame::create(layout, {mine, buffer(kPage, "memfd")}));
}

TEST_F(CoreLayout, PlanesAreSeenWhereTheyLie) {
  auto layout = nv12();
  layout.planes[1] = {.object = 1, .stride = 128, .offset = 256};
  const auto frame = must(Frame::create(layout, {buffer(kPage, "memfd"), buffer(2 * kPage, "memfd")}));
  auto access = must(frame.begin_cpu_access(Usage::ReadWrite, soon()));
  EXPECT_EQ(access.bytes(0).size(), kPage);
  EXPECT_EQ(access.bytes(1).size(), 2 * kPage);
  EXPECT_EQ(access.plane(0).data(), access.bytes(0).data());
  EXPECT_EQ(access.plane(1).data(), access.bytes(1).data() + 256);
  EXPECT_EQ(access.plane(1).size(), 31U * 128 + 64) << "to the end of its last row";
  EXPECT_EQ(access.stride(1), 128U);
  EXPECT_TRUE(access.bytes(2).empty());
  EXPECT_TRUE(access.plane(2).empty());
  EXPECT_EQ(access.stride(2), 0U);
  EXPECT_TRUE(access.end());
}

}  // namespace
}  // namespace causeway::test
