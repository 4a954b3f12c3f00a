// SPDX-License-Identifier: Apache-2.0
//
// Several udmabufs on one memfd, and one udmabuf of many pieces.
#include "exporters/udmabuf_slab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "exporters/ladder.hpp"
#include "support/fake_kernel_fixture.hpp"
#include "support/table_calls.hpp"
#include "uapi/huge_pages.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kPage = uapi::kPageSize;
constexpr std::uint64_t kHuge = uapi::kHugePageSize;

class ExportersSlab : public FakeKernelTest {
protected:
  [[nodiscard]] Result<std::vector<core::Storage>> make_slab(std::vector<std::uint64_t> sizes) const {
    return exporters::make_udmabuf_slab(uapi, sizes, core::Pages::Huge, "slab");
  }
  TableCalls calls{kernel.syscalls()};
  uapi::Kernel uapi{*kernel.syscalls()};
};

TEST_F(ExportersSlab, EachBufferIsADmaBufOfItsOwnOverItsRange) {
  const auto slab = make_slab({2 * kPage, 2 * kPage, 2 * kPage});
  ASSERT_TRUE(slab) << slab.error().message();
  ASSERT_EQ(slab->size(), 3U);
  EXPECT_EQ(kernel.count("memfd_create"), 1U);
  EXPECT_EQ(kernel.live_dma_bufs(), 3U);
  for (std::size_t i = 0; i < slab->size(); ++i) {
    const auto& one = slab->at(i);
    EXPECT_EQ(one.size, 2 * kPage);
    EXPECT_EQ(one.pinnable_offset, i * 2 * kPage);
    const auto view = calls.map(one.pinnable, 2 * kPage, static_cast<std::int64_t>(one.pinnable_offset));
    view[kPage] = std::byte{static_cast<unsigned char>(i + 1)};
    EXPECT_EQ(kernel.device_bytes(one.fd.get())[kPage], view[kPage]);
    EXPECT_EQ(kernel.info(one.fd.get())->name, "slab");
    calls.unmap(view);
  }
  for (std::size_t i = 0; i < slab->size(); ++i) {
    EXPECT_EQ(kernel.device_bytes(slab->at(i).fd.get())[kPage], std::byte{static_cast<unsigned char>(i + 1)});
  }
}

TEST_F(ExportersSlab, MemoryOutlivesTheOtherBuffers) {
  auto slab = make_slab({kPage, kPage}).value();
  kernel.device_bytes(slab[1].fd.get())[0] = std::byte{7};
  slab.erase(slab.begin());
  EXPECT_EQ(kernel.live_dma_bufs(), 1U);
  const auto view = calls.map(slab[0].pinnable, kPage, static_cast<std::int64_t>(slab[0].pinnable_offset));
  EXPECT_EQ(view[0], std::byte{7});
  calls.unmap(view);
}

TEST_F(ExportersSlab, LargeBuffersStartAtHugePages) {
  const auto slab = make_slab({kHuge + kPage, kHuge + kPage});
  ASSERT_TRUE(slab);
  EXPECT_EQ(slab->at(0).pinnable_offset, 0U);
  EXPECT_EQ(slab->at(1).pinnable_offset, 2 * kHuge);
  EXPECT_EQ(kernel.info(slab->at(1).fd.get())->size, kHuge + kPage);
}

// A frame may have several objects, of several sizes.
TEST_F(ExportersSlab, SmallBuffersFollowWhatIsBeforeThem) {
  const auto slab = make_slab({kPage, 2 * kHuge, kPage, 2 * kPage, kHuge});
  ASSERT_TRUE(slab) << slab.error().message();
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint64_t> huge;
  for (const auto& one : *slab) {
    offsets.push_back(one.pinnable_offset);
    huge.push_back(one.huge_bytes);
  }
  EXPECT_THAT(offsets, ::testing::ElementsAre(0, kHuge, 3 * kHuge, 3 * kHuge + kPage, 4 * kHuge));
  EXPECT_THAT(huge, ::testing::ElementsAre(0, 2 * kHuge, 0, 0, kHuge)) << "whole huge pages alone";
}

TEST_F(ExportersSlab, SmallBuffersStayOffHugePages) {
  const auto slab = make_slab(std::vector<std::uint64_t>(5, kHuge / 2));
  ASSERT_TRUE(slab) << slab.error().message();
  for (std::size_t i = 0; i < slab->size(); ++i) {
    EXPECT_EQ(slab->at(i).huge_bytes, 0U) << i;
  }
}

// The first START of a udmabuf tends no cache; the core must not be the one to make it.
TEST_F(ExportersSlab, EachBufferIsPrimed) {
  kernel.configure([](FakeConfig& config) { config.udmabuf_coherent = false; });
  const auto slab = make_slab({kPage, kPage});
  ASSERT_TRUE(slab);
  for (const auto& one : *slab) {
    kernel.device_bytes(one.fd.get())[0] = std::byte{9};
    EXPECT_EQ(calls.start(one.fd, DMA_BUF_SYNC_READ), 0);
    const auto view = calls.map(one.fd, kPage);
    EXPECT_EQ(view[0], std::byte{9});
    calls.unmap(view);
    EXPECT_EQ(calls.end(one.fd, DMA_BUF_SYNC_READ), 0);
  }
}

TEST_F(ExportersSlab, NonsenseIsRefused) {
  const std::uint64_t half = std::uint64_t{1} << 47;
  for (const auto& sizes : std::vector<std::vector<std::uint64_t>>{{},
                                                                   {0},
                                                                   {kPage, 0},
                                                                   {kPage + 1},
                                                                   {half, half, kPage},
                                                                   {~std::uint64_t{0} << 12, kPage},
                                                                   {kPage, ~std::uint64_t{0} << 12}}) {
    const auto slab = make_slab(sizes);
    ASSERT_FALSE(slab);
    EXPECT_EQ(slab.error().code(), Errc::InvalidArgument);
    EXPECT_THAT(slab.error().message(), HasSubstr(std::to_string(sizes.size()) + " buffers"));
  }
  EXPECT_TRUE(kernel.calls().empty());
}

TEST_F(ExportersSlab, NothingIsKeptWhateverCallFails) {
  for (const int system_errno : {EMFILE, ENOMEM, EINTR, EAGAIN}) {
    for_each_failing_call(system_errno, [&](const std::string& failing) {
      const auto slab = make_slab({kHuge, kHuge});
      EXPECT_TRUE(slab || !failing.empty());
    });
    EXPECT_EQ(kernel.live_dma_bufs(), 0U);
  }
}

// ---- Lists

class ExportersList : public ExportersSlab {
protected:
  struct Range {
    std::uint64_t offset;
    std::uint64_t size;
  };
  [[nodiscard]] Result<core::Storage> make(std::vector<Range> ranges) const {
    std::vector<uapi::UdmabufPiece> pieces;
    for (const auto& range : ranges) {
      pieces.push_back({.memfd = memfd.borrow(), .offset = range.offset, .size = range.size});
    }
    return exporters::make_udmabuf_of_ranges(uapi, pieces, "list");
  }
  void TearDown() override {
    memfd.reset();
    ExportersSlab::TearDown();
  }
  UniqueFd memfd = calls.memfd(8 * kPage);
};

TEST_F(ExportersList, JoinsRangesInTheirOrder) {
  const auto one = make({{5 * kPage, kPage}, {0, 2 * kPage}});
  ASSERT_TRUE(one) << one.error().message();
  EXPECT_EQ(one->size, 3 * kPage);
  const auto view = calls.map(memfd, 8 * kPage);
  view[5 * kPage] = std::byte{5};
  view[kPage] = std::byte{1};
  const auto bytes = kernel.device_bytes(one->fd.get());
  EXPECT_EQ(bytes[0], std::byte{5});
  EXPECT_EQ(bytes[2 * kPage], std::byte{1});
  calls.unmap(view);
}

TEST_F(ExportersList, HasAPinnableViewOnlyIfTheRangesFollowOneAnother) {
  EXPECT_FALSE(make({{5 * kPage, kPage}, {0, 2 * kPage}})->pinnable.valid());
  const auto whole = make({{kPage, kPage}, {2 * kPage, 3 * kPage}});
  ASSERT_TRUE(whole);
  EXPECT_TRUE(whole->pinnable.valid());
  EXPECT_EQ(whole->pinnable_offset, kPage);
}

TEST_F(ExportersList, RefusalsNameTheLimits) {
  EXPECT_EQ(make({}).error().code(), Errc::InvalidArgument);
  EXPECT_EQ(make({{1, kPage}}).error().code(), Errc::InvalidArgument);
  EXPECT_EQ(make({{0, 0}}).error().code(), Errc::InvalidArgument);
  EXPECT_EQ(make({{0, ~std::uint64_t{0} << 12U}, {0, 2 * kPage}}).error().code(), Errc::InvalidArgument);
  EXPECT_TRUE(make(std::vector<Range>(1024, {0, kPage})));
  const auto longer = make(std::vector<Range>(1025, {0, kPage}));
  ASSERT_FALSE(longer);
  EXPECT_THAT(longer.error().message(), HasSubstr("4198400 bytes in 1025 pieces"));
  EXPECT_THAT(longer.error().message(), HasSubstr("list_limit"));
}

TEST_F(ExportersList, NothingIsKeptWhateverCallFails) {
  const auto before = kernel.live_dma_bufs();
  for (const int system_errno : {EMFILE, ENOMEM, EINTR, EAGAIN}) {
    std::vector<std::string> found =
        kernel.for_each_failing_call(system_errno, [&](const std::string& failing) {
          const auto one = make({{0, kPage}, {kPage, kPage}});
          EXPECT_TRUE(one || !failing.empty());
        });
    // The memfd is this test's own, and open.
    std::erase_if(found, [](const std::string& sentence) {
      return sentence.find("it is memfd \"test\"") != std::string::npos;
    });
    EXPECT_THAT(found, ::testing::IsEmpty());
  }
  EXPECT_EQ(kernel.live_dma_bufs(), before);
}

}  // namespace
}  // namespace causeway::test
