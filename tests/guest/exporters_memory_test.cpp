// SPDX-License-Identifier: Apache-2.0
//
// udmabuf on a real kernel: slabs, page lists, huge pages.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <vector>

#include "exporters/ladder.hpp"
#include "exporters/udmabuf_slab.hpp"
#include "guest/exporters_guest.hpp"
#include "uapi/dma_buf.hpp"
#include "uapi/drm_handles.hpp"
#include "uapi/huge_pages.hpp"
#include "uapi/real_syscalls.hpp"

namespace causeway::test {
namespace {

constexpr std::uint64_t kPage = uapi::kPageSize;
constexpr std::uint64_t kHuge = uapi::kHugePageSize;

class ExportersMemory : public ExportersGuest {
protected:
  // The first byte of what is at offset of one descriptor, as the other shows it.
  void expect_same_bytes(BorrowedFd dma_buf, std::uint64_t at, BorrowedFd memfd, std::uint64_t offset) {
    auto through_memfd = kernel.map(memfd, offset, kPage, true, false);
    auto through_buffer = kernel.map(dma_buf, at, kPage, true, false);
    ASSERT_TRUE(through_memfd) << through_memfd.error().message();
    ASSERT_TRUE(through_buffer) << through_buffer.error().message();
    const std::byte mark{static_cast<unsigned char>(1 + offset / kPage % 250)};
    ASSERT_TRUE(uapi::sync_start(kernel, dma_buf, Usage::ReadWrite));
    *through_memfd->address() = mark;
    EXPECT_EQ(*through_buffer->address(), mark);
    *through_buffer->address() = std::byte{0xff};
    EXPECT_EQ(*through_memfd->address(), std::byte{0xff});
    ASSERT_TRUE(uapi::sync_end(kernel, dma_buf, Usage::ReadWrite));
  }

  uapi::Kernel kernel{uapi::real_syscalls()};
};

TEST_F(ExportersMemory, SlabGivesEachBufferItsRange) {
  for (const std::uint64_t size : {3 * kPage, kHuge + 3 * kPage}) {
    const auto slab = exporters::make_udmabuf_slab(kernel, std::vector(5, size), core::Pages::Huge, "slab");
    ASSERT_TRUE(slab) << slab.error().message();
    for (const auto& one : *slab) {
      EXPECT_EQ(kernel.size(one.fd.borrow()).value(), size);
      expect_same_bytes(one.fd.borrow(), 0, one.pinnable.borrow(), one.pinnable_offset);
      expect_same_bytes(one.fd.borrow(), size - kPage, one.pinnable.borrow(),
                        one.pinnable_offset + size - kPage);
    }
  }
}

TEST_F(ExportersMemory, ListJoinsPagesThatLieApart) {
  const auto memfd = kernel.memfd("apart", 8 * kPage);
  ASSERT_TRUE(memfd);
  const uapi::UdmabufPiece ranges[] = {{memfd->borrow(), 6 * kPage, kPage},
                                       {memfd->borrow(), kPage, 2 * kPage},
                                       {memfd->borrow(), 4 * kPage, kPage}};
  const auto one = exporters::make_udmabuf_of_ranges(kernel, ranges, "list");
  ASSERT_TRUE(one) << one.error().message();
  EXPECT_EQ(one->size, 4 * kPage);
  EXPECT_FALSE(one->pinnable.valid());
  expect_same_bytes(one->fd.borrow(), 0, memfd->borrow(), 6 * kPage);
  expect_same_bytes(one->fd.borrow(), kPage, memfd->borrow(), kPage);
  expect_same_bytes(one->fd.borrow(), 3 * kPage, memfd->borrow(), 4 * kPage);
}

TEST_F(ExportersMemory, LongestListIsTold) {
  const auto memfd = kernel.memfd("long", kPage);
  ASSERT_TRUE(memfd);
  const std::vector<uapi::UdmabufPiece> ranges(100'000, {memfd->borrow(), 0, kPage});
  const auto one = exporters::make_udmabuf_of_ranges(kernel, ranges, "list");
  ASSERT_FALSE(one);
  EXPECT_NE(one.error().message().find("list_limit"), std::string::npos) << one.error().message();
}

TEST_F(ExportersMemory, UdmabufLiesOnHugePagesIfTheyAreWishedFor) {
  constexpr std::uint64_t kSize = 8 * kHuge + kPage;
  const auto exporter = exporters::make_udmabuf(kernel);
  const auto ordinary = exporter->allocate(kSize, "ordinary");
  ASSERT_TRUE(ordinary) << ordinary.error().message();
  EXPECT_EQ(ordinary->huge_bytes, 0U);
  const auto slab = exporter->allocate_together(std::span(&kSize, 1), core::Pages::Huge, "huge");
  ASSERT_TRUE(slab) << slab.error().message();
  ASSERT_EQ(slab->size(), 1U);
  const auto* storage = &slab->front();
  EXPECT_EQ(kernel.size(storage->fd.borrow()).value(), kSize);
  expect_same_bytes(storage->fd.borrow(), 8 * kHuge, storage->pinnable.borrow(), 8 * kHuge);
  if (storage->huge_bytes == 0) {
    GTEST_SKIP() << "this kernel collapses no shared memory";
  }
  EXPECT_EQ(storage->huge_bytes, 8 * kHuge);
}

TEST_F(ExportersMemory, SlabKeepsNothing) {
  expect_no_descriptor_kept([&] {
    EXPECT_TRUE(exporters::make_udmabuf_slab(kernel, std::vector(4, 2 * kPage), core::Pages::Huge, "slab"));
  });
}

// The reason for the counting: a real driver gives one handle for two imports on one description.
TEST_F(ExportersMemory, GemHandlesAreCounted) {
  const auto memory = exporters::make_udmabuf(kernel)->allocate(kPage, "shared");
  ASSERT_TRUE(memory) << memory.error().message();
  for (const char* card : {"/dev/dri/card0", "/dev/dri/card1"}) {
    const auto handles = uapi::GemHandles::open(kernel, card);
    ASSERT_TRUE(handles) << handles.error().message();
    auto first = (*handles)->import(memory->fd.borrow());
    if (!first) {
      std::printf("%s imports no udmabuf: %s\n", card, first.error().message().c_str());
      continue;
    }
    const auto number = first->get();
    {
      const auto second = (*handles)->import(memory->fd.borrow());
      ASSERT_TRUE(second);
      EXPECT_EQ(second->get(), number);
      EXPECT_EQ((*handles)->count(number), 2U);
    }
    EXPECT_TRUE((*handles)->export_fd(*first)) << "closed with the second, although the first is in use";
  }
}

}  // namespace
}  // namespace causeway::test
