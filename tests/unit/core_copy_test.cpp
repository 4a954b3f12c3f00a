// SPDX-License-Identifier: Apache-2.0
//
// The one function that copies, and how the CPU's view of memory comes about.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

#include "core/copy_bytes.hpp"
#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

using CoreCopy = CoreTest;

// Sizes on both sides of where it goes past the caches, and ends that lie anywhere in a line.
TEST_F(CoreCopy, EveryByteIsCopiedAndNoOther) {
  const std::size_t large = std::min<std::size_t>(core::streams_from(), std::size_t{64} << 20) + 1000;
  std::vector<std::byte> from(large + 200);
  std::vector<std::byte> to(large + 200);
  for (std::size_t i = 0; i < from.size(); ++i) {
    from[i] = static_cast<std::byte>(i * 7 + i / 251);
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, large - 1, large}) {
    for (const auto& [at, source] : {std::pair{64U, 0U}, {65U, 3U}, {127U, 64U}}) {
      std::fill(to.begin(), to.end(), std::byte{0xee});
      const auto before = runtime().counters();
      runtime().copy(std::span(to).subspan(at, size), std::span<const std::byte>(from).subspan(source, size));
      EXPECT_EQ((runtime().counters() - before).copied_bytes, size);
      EXPECT_TRUE(std::equal(to.begin() + at, to.begin() + at + static_cast<std::ptrdiff_t>(size),
                             from.begin() + source))
          << size << " bytes to " << at << " from " << source;
      EXPECT_EQ(to[at - 1], std::byte{0xee});
      EXPECT_EQ(to[at + size], std::byte{0xee});
    }
  }
}

class CoreFirstMapping : public CoreTest {
protected:
  static constexpr std::uint64_t kSize = 64 * kPage;

  /// A memfd whose pages have all been written.
  static UniqueFd memfd(int seals) {
    UniqueFd fd(::memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::ftruncate(fd.get(), kSize), 0);
    const std::vector<std::byte> content(kSize, std::byte{1});
    EXPECT_EQ(::pwrite(fd.get(), content.data(), kSize, 0), static_cast<ssize_t>(kSize));
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
    return fd;
  }
  /// How much of the mapping that starts there needs no fault any more: Rss of /proc/PID/smaps, bytes.
  static std::uint64_t resident(const std::byte* address) {
    std::ifstream maps("/proc/self/smaps");
    char start[32];
    std::snprintf(start, sizeof(start), "%lx-", reinterpret_cast<unsigned long>(address));
    bool here = false;
    for (std::string line; std::getline(maps, line);) {
      here = here || line.rfind(start, 0) == 0;
      if (here && line.rfind("Rss:", 0) == 0) {
        return std::stoull(line.substr(4)) * 1024;
      }
    }
    return 0;
  }
};

TEST_F(CoreFirstMapping, AllOfItIsMappedAtOnce) {
  for (const int seals : {0, F_SEAL_SHRINK}) {
    const auto fd = memfd(seals);
    const auto memory = must(DmaBuf::from_fd(runtime(), fd.borrow()));
    auto access = must(must(memory.map_cpu()).begin(Usage::Write, soon()));
    EXPECT_EQ(resident(access.bytes().data()), kSize) << seals;
    EXPECT_TRUE(access.end());
  }
}

TEST_F(CoreFirstMapping, MemoryThatMayShrinkIsNotReadUnasked) {
  const auto fd = memfd(0);
  const auto memory = must(DmaBuf::from_fd(runtime(), fd.borrow()));
  ASSERT_EQ(::ftruncate(fd.get(), 0), 0);
  EXPECT_TRUE(memory.map_cpu()) << "reading it would have been SIGBUS";
}

TEST_F(CoreFirstMapping, ProofMapsNoMoreThanItLooksAt) {
  const auto fd = memfd(F_SEAL_SHRINK);
  const auto memory = must(DmaBuf::from_fd(runtime(), fd.borrow()));
  auto attachment = must(memory.attach(open("dma"), Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  EXPECT_EQ(mapping.verdict(), AliasVerdict::Aliased);
  EXPECT_FALSE(runtime().ledger().at(0).mapped_by_cpu) << "nobody but hardware takes part";
}

}  // namespace
}  // namespace causeway::test
