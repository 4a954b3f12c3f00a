// SPDX-License-Identifier: Apache-2.0
//
// Huge pages: obtained where this machine's own kernel allows it, and done without where it does not.
#include "uapi/huge_pages.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <causeway/runtime.hpp>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "core/buffer_state.hpp"
#include "exporters/ladder.hpp"
#include "support/fake_kernel_fixture.hpp"
#include "uapi/real_syscalls.hpp"

namespace causeway::test {
namespace {

constexpr std::uint64_t kPage = uapi::kPageSize;
constexpr std::uint64_t kHuge = uapi::kHugePageSize;
constexpr std::uint64_t kSize = 4 * kHuge + kPage;

/// Bytes that the mapping around an address reaches by huge entries of the page table (proc(5), smaps).
std::uint64_t huge_bytes_mapped_at(const std::byte* address) {
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  bool here = false;
  std::uint64_t bytes = 0;
  while (std::getline(smaps, line)) {
    unsigned long from = 0;
    unsigned long to = 0;
    unsigned long kilobytes = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) {
      const auto at = reinterpret_cast<std::uintptr_t>(address);
      here = from <= at && at < to;
    } else if (here && (std::sscanf(line.c_str(), "ShmemPmdMapped: %lu kB", &kilobytes) == 1 ||
                        std::sscanf(line.c_str(), "FilePmdMapped: %lu kB", &kilobytes) == 1)) {
      bytes += kilobytes * 1024;
    }
  }
  return bytes;
}

std::uint64_t misalignment(const std::byte* address) {
  return reinterpret_cast<std::uintptr_t>(address) % kHuge;
}

TEST(ExportersHugePages, MemfdIsMappedByThem) {
  const uapi::Kernel kernel(uapi::real_syscalls());
  const auto storage = exporters::make_memfd(kernel)->allocate(kSize, "huge");
  ASSERT_TRUE(storage) << storage.error().message();
  EXPECT_EQ(kernel.size(storage->fd.borrow()).value(), kSize);
  EXPECT_LE(storage->huge_bytes, 4 * kHuge);
  if (storage->huge_bytes == 0) {
    GTEST_SKIP()
        << "this kernel collapses no shared memory (MADV_COLLAPSE, Linux 6.1), or has no block of 2 MiB "
           "free";
  }
  const auto mapped = kernel.map(storage->pinnable.borrow(), 0, kSize, true, true, kHuge);
  ASSERT_TRUE(mapped);
  EXPECT_EQ(misalignment(mapped->address()), 0U);
  EXPECT_EQ(huge_bytes_mapped_at(mapped->address()), storage->huge_bytes);
}

// What a program gets: the CPU's view of a buffer is where huge pages can serve it.
TEST(ExportersHugePages, CpuViewOfABufferIsMappedByThem) {
  auto runtime = Runtime::create();
  ASSERT_TRUE(runtime);
  auto buffer = runtime->allocate(kSize, "memfd");
  ASSERT_TRUE(buffer);
  const auto address = buffer->state()->cpu_address();
  ASSERT_TRUE(address);
  EXPECT_EQ(misalignment(*address), 0U);
  EXPECT_EQ(runtime->ledger().at(0).huge_bytes, huge_bytes_mapped_at(*address));
  if (huge_bytes_mapped_at(*address) == 0) {
    GTEST_SKIP() << "this kernel collapses no shared memory, or has no block of 2 MiB free";
  }
  EXPECT_EQ(huge_bytes_mapped_at(*address), 4 * kHuge);
}

class ExportersHugePagesFake : public FakeKernelTest {
protected:
  [[nodiscard]] Result<std::vector<core::Storage>> allocate_udmabuf(std::uint64_t size) const {
    return exporters::make_udmabuf(uapi)->allocate_together(std::span(&size, 1), core::Pages::Huge,
                                                            "udmabuf");
  }
  uapi::Kernel uapi{*kernel.syscalls()};
};

TEST_F(ExportersHugePagesFake, WithoutThemAllIsAsEver) {
  for (const int system_errno : {EINVAL, ENOMEM, EAGAIN, EBUSY}) {
    kernel.fail_always("madvise", system_errno);
    const auto slab = allocate_udmabuf(kSize);
    ASSERT_TRUE(slab) << slab.error().message();
    EXPECT_EQ(slab->front().huge_bytes, 0U);
    EXPECT_EQ(slab->front().size, kSize);
    kernel.stop_failing();
  }
}

TEST_F(ExportersHugePagesFake, WhatPassesIsTriedAgain) {
  kernel.fail_next("madvise", EAGAIN);
  const auto storage = exporters::make_memfd(uapi)->allocate(2 * kHuge, "again");
  ASSERT_TRUE(storage);
  EXPECT_GE(kernel.count("madvise"), 2U);
}

TEST_F(ExportersHugePagesFake, RefusalForGoodEndsTheSearch) {
  kernel.fail_always("madvise", EINVAL);
  EXPECT_TRUE(exporters::make_memfd(uapi)->allocate(kSize, "never"));
  EXPECT_EQ(kernel.count("madvise"), 2U) << "each advice once";
}

// A kernel without MADV_COLLAPSE may still permit huge pages at the first touch.
TEST_F(ExportersHugePagesFake, TheCheapestIsTriedFirst) {
  kernel.forget_calls();
  ASSERT_TRUE(allocate_udmabuf(2 * kHuge));
  std::vector<std::string> order;
  for (const auto& call : kernel.calls()) {
    if (call.name == "madvise" || call.request == "UDMABUF_CREATE") {
      order.push_back(call.request + call.detail.substr(0, 9));
    }
  }
  const auto advice = [](int number) { return "advice " + std::to_string(number); };
  ASSERT_GE(order.size(), 3U);
  EXPECT_EQ(order.front(), advice(MADV_HUGEPAGE));
  EXPECT_EQ(order[1], advice(25)) << "MADV_COLLAPSE";
  EXPECT_TRUE(order.back().starts_with("UDMABUF_CREATE")) << "whose pages are collapsed no more";
}

TEST_F(ExportersHugePagesFake, TheLedgerTellsHowMuch) {
  auto runtime = Runtime::create({.syscalls = kernel.syscalls()});
  ASSERT_TRUE(runtime);
  const auto one = runtime->allocate(2 * kHuge, "hugetlb:memfd", "counted");
  ASSERT_TRUE(one) << one.error().message();
  const auto two = runtime->allocate(kPage, "memfd", "small");
  ASSERT_TRUE(two);
  const auto ledger = runtime->ledger();
  ASSERT_EQ(ledger.size(), 2U);
  EXPECT_EQ(ledger[0].huge_bytes, 2 * kHuge);
  EXPECT_NE(ledger[0].to_string().find("4194304 bytes (4194304 on huge pages) from hugetlb:memfd"),
            std::string::npos)
      << ledger[0].to_string();
  EXPECT_EQ(ledger[1].huge_bytes, 0U);
  EXPECT_EQ(ledger[1].to_string().find("on huge pages"), std::string::npos);
}

TEST_F(ExportersHugePagesFake, SmallAndVastBuffersAreLeftAlone) {
  EXPECT_TRUE(exporters::make_memfd(uapi)->allocate(kHuge - kPage, "small"));
  EXPECT_TRUE(exporters::make_memfd(uapi)->allocate(std::uint64_t{1} << 40, "vast"));
  EXPECT_EQ(kernel.count("madvise"), 0U);
}

TEST_F(ExportersHugePagesFake, AlignmentIsAWish) {
  const auto memfd = uapi.memfd("wish", 2 * kHuge);
  ASSERT_TRUE(memfd);
  for (const std::uint64_t offset : {std::uint64_t{0}, kPage, kHuge}) {
    const auto mapped = uapi.map(memfd->borrow(), offset, kHuge - kPage, true, false, kHuge);
    ASSERT_TRUE(mapped);
    EXPECT_EQ(misalignment(mapped->address()), offset % kHuge);
  }
  kernel.fail_next("mmap", ENOMEM);  // no room to look for an aligned place
  EXPECT_TRUE(uapi.map(memfd->borrow(), 0, kHuge, true, false, kHuge));
}

TEST_F(ExportersHugePagesFake, NothingIsKeptWhateverCallFails) {
  for (const int system_errno : {EMFILE, ENOMEM, EINTR, EAGAIN}) {
    for_each_failing_call(system_errno, [&](const std::string& failing) {
      const auto storage = exporters::make_memfd(uapi)->allocate(kSize, "huge");
      EXPECT_TRUE(storage || !failing.empty());
    });
  }
}

}  // namespace
}  // namespace causeway::test
