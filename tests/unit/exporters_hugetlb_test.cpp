// SPDX-License-Identifier: Apache-2.0
//
// Memory from the pool of huge pages: reserved or refused when it is made, and mapped in whole pages of 2 MiB
// whatever part was asked for.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>

#include <causeway/causeway.hpp>
#include <cerrno>
#include <string>

#include "core/runtime_state.hpp"
#include "support/fake_kernel_fixture.hpp"
#include "uapi/huge_pages.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kPage = uapi::kPageSize;
constexpr std::uint64_t kHuge = uapi::kHugePageSize;
constexpr const char* kMemfd = "hugetlb:memfd";
constexpr const char* kUdmabuf = "hugetlb:udmabuf";

class ExportersHugetlb : public FakeKernelTest {
protected:
  void SetUp() override { runtime = Runtime::create({.syscalls = kernel.syscalls()}).value(); }
  void TearDown() override {
    runtime.reset();
    FakeKernelTest::TearDown();
  }
  /// Writes the first byte of each page through the whole, and finds it in the part.
  static void expect_parts_of(const DmaBuf& buffer) {
    const auto deadline = Deadline::in(std::chrono::seconds(5));
    auto access = buffer.map_cpu().value().begin(Usage::Write, deadline).value();
    for (std::size_t page = 0; page < buffer.size() / kPage; ++page) {
      access.bytes()[page * kPage] = static_cast<std::byte>(page);
    }
    EXPECT_TRUE(access.end());
    for (const auto& [first, count] : {std::pair{1U, 1U}, {511U, 2U}, {512U, 1U}, {0U, 1024U}}) {
      const auto part = buffer.mmap(first * kPage, count * kPage);
      ASSERT_TRUE(part) << part.error().message();
      auto reading = part->begin(Usage::Read, deadline).value();
      EXPECT_EQ(part->bytes().size(), count * kPage);
      EXPECT_EQ(part->bytes()[0], static_cast<std::byte>(first));
      EXPECT_EQ(part->bytes()[(count - 1) * kPage], static_cast<std::byte>(first + count - 1));
      EXPECT_TRUE(reading.end());
    }
    EXPECT_EQ(buffer.map_page(513).value().bytes().size(), kPage);
  }

  std::optional<Runtime> runtime;
};

TEST_F(ExportersHugetlb, IsWholeHugePagesAndMappedInAnyPart) {
  for (const char* exporter : {kMemfd, kUdmabuf}) {
    SCOPED_TRACE(exporter);
    const auto buffer = runtime->allocate(kHuge + 1, exporter, "pool");
    ASSERT_TRUE(buffer) << buffer.error().message();
    EXPECT_EQ(buffer->size(), 2 * kHuge);
    EXPECT_EQ(buffer->exporter(), exporter);
    EXPECT_EQ(buffer->is_dma_buf(), exporter == kUdmabuf);
    EXPECT_TRUE(buffer->has_pinnable_view());
    expect_parts_of(*buffer);
  }
}

TEST_F(ExportersHugetlb, ForeignOneIsMappedInAnyPartToo) {
  const uapi::Kernel uapi(*kernel.syscalls());
  auto memfd = uapi.memfd("foreign", 2 * kHuge, uapi::Kernel::Pages::HugePool);
  ASSERT_TRUE(memfd) << memfd.error().message();
  const auto buffer = DmaBuf::from_fd(*runtime, memfd->borrow());
  ASSERT_TRUE(buffer) << buffer.error().message();
  expect_parts_of(*buffer);
}

TEST_F(ExportersHugetlb, DeferredBufferMovesIntoAPageThatIsLargerThanItself) {
  for (const char* exporter : {kMemfd, kUdmabuf}) {
    const auto buffer = DmaBuf::create(*runtime, DeferredExporter::describe(*runtime, kPage, "small"));
    ASSERT_TRUE(buffer);
    ASSERT_TRUE(buffer->move_to(exporter));
    EXPECT_EQ(buffer->size(), kPage);
    const auto mapping = buffer->map_cpu();
    ASSERT_TRUE(mapping) << mapping.error().message();
    auto access = mapping->begin(Usage::Write, Deadline::now());
    ASSERT_TRUE(access);
    EXPECT_EQ(access->bytes().size(), kPage);
    EXPECT_TRUE(access->end());
  }
}

TEST_F(ExportersHugetlb, EmptyPoolIsToldWhenTheBufferIsMade) {
  kernel.configure([](FakeConfig& config) { config.huge_pages = 1; });
  EXPECT_TRUE(runtime->allocate(kHuge, "hugetlb"));
  const auto refused = runtime->allocate(kHuge + 1, kMemfd);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::OutOfMemory);
  EXPECT_THAT(refused.error().message(),
              AllOf(HasSubstr("2 pages of 2 MiB are needed"), HasSubstr("vm.nr_hugepages")));
  EXPECT_TRUE(runtime->allocate(kHuge + 1)) << "nobody is sent to the pool who did not ask for it";
}

TEST_F(ExportersHugetlb, KernelsWhoseUdmabufTakesNoneGiveAMemfd) {
  kernel.configure([](FakeConfig& config) { config.udmabuf_takes_huge_pages = false; });
  const auto refused = runtime->allocate(kHuge, kUdmabuf);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("not every kernel does"));
  const auto either = runtime->allocate(kHuge, "hugetlb");
  ASSERT_TRUE(either) << either.error().message();
  EXPECT_EQ(either->exporter(), kMemfd);
}

TEST_F(ExportersHugetlb, KernelWithoutAnyIsTold) {
  kernel.fail_next("memfd_create", ENOSYS);
  const auto refused = runtime->allocate(kHuge, kMemfd);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::Unsupported);
  EXPECT_THAT(refused.error().message(), HasSubstr("no pool of huge pages"));
}

TEST_F(ExportersHugetlb, NothingIsKeptWhateverCallFails) {
  for (const int system_errno : {EMFILE, ENOMEM, EINTR, EAGAIN}) {
    for (const char* exporter : {kMemfd, kUdmabuf}) {
      for_each_failing_call(system_errno, [&](const std::string& failing) {
        const auto buffer = runtime->allocate(kHuge, exporter);
        EXPECT_TRUE(buffer || !failing.empty());
        EXPECT_TRUE(!buffer || buffer->map_page(3) || !failing.empty());
      });
    }
  }
}

}  // namespace
}  // namespace causeway::test
