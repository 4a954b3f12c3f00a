// SPDX-License-Identifier: Apache-2.0
//
// udmabuf, dma-heaps and dma-bufs of the fake kernel behave as the real ones were seen and read to do. The
// same expectations hold on a real kernel; the contract suite runs there.
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "support/fake_kernel_fixture.hpp"
#include "support/table_calls.hpp"

namespace causeway::test {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr const char* kHeap = "/dev/dma_heap/system";

class FakeKernelExporters : public FakeKernelTest {
protected:
  void expect_no_udmabuf(const UniqueFd& memfd, std::uint64_t offset, std::uint64_t size, int system_errno) {
    const auto buffer = calls.udmabuf(memfd, offset, size);
    EXPECT_EQ(errno, system_errno);
    EXPECT_FALSE(buffer.valid());
  }

  TableCalls calls{kernel.syscalls()};
};

// ---- udmabuf

TEST_F(FakeKernelExporters, UdmabufSharesThePagesOfItsMemfd) {
  const auto memfd = calls.memfd(3 * kPage);
  const auto buffer = calls.udmabuf(memfd, kPage, 2 * kPage);
  ASSERT_TRUE(buffer.valid());
  EXPECT_EQ(calls.size_of(buffer), static_cast<std::int64_t>(2 * kPage));
  const auto through_memfd = calls.map(memfd, 3 * kPage);
  const auto through_buffer = calls.map(buffer, kPage, kPage);
  through_buffer[0] = std::byte{1};
  EXPECT_EQ(through_memfd[2 * kPage], std::byte{1});
  calls.unmap(through_memfd);
  calls.unmap(through_buffer);
}

TEST_F(FakeKernelExporters, UdmabufKeepsThePagesWhenTheMemfdIsClosed) {
  auto memfd = calls.memfd(kPage);
  const auto buffer = calls.udmabuf(memfd, 0, kPage);
  memfd.reset();
  const auto mapped = calls.map(buffer, kPage);
  ASSERT_FALSE(mapped.empty());
  mapped[0] = std::byte{1};
  calls.unmap(mapped);
}

TEST_F(FakeKernelExporters, UdmabufWantsTheSealAgainstShrinking) {
  expect_no_udmabuf(calls.memfd(kPage, 0), 0, kPage, EINVAL);
}
TEST_F(FakeKernelExporters, UdmabufRefusesTheSealAgainstWriting) {
  expect_no_udmabuf(calls.memfd(kPage, F_SEAL_SHRINK | F_SEAL_WRITE), 0, kPage, EINVAL);
}
TEST_F(FakeKernelExporters, UdmabufOfAFileThatIsNoMemfdIsEbadfd) {
  expect_no_udmabuf(calls.open("/proc/self/status", O_RDONLY | O_CLOEXEC), 0, kPage, EBADFD);
  expect_no_udmabuf(UniqueFd(), 0, kPage, EBADFD);
}
TEST_F(FakeKernelExporters, UdmabufWantsWholePages) {
  const auto memfd = calls.memfd(4 * kPage);
  expect_no_udmabuf(memfd, 1, kPage, EINVAL);
  expect_no_udmabuf(memfd, 0, kPage + 1, EINVAL);
  expect_no_udmabuf(memfd, 0, 0, EINVAL);
}
TEST_F(FakeKernelExporters, UdmabufBeyondItsMemfdIsRefused) {
  const auto memfd = calls.memfd(2 * kPage);
  expect_no_udmabuf(memfd, kPage, 2 * kPage, EINVAL);
  expect_no_udmabuf(memfd, UINT64_MAX - kPage + 1, kPage, EINVAL);
}
TEST_F(FakeKernelExporters, UdmabufHasALargestSize) {
  constexpr std::uint64_t kLargest = 64ULL << 20U;
  const auto memfd = calls.memfd(kLargest + kPage);
  EXPECT_TRUE(calls.udmabuf(memfd, 0, kLargest).valid());
  expect_no_udmabuf(memfd, 0, kLargest + kPage, EINVAL);
  kernel.configure([](FakeConfig& config) { config.udmabuf_largest = kPage; });
  expect_no_udmabuf(memfd, 0, 2 * kPage, EINVAL);
}

class FakeKernelUdmabufList : public FakeKernelExporters {
protected:
  // UDMABUF_CREATE_LIST of the pages of memfd with these numbers.
  UniqueFd create(const UniqueFd& memfd, const std::vector<std::uint64_t>& pages) {
    const auto node = calls.open("/dev/udmabuf");
    std::vector<std::uint64_t> memory(  // 8-byte aligned room for the struct and its array
        (sizeof(udmabuf_create_list) + pages.size() * sizeof(udmabuf_create_item)) / sizeof(std::uint64_t) +
        1);
    auto* list = reinterpret_cast<udmabuf_create_list*>(memory.data());
    list->flags = UDMABUF_FLAGS_CLOEXEC;
    list->count = static_cast<std::uint32_t>(pages.size());
    for (std::size_t i = 0; i < pages.size(); ++i) {
      list->list[i] = {.memfd = static_cast<std::uint32_t>(memfd.get()),
                       .__pad = 0,
                       .offset = pages[i] * kPage,
                       .size = kPage};
    }
    return UniqueFd(calls.ioctl(node, UDMABUF_CREATE_LIST, list));
  }
};

TEST_F(FakeKernelUdmabufList, JoinsPagesInTheOrderOfTheList) {
  const auto memfd = calls.memfd(4 * kPage);
  const auto buffer = create(memfd, {3, 0, 2});
  ASSERT_TRUE(buffer.valid());
  EXPECT_EQ(calls.size_of(buffer), static_cast<std::int64_t>(3 * kPage));
  const auto joined = calls.map(buffer, 2 * kPage, kPage);  // pages 0 and 2
  const auto apart = calls.map(memfd, 4 * kPage);
  joined[0] = std::byte{10};
  joined[kPage] = std::byte{12};
  EXPECT_EQ(apart[0], std::byte{10});
  EXPECT_EQ(apart[2 * kPage], std::byte{12});
  kernel.device_bytes(buffer.get())[0] = std::byte{13};
  EXPECT_EQ(apart[3 * kPage], std::byte{13});
  calls.unmap(joined);
  calls.unmap(apart);
}

TEST_F(FakeKernelUdmabufList, HasALongestList) {
  const auto memfd = calls.memfd(kPage);
  EXPECT_TRUE(create(memfd, std::vector<std::uint64_t>(1024, 0)).valid());
  EXPECT_FALSE(create(memfd, std::vector<std::uint64_t>(1025, 0)).valid());
  EXPECT_EQ(errno, EINVAL);
  EXPECT_FALSE(create(memfd, {}).valid());
  EXPECT_EQ(errno, EINVAL);
}

// The kernel balances no brackets; only a udmabuf that never saw a START refuses an END.
TEST_F(FakeKernelExporters, UdmabufRefusesAnEndBeforeItsFirstStart) {
  const auto memfd = calls.memfd(kPage);
  const auto buffer = calls.udmabuf(memfd, 0, kPage);
  EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_RW), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(calls.start(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
  EXPECT_EQ(calls.end(buffer, DMA_BUF_SYNC_READ), 0);
  expect_violation("came without a START");
}

TEST_F(FakeKernelExporters, UdmabufMapsOnlyShared) {
  const auto memfd = calls.memfd(kPage);
  const auto buffer = calls.udmabuf(memfd, 0, kPage);
  EXPECT_TRUE(calls.map(buffer, kPage, 0, MAP_PRIVATE).empty());
  EXPECT_EQ(errno, EINVAL);
  EXPECT_TRUE(calls.map(buffer, 2 * kPage).empty());
  EXPECT_EQ(errno, EINVAL);
}

// ---- dma-heaps

TEST_F(FakeKernelExporters, HeapRoundsUpToPages) {
  const auto buffer = calls.heap_buffer(kHeap, kPage + 1);
  EXPECT_EQ(calls.size_of(buffer), static_cast<std::int64_t>(2 * kPage));
}

TEST_F(FakeKernelExporters, HeapRefusesFlagsAndNothing) {
  const auto node = calls.open(kHeap);
  const auto expect_refused = [&](dma_heap_allocation_data request) {
    EXPECT_EQ(calls.ioctl(node, DMA_HEAP_IOCTL_ALLOC, &request), -1);
    EXPECT_EQ(errno, EINVAL);
  };
  expect_refused({.len = kPage, .fd = 0, .fd_flags = O_RDWR | O_CLOEXEC, .heap_flags = 1});
  expect_refused({.len = kPage, .fd = 0, .fd_flags = O_RDWR | O_CLOEXEC | O_NONBLOCK, .heap_flags = 0});
  expect_refused({.len = kPage, .fd = 3, .fd_flags = O_RDWR | O_CLOEXEC, .heap_flags = 0});
  expect_refused({.len = 0, .fd = 0, .fd_flags = O_RDWR | O_CLOEXEC, .heap_flags = 0});
}

TEST_F(FakeKernelExporters, HeapRunsOutOfMemory) {
  kernel.configure([](FakeConfig& config) { config.heaps[0].largest = kPage; });
  EXPECT_FALSE(calls.heap_buffer(kHeap, 2 * kPage).valid());
  EXPECT_EQ(errno, ENOMEM);
}

TEST_F(FakeKernelExporters, ReadOnlyDescriptorIsNotMappedForWriting) {
  const auto buffer = calls.heap_buffer(kHeap, kPage, O_RDONLY | O_CLOEXEC);
  EXPECT_TRUE(calls.map(buffer, kPage).empty());
  EXPECT_EQ(errno, EACCES);
  const auto mapped = calls.map(buffer, kPage, 0, MAP_SHARED, PROT_READ);
  EXPECT_FALSE(mapped.empty());
  calls.unmap(mapped);
}

TEST_F(FakeKernelExporters, HeapsAreFoundByListingTheirDirectory) {
  kernel.configure([](FakeConfig& config) {
    config.heaps = {{.name = "linux,cma"}, {.name = "default-pool"}};
  });
  std::vector<std::string> names;
  const auto& table = calls.table();
  const auto collect = [](void* user, const char* name) {
    static_cast<std::vector<std::string>*>(user)->emplace_back(name);
  };
  EXPECT_EQ(table.list_directory(table.context, "/dev/dma_heap", collect, &names), 0);
  EXPECT_EQ(names, (std::vector<std::string>{"linux,cma", "default-pool"}));
  kernel.configure([](FakeConfig& config) { config.heaps.clear(); });
  EXPECT_EQ(table.list_directory(table.context, "/dev/dma_heap", collect, &names), -1);
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(FakeKernelExporters, NodesMayBeMissingOrForbidden) {
  EXPECT_FALSE(calls.open("/dev/dma_heap/none").valid());
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(calls.open("/dev/dri/card0").valid());  // whatever this machine has
  EXPECT_EQ(errno, ENOENT);
  kernel.configure([](FakeConfig& config) {
    config.udmabuf = false;
    config.heaps[0].open_errno = EACCES;
  });
  EXPECT_FALSE(calls.open("/dev/udmabuf").valid());
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(calls.open(kHeap).valid());
  EXPECT_EQ(errno, EACCES);
  EXPECT_TRUE(calls.open("/dev/null").valid());
}

// ---- Any dma-buf

TEST_F(FakeKernelExporters, DmaBufIsKnownByItsFileSystem) {
  const auto memfd = calls.memfd(kPage);
  const auto buffer = calls.heap_buffer(kHeap, kPage);
  const auto& table = calls.table();
  struct statfs system {};
  EXPECT_EQ(table.fstatfs(table.context, buffer.get(), &system), 0);
  EXPECT_EQ(system.f_type, 0x444d4142);
  EXPECT_EQ(table.fstatfs(table.context, memfd.get(), &system), 0);
  EXPECT_EQ(system.f_type, TMPFS_MAGIC);
}

TEST_F(FakeKernelExporters, DmaBufIsIdentifiedByItsInode) {
  const auto one = calls.heap_buffer(kHeap, kPage);
  const auto two = calls.heap_buffer(kHeap, kPage);
  const UniqueFd again(calls.fcntl(one, F_DUPFD_CLOEXEC));
  const auto inode = [&](const UniqueFd& fd) {
    struct stat status {};
    EXPECT_EQ(calls.table().fstat(calls.table().context, fd.get(), &status), 0);
    return status.st_ino;
  };
  EXPECT_EQ(inode(one), inode(again));
  EXPECT_NE(inode(one), inode(two));
}

TEST_F(FakeKernelExporters, SeekFindsOnlyTheSize) {
  const auto buffer = calls.heap_buffer(kHeap, kPage);
  const auto& table = calls.table();
  EXPECT_EQ(table.lseek(table.context, buffer.get(), 0, SEEK_SET), 0);
  EXPECT_EQ(table.lseek(table.context, buffer.get(), 1, SEEK_END), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(table.lseek(table.context, buffer.get(), 0, SEEK_CUR), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(FakeKernelExporters, SyncRefusesNoFlagsAndUnknownOnes) {
  const auto buffer = calls.heap_buffer(kHeap, kPage);
  for (const std::uint64_t flags :
       {std::uint64_t{0}, std::uint64_t{DMA_BUF_SYNC_END}, std::uint64_t{8 | 1}}) {
    EXPECT_EQ(calls.sync(buffer, flags), -1) << flags;
    EXPECT_EQ(errno, EINVAL) << flags;
  }
}

TEST_F(FakeKernelExporters, WhatIsNoDmaBufAnswersEnotty) {
  EXPECT_EQ(calls.start(calls.memfd(kPage), DMA_BUF_SYNC_READ), -1);
  EXPECT_EQ(errno, ENOTTY);
  EXPECT_EQ(calls.start(calls.open("/dev/udmabuf"), DMA_BUF_SYNC_READ), -1);
  EXPECT_EQ(errno, ENOTTY);
  EXPECT_EQ(calls.start(UniqueFd(), DMA_BUF_SYNC_READ), -1);
  EXPECT_EQ(errno, EBADF);
}

TEST_F(FakeKernelExporters, NameHas31BytesAtMost) {
  const auto buffer = calls.heap_buffer(kHeap, kPage);
  std::string name(31, 'n');
  EXPECT_EQ(calls.ioctl(buffer, DMA_BUF_SET_NAME_B, name.data()), 0);
  EXPECT_EQ(kernel.info(buffer.get())->name, name);
  name += 'n';
  EXPECT_EQ(calls.ioctl(buffer, DMA_BUF_SET_NAME_B, name.data()), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(FakeKernelExporters, ForeignBufferMayRefuseMmap) {
  const UniqueFd bar(kernel.make_dma_buf({.size = kPage, .exporter = "vfio", .mappable = false}));
  EXPECT_TRUE(calls.map(bar, kPage).empty());
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(kernel.info(bar.get())->exporter, "vfio");
}

}  // namespace
}  // namespace causeway::test
