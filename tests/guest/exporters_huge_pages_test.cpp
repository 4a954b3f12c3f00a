// SPDX-License-Identifier: Apache-2.0
//
// Huge pages of a real kernel, in each way that it gives them: permitted to shared memory, collapsed without
// any permission, and from the pool.
#include <gmock/gmock.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

#include <string>

#include "core/buffer_state.hpp"
#include "exporters/ladder.hpp"
#include "guest/exporters_guest.hpp"
#include "uapi/huge_pages.hpp"
#include "uapi/real_syscalls.hpp"

namespace causeway::test {
namespace {

constexpr std::uint64_t kPage = uapi::kPageSize;
constexpr std::uint64_t kHuge = uapi::kHugePageSize;
constexpr const char* kPolicy = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
constexpr const char* kPool = "/proc/sys/vm/nr_hugepages";

/// A setting of the kernel, put back at the end.
class Setting {
public:
  Setting(const char* path, const std::string& value) : path_(path) {
    std::ifstream file(path);
    std::getline(file, before_);
    if (const auto opening = before_.find('['); opening != std::string::npos) {
      before_ = before_.substr(opening + 1, before_.find(']') - opening - 1);  // "always [never] force"
    }
    EXPECT_TRUE(write(value)) << value << " could not be written to " << path;
  }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;
  ~Setting() { EXPECT_TRUE(write(before_)); }

private:
  [[nodiscard]] bool write(const std::string& value) const {
    std::ofstream file(path_);
    file << value << std::flush;
    return file.good();
  }
  const char* path_;
  std::string before_;
};

/// A line of /proc/self/smaps about the mapping at an address, in bytes.
std::uint64_t smaps(const std::byte* address, const std::string& line_name) {
  std::ifstream file("/proc/self/smaps");
  std::string line;
  bool here = false;
  std::uint64_t bytes = 0;
  while (std::getline(file, line)) {
    unsigned long from = 0;
    unsigned long to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) {
      const auto at = reinterpret_cast<std::uintptr_t>(address);
      here = from <= at && at < to;
    } else if (here && line.starts_with(line_name + ":")) {
      bytes += std::stoul(line.substr(line_name.size() + 1)) * 1024;
    }
  }
  return bytes;
}

std::uint64_t free_in_pool() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  std::uint64_t number = 0;
  while (file >> word) {
    if (word == "HugePages_Free:") {
      file >> number;
      return number;
    }
  }
  return 0;
}

/// The real kernel, but without MADV_COLLAPSE, as before Linux 6.1.
cw_syscalls without_collapse() {
  auto table = uapi::real_syscalls();
  table.madvise = [](void*, void* address, std::size_t length, int advice) {
    if (advice == 25) {  // MADV_COLLAPSE, which older headers lack
      errno = EINVAL;
      return -1;
    }
    return ::madvise(address, length, advice);
  };
  return table;
}

/// Bytes of a fresh memfd that a mapping reaches by huge entries of the page table.
struct Obtained {
  std::uint64_t known;
  std::uint64_t mapped;
};
Obtained obtain(const cw_syscalls& table, std::uint64_t size) {
  const uapi::Kernel kernel(table);
  const auto storage = exporters::make_memfd(kernel)->allocate(size, "huge");
  if (!storage) {
    ADD_FAILURE() << storage.error().message();
    return {};
  }
  const auto mapped = kernel.map(storage->pinnable.borrow(), 0, size, true, true, kHuge);
  return {storage->huge_bytes, mapped ? smaps(mapped->address(), "ShmemPmdMapped") : 0};
}

using ExportersHugePages = ExportersGuest;

TEST_F(ExportersHugePages, ComeAtTheFirstTouchWhereTheyArePermitted) {
  const auto old_kernel = without_collapse();
  {
    const Setting policy(kPolicy, "advise");
    EXPECT_EQ(obtain(old_kernel, 4 * kHuge).mapped, 4 * kHuge);
    const auto both = obtain(uapi::real_syscalls(), 4 * kHuge);
    EXPECT_EQ(both.known, 4 * kHuge) << "what is huge already counts as collapsed";
    EXPECT_EQ(both.mapped, 4 * kHuge);
  }
  const Setting policy(kPolicy, "never");
  const auto none = obtain(old_kernel, 4 * kHuge);
  EXPECT_EQ(none.known, 0U);
  EXPECT_EQ(none.mapped, 0U) << "neither permitted nor collapsed";
}

TEST_F(ExportersHugePages, AreCollapsedWithoutPermission) {
  const Setting policy(kPolicy, "never");
  const auto collapsed = obtain(uapi::real_syscalls(), 4 * kHuge + kPage);
  EXPECT_EQ(collapsed.known, 4 * kHuge);
  EXPECT_EQ(collapsed.mapped, 4 * kHuge);
}

TEST_F(ExportersHugePages, AreToldByTheLedger) {
  const auto buffer = runtime->allocate(4 * kHuge, "memfd", "counted");
  ASSERT_TRUE(buffer) << buffer.error().message();
  ASSERT_TRUE(buffer->map_cpu());
  const auto entry = runtime->ledger().at(0);
  EXPECT_EQ(entry.huge_bytes, smaps(buffer->state()->mapped_address(), "ShmemPmdMapped"));
  EXPECT_EQ(entry.huge_bytes, 4 * kHuge);
}

TEST_F(ExportersHugePages, OfThePoolAreTakenAndGivenBack) {
  const auto before = free_in_pool();
  ASSERT_GE(before, 3U) << "tests/guest/inside.sh fills the pool";
  for (const char* exporter : {"hugetlb:memfd", "hugetlb:udmabuf"}) {
    SCOPED_TRACE(exporter);
    const auto buffer = runtime->allocate(2 * kHuge + 1, exporter, "pool");
    ASSERT_TRUE(buffer) << buffer.error().message();
    EXPECT_EQ(buffer->size(), 3 * kHuge);
    EXPECT_EQ(free_in_pool(), before - 3);
    expect_bytes_stay(*buffer);
    EXPECT_EQ(smaps(buffer->state()->mapped_address(), "KernelPageSize"), kHuge);
    EXPECT_EQ(runtime->ledger().at(0).huge_bytes, 3 * kHuge);
    {
      const auto page = buffer->map_page(515);
      ASSERT_TRUE(page) << page.error().message();
      auto access = page->begin(Usage::ReadWrite, Deadline::in(std::chrono::seconds(10)));
      ASSERT_TRUE(access) << access.error().message();
      page->bytes()[0] = std::byte{1};
      EXPECT_TRUE(access->end());
    }
    expect_aliased_on_null_device(*buffer);
  }
  EXPECT_EQ(free_in_pool(), before);
}

TEST_F(ExportersHugePages, OfAnEmptyPoolAreRefusedWhenTheBufferIsMade) {
  const Setting pool(kPool, "1");
  const auto refused = runtime->allocate(2 * kHuge, "hugetlb");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("vm.nr_hugepages"));
  EXPECT_EQ(free_in_pool(), 1U) << "nothing stayed reserved";
  EXPECT_TRUE(runtime->allocate(kHuge, "hugetlb"));
}

}  // namespace
}  // namespace causeway::test
