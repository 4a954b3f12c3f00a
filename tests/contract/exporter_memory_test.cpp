// SPDX-License-Identifier: Apache-2.0
//
// The contract of exporters, first half: the memory itself, its identity and its descriptors.
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "contract/exporter_contract.hpp"

namespace causeway::test {
namespace {

INSTANTIATE_TEST_SUITE_P(Exporters, ExporterContract,
                         ::testing::Range(std::size_t{0}, exporters_here().size()), [](const auto& of) {
                           auto name = exporters_here().at(of.param).name;
                           std::replace_if(
                               name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; },
                               '_');
                           return name;
                         });

TEST_P(ExporterContract, Allocates) {
  const auto made = buffer();
  EXPECT_EQ(made.exporter(), owner());
  EXPECT_EQ(made.is_dma_buf(), makes_dma_bufs());
  EXPECT_FALSE(made.read_only());
  const auto fd = must(made.dup_fd());
  EXPECT_EQ(::fcntl(fd.get(), F_GETFL) & O_ACCMODE, O_RDWR);
}

TEST_P(ExporterContract, RoundsSizesUpToPages) {
  if (exporter() == kCamera) {
    EXPECT_EQ(buffer(1).size(), buffer(300 * kPage).size());
    EXPECT_EQ(buffer(1).size() % kPage, 0U);
    refused_by_design("a camera's buffers are as large as its format needs");
    return;
  }
  for (const std::uint64_t asked : {std::uint64_t{1}, kPage, kPage + 1, 300 * kPage - 5}) {
    const auto made = buffer(asked);
    const auto pages = (asked + kPage - 1) / kPage * kPage;
    EXPECT_GE(made.size(), pages);
    EXPECT_EQ(made.size() % kPage, 0U);
    if (!rounds_further()) {  // rows, or huge pages
      EXPECT_EQ(made.size(), pages);
    }
    if (on_real_kernel()) {
      EXPECT_EQ(static_cast<std::uint64_t>(::lseek(must(made.dup_fd()).get(), 0, SEEK_END)), made.size());
    }
  }
  const auto nothing =
      is_device() ? allocate_on(runtime(), device(), 0, "nothing") : runtime().allocate(0, exporter());
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code(), Errc::InvalidArgument);
}

TEST_P(ExporterContract, IsWhatItsInodeIs) {
  const auto made = buffer();
  const auto other = buffer();
  EXPECT_NE(made.id(), other.id());
  struct stat status {};
  ASSERT_EQ(::fstat(must(made.dup_fd()).get(), &status), 0);
  EXPECT_EQ(made.id().inode, status.st_ino);
  EXPECT_EQ(made.id().device, status.st_dev);
}

TEST_P(ExporterContract, ComesBackAsItself) {
  const auto made = buffer();
  for (int i = 0; i < 2; ++i) {
    const auto fd = must(made.dup_fd());
    EXPECT_NE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
    const auto back = must(DmaBuf::from_fd(runtime(), fd.borrow()));
    EXPECT_EQ(back, made);
    EXPECT_EQ(back.exporter(), owner());
  }
}

TEST_P(ExporterContract, OutlivesItsMakerByADescriptor) {
  UniqueFd fd;
  {
    const auto made = buffer(2 * kPage);
    auto access = begin(made, Usage::Write);
    access.bytes().back() = std::byte{42};
    must(access.end());
    fd = must(made.dup_fd());
  }
  const auto back = must(DmaBuf::from_fd(runtime(), fd.borrow()));
  EXPECT_EQ(back.exporter(), "foreign");
  EXPECT_EQ(back.is_dma_buf(), makes_dma_bufs());
  auto access = begin(back, Usage::Read);
  EXPECT_EQ(access.bytes().back(), std::byte{42});
  EXPECT_TRUE(access.end());
}

TEST_P(ExporterContract, IsZeroFilled) {
  if (is_device()) {
    refused_by_design("a device's memory is as its driver left it");
    return;
  }
  // Twice, and written in between: memory that was used before is cleared, too.
  for (int i = 0; i < 2; ++i) {
    const auto made = buffer(64 * kPage);
    auto access = begin(made, Usage::ReadWrite);
    const auto bytes = access.bytes();
    EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; }));
    std::fill(bytes.begin(), bytes.end(), std::byte{0xee});
    EXPECT_TRUE(access.end());
  }
}

TEST_P(ExporterContract, CarriesItsName) {
  const auto made = buffer(kPage, "a fine name");
  EXPECT_EQ(made.name(), "a fine name");
  const auto fd = must(made.dup_fd());
  if (!makes_dma_bufs()) {
    std::array<char, 64> link{};
    ASSERT_GT(::readlink(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), link.data(), link.size() - 1),
              0);
    EXPECT_THAT(link.data(), ::testing::HasSubstr("memfd:a fine name"));
  } else if (fake != nullptr) {
    EXPECT_EQ(fake->info(fd.get()).value().name, "a fine name");
  } else {
    std::ifstream file("/proc/self/fdinfo/" + std::to_string(fd.get()));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    EXPECT_THAT(text, ::testing::HasSubstr("a fine name"));
    EXPECT_THAT(text, ::testing::HasSubstr("exp_name"));
  }
}

TEST_P(ExporterContract, MovesElsewhere) {
  // Only deferred storage can move: user space cannot move pages beneath an inode.
  const auto made = buffer();
  const auto moved = made.move_to("memfd");
  if (exporter() == kDeferred) {
    // While nothing holds it, which its own tests look into.
    ASSERT_TRUE(moved) << moved.error().message();
    EXPECT_EQ(made.exporter(), "memfd");
    return;
  }
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().code(), Errc::Unsupported) << moved.error().message();
  refused_by_design("storage that is settled stays where it is");
}

TEST_P(ExporterContract, LendsItsPagesToAUdmabuf) {
  const auto made = buffer(4 * kPage);
  const std::array<DmaBufRange, 2> ranges{{{made, 3 * kPage, kPage}, {made, kPage, kPage}}};
  const auto joined = runtime().create_udmabuf(ranges, "joined");
  if (joined) {
    ASSERT_TRUE(has_memfd_beneath() || kind() == kOwn);
    EXPECT_EQ(joined->size(), 2 * kPage);
    EXPECT_NE(joined->id(), made.id());
    auto writing = begin(*joined, Usage::Write);
    writing.bytes()[0] = std::byte{3};
    writing.bytes()[kPage] = std::byte{1};
    must(writing.end());
    auto reading = begin(made, Usage::Read);
    EXPECT_EQ(reading.bytes()[3 * kPage], std::byte{3});
    EXPECT_EQ(reading.bytes()[kPage], std::byte{1});
    must(reading.end());
    return;
  }
  if (!has_memfd_beneath() && kind() != kOwn) {
    EXPECT_EQ(joined.error().code(), Errc::Unsupported) << joined.error().message();
    refused_by_design("a udmabuf is made over memfds, and there is none beneath");
    return;
  }
  const auto& all = exporters_here();
  const bool offered = std::any_of(all.begin(), all.end(), [](const ExporterInfo& info) {
    return info.name == "udmabuf" && info.available;
  });
  EXPECT_FALSE(offered) << joined.error().message();
  EXPECT_THAT(joined.error().message(), ::testing::HasSubstr("/dev/udmabuf"));
  refused_by_design("this machine offers no udmabuf");
}

TEST_P(ExporterContract, LeavesNothingBehind) {
  const auto device = must(runtime().open_device("null"));
  const auto round = [&] {
    const auto made = buffer(2 * kPage);
    auto attachment = must(made.attach(device, Usage::ReadWrite));
    const auto mapping = must(attachment.map(Direction::Bidirectional));
    auto access = begin(made, Usage::Write);
    EXPECT_TRUE(access.end());
  };
  // The fake remembers each call, and the guest's processor is a slow one.
  const int rounds = in_tier("host") ? 10'000 : 50;
  for (int i = 0; i < rounds / 10; ++i) {
    round();  // what is made once and kept
  }
  const auto heap_before = ::mallinfo2().uordblks;
  for (int i = 0; i < rounds; ++i) {
    round();
  }
  if (fake == nullptr) {
    EXPECT_LT(::mallinfo2().uordblks, heap_before + 16 * 1024) << "the heap grew in " << rounds << " rounds";
  }
  if (fake != nullptr) {
    EXPECT_EQ(fake->live_dma_bufs(), 0U);
  }
  // The descriptors are counted at the end of each test.
}

}  // namespace
}  // namespace causeway::test
