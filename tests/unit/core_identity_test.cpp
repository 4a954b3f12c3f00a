// SPDX-License-Identifier: Apache-2.0
//
// A memory object is what its inode is, whatever number its descriptor has.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

class CoreIdentity : public CoreTest {
protected:
  Result<DmaBuf> import(int fd) { return DmaBuf::from_fd(runtime(), BorrowedFd(fd)); }
  UniqueFd dma_buf(std::uint64_t size = kPage) { return UniqueFd(kernel.make_dma_buf({.size = size})); }
};

TEST_F(CoreIdentity, SameDmaBufByTwoDescriptorsIsOneObject) {
  const auto first = dma_buf();
  const UniqueFd second(::fcntl(first.get(), F_DUPFD_CLOEXEC, 0));
  const auto a = must(import(first.get()));
  const auto b = must(import(second.get()));
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.id(), b.id());
  EXPECT_EQ(a.exporter(), "foreign");
  EXPECT_TRUE(a.is_dma_buf());
  EXPECT_FALSE(a.read_only());
  EXPECT_FALSE(a.has_pinnable_view());
  EXPECT_EQ(a.size(), kPage);
  EXPECT_EQ(must(import(dma_buf().get())) == a, false) << "another dma-buf is another object";
}

TEST_F(CoreIdentity, OneObjectHasOneTurn) {
  const auto fd = dma_buf();
  const UniqueFd other(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  const auto a = must(import(fd.get()));
  const auto b = must(import(other.get()));
  auto writer = must(must(a.map_cpu()).begin(Usage::Write, soon()));
  EXPECT_TRUE(fails_with(must(b.map_cpu()).begin(Usage::Write, soon()), Errc::Busy));
  EXPECT_TRUE(writer.end());
}

TEST_F(CoreIdentity, OwnBufferThatComesBackIsItself) {
  for (const char* exporter : {"udmabuf", kSystem, "memfd"}) {
    const auto made = buffer(kPage, exporter, "mine");
    const auto fd = must(made.dup_fd());
    const auto back = must(import(fd.get()));
    EXPECT_EQ(back, made);
    EXPECT_EQ(back.exporter(), exporter);
    EXPECT_EQ(back.name(), "mine");
  }
}

TEST_F(CoreIdentity, ReusedNumberIsAnotherObject) {
  auto fd = dma_buf();
  const auto other = dma_buf(2 * kPage);
  const int number = fd.release();
  const auto first = must(import(number));
  const UniqueFd next(::dup3(other.get(), number, O_CLOEXEC));  // closes the one, takes its number
  ASSERT_EQ(next.get(), number);
  const auto second = must(import(number));
  EXPECT_FALSE(first == second);
  EXPECT_NE(first.id(), second.id());
  EXPECT_EQ(first.size(), kPage);
  EXPECT_EQ(second.size(), 2 * kPage);
}

TEST_F(CoreIdentity, DescriptorIsKnownAgainByOneCall) {
  const auto fd = dma_buf();
  const auto first = must(import(fd.get()));
  const auto before = kernel.count("fstat");
  const auto asked = kernel.count("F_DUPFD_QUERY");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(must(import(fd.get())), first);
  }
  EXPECT_EQ(kernel.count("F_DUPFD_QUERY"), asked + 3);
  EXPECT_EQ(kernel.count("fstat"), before);
}

TEST_F(CoreIdentity, AnotherOpenFileOfTheSameMemoryIsTheSameObject) {
  const auto memfd = must(buffer(kPage, "memfd").dup_fd());
  const UniqueFd again(::open(("/proc/self/fd/" + std::to_string(memfd.get())).c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(again.valid());
  const auto first = must(import(memfd.get()));
  EXPECT_EQ(must(import(again.get())), first);
  EXPECT_EQ(must(import(again.get())), first);
}

class CoreIdentityOnAnOldKernel : public CoreTest {
protected:
  CoreIdentityOnAnOldKernel() : CoreTest({.dup_query = false}) {}
};

TEST_F(CoreIdentityOnAnOldKernel, DescriptorsAreNotComparedTwice) {
  const UniqueFd fd(kernel.make_dma_buf({.size = kPage}));
  const auto first = must(DmaBuf::from_fd(runtime(), fd.borrow()));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(must(DmaBuf::from_fd(runtime(), fd.borrow())), first);
  }
  EXPECT_EQ(kernel.count("F_DUPFD_QUERY"), 1U) << "it is asked once whether the kernel can";
}

TEST_F(CoreIdentity, CallersDescriptorStaysTheCallers) {
  auto fd = dma_buf();
  {
    const auto imported = must(import(fd.get()));
    EXPECT_NE(must(imported.dup_fd()).get(), fd.get());
  }
  EXPECT_GE(::fcntl(fd.get(), F_GETFD), 0) << "it was not closed";
  const auto imported = must(import(fd.get()));
  fd.reset();
  auto access = must(must(imported.map_cpu()).begin(Usage::Write, soon()));
  access.bytes().back() = std::byte{1};
  EXPECT_TRUE(access.end()) << "it was not kept either: the object has a duplicate";
  EXPECT_NE(::fcntl(must(imported.dup_fd()).get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(CoreIdentity, ReleasedWithTheLastHandle) {
  const auto device = open("dma");
  std::optional<Mapping> mapping;
  {
    std::optional<Attachment> attachment;
    {
      std::optional<DmaBuf> made = buffer();
      const auto copy = *made;
      made.reset();
      EXPECT_EQ(kernel.live_dma_bufs(), 1U) << "a handle is left";
      attachment.emplace(must(copy.attach(device, Usage::Read)));
    }
    EXPECT_EQ(kernel.live_dma_bufs(), 1U) << "an attachment is left";
    mapping.emplace(must(attachment->map(Direction::ToDevice)));
  }
  EXPECT_EQ(kernel.live_dma_bufs(), 1U) << "a mapping is left";
  mapping.reset();
  EXPECT_EQ(kernel.live_dma_bufs(), 0U);
}

TEST_F(CoreIdentity, ReleasedObjectIsNotKnownAnyMore) {
  const auto fd = dma_buf();
  UniqueFd kept;
  {
    const auto own = buffer(kPage, kSystem, "mine");
    kept = must(own.dup_fd());
  }
  const auto back = must(import(kept.get()));
  EXPECT_EQ(back.exporter(), "foreign") << "the registry held nothing alive";
  EXPECT_EQ(back.size(), kPage);
}

TEST_F(CoreIdentity, TwoRuntimesShareNothing) {
  auto other = make_runtime(kernel.syscalls());
  const auto fd = dma_buf();
  const auto mine = must(import(fd.get()));
  const auto theirs = must(DmaBuf::from_fd(other, fd.borrow()));
  EXPECT_EQ(mine.id(), theirs.id());
  EXPECT_FALSE(mine == theirs);
}

TEST_F(CoreIdentity, MemfdFromElsewhereIsMemory) {
  const UniqueFd fd(::memfd_create("elsewhere", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(fd.get(), 2 * kPage), 0);
  const auto imported = must(import(fd.get()));
  EXPECT_FALSE(imported.is_dma_buf());
  EXPECT_EQ(imported.size(), 2 * kPage);
  EXPECT_EQ(imported.exporter(), "foreign");
}

// ---- What is no memory to share

TEST_F(CoreIdentity, NoDescriptorIsRefused) {
  EXPECT_TRUE(fails_with(import(-1), Errc::InvalidArgument, {"-1"}));
  EXPECT_TRUE(fails_with(import(-100), Errc::InvalidArgument, {"-100"}));
}

TEST_F(CoreIdentity, ClosedDescriptorIsRefused) {
  auto fd = dma_buf();
  const int number = fd.get();
  fd.reset();
  EXPECT_TRUE(fails_with(import(number), Errc::InvalidArgument, {std::to_string(number), "EBADF"}));
}

TEST_F(CoreIdentity, PipesAndSocketsAreRefused) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  EXPECT_TRUE(fails_with(import(reading.get()), Errc::InvalidArgument, {"dma-buf", "memfd"}));
  EXPECT_TRUE(fails_with(import(writing.get()), Errc::InvalidArgument));
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd here(ends[0]);
  const UniqueFd there(ends[1]);
  EXPECT_TRUE(fails_with(import(here.get()), Errc::InvalidArgument));
}

TEST_F(CoreIdentity, RegularFilesAreRefused) {
  // Of whole pages, so that its size is no reason: pages of a disk's file can vanish beneath a mapping.
  std::string path = "core_identity_XXXXXX";
  const UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  ASSERT_TRUE(fd.valid());
  ::unlink(path.c_str());
  struct statfs system {};
  ASSERT_EQ(::fstatfs(fd.get(), &system), 0);
  if (system.f_type == TMPFS_MAGIC) {
    GTEST_SKIP() << "the working directory is a tmpfs, whose files are shared memory indeed";
  }
  ASSERT_EQ(::ftruncate(fd.get(), kPage), 0);
  EXPECT_TRUE(fails_with(import(fd.get()), Errc::InvalidArgument, {"dma-buf", "memfd"}));
}

TEST_F(CoreIdentity, DevicesAndDirectoriesAreRefused) {
  const UniqueFd zero(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(fails_with(import(zero.get()), Errc::InvalidArgument));
  const UniqueFd directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_TRUE(fails_with(import(directory.get()), Errc::InvalidArgument));
}

TEST_F(CoreIdentity, HalfAPageOfMemoryIsRefused) {
  const UniqueFd fd(::memfd_create("half", MFD_CLOEXEC));
  EXPECT_TRUE(fails_with(import(fd.get()), Errc::InvalidArgument, {"0 bytes", "4096"}));
  ASSERT_EQ(::ftruncate(fd.get(), kPage + kPage / 2), 0);
  EXPECT_TRUE(fails_with(import(fd.get()), Errc::InvalidArgument, {"6144", "4096"}));
}

TEST_F(CoreIdentity, FullTableIsToldAndLeavesNothing) {
  const auto fd = dma_buf();
  kernel.fail_next("F_DUPFD_CLOEXEC", EMFILE);
  EXPECT_TRUE(fails_with(import(fd.get()), Errc::OutOfFds, {"EMFILE", "ulimit -n"}));
  const auto imported = must(import(fd.get()));
  kernel.fail_next("F_DUPFD_CLOEXEC", EMFILE);
  EXPECT_TRUE(fails_with(imported.dup_fd(), Errc::OutOfFds, {"EMFILE"}));
}

TEST_F(CoreIdentity, EveryFailingCallOfAnImportIsTold) {
  for_each_failing_call(EMFILE, [&](const std::string& failing) {
    const auto fd = dma_buf();
    const auto imported = import(fd.get());
    if (failing.empty()) {
      EXPECT_TRUE(imported);
    } else if (!imported) {
      EXPECT_TRUE(is_told(imported.error()));
    }
  });
  const auto fd = dma_buf();
  EXPECT_TRUE(import(fd.get())) << "the state is as before";
}

}  // namespace
}  // namespace causeway::test
