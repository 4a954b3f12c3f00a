// SPDX-License-Identifier: Apache-2.0
//
// The root: its table of system calls, its places for devices, its counters, and that nothing adds up.
#include <dirent.h>

#include <array>
#include <cstring>
#include <fstream>
#include <string>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

TEST_F(CoreTest, TableOfSystemCallsWithAHoleIsRefused) {
  const auto whole = *kernel.syscalls();
  const auto create = [](const cw_syscalls& table) {
    return Runtime::create({.syscalls = &table, .builtin_backends = false});
  };
  EXPECT_TRUE(create(whole));
  // Every member after the context is a function: each is made a hole in turn, one that is new as well.
  constexpr auto kFirst = offsetof(cw_syscalls, open);
  static_assert((sizeof(cw_syscalls) - kFirst) % sizeof(void*) == 0);
  std::size_t holes = 0;
  for (auto at = kFirst; at < sizeof(cw_syscalls); at += sizeof(void*)) {
    auto table = whole;
    std::memset(reinterpret_cast<std::byte*>(&table) + at, 0, sizeof(void*));
    EXPECT_TRUE(fails_with(create(table), Errc::InvalidArgument, {"system calls"})) << "offset " << at;
    ++holes;
  }
  EXPECT_GE(holes, 14U);
  auto small = whole;
  small.struct_size = sizeof(cw_syscalls) - 1;
  EXPECT_TRUE(fails_with(create(small), Errc::InvalidArgument));
  small.struct_size = 0;
  EXPECT_TRUE(fails_with(create(small), Errc::InvalidArgument));
}

TEST_F(CoreTest, DevicesFindNoPlaceAfterThe64th) {
  std::vector<Device> devices;
  for (std::uint32_t i = 0; i < Device::kMaxDevices; ++i) {
    devices.push_back(open("dma"));
    EXPECT_EQ(devices.back().slot(), i);
  }
  EXPECT_TRUE(fails_with(runtime().open_device("testdma", {.id = "dma"}), Errc::Busy, {"64"}));
  auto other = make_runtime(kernel.syscalls());
  EXPECT_TRUE(fails_with(other.open_device("testdma", {.id = "dma"}), Errc::Busy, {"64"}))
      << "places count for the whole process";
  devices.erase(devices.begin() + 17);
  EXPECT_EQ(open("dma").slot(), 17U);
}

TEST_F(CoreTest, DeviceThatFailsToOpenTakesNoPlace) {
  for (std::uint32_t i = 0; i < 2 * Device::kMaxDevices; ++i) {
    ASSERT_TRUE(fails_with(runtime().open_device("testdma", {.id = "dma,fail_open=4"}), Errc::Permission,
                           {"testdma", "told to fail"}));
  }
  EXPECT_EQ(open("dma").slot(), 0U);
}

TEST_F(CoreTest, CopiesAreCounted) {
  std::array<std::byte, 100> from{};
  std::array<std::byte, 100> to{};
  from.fill(std::byte{7});
  const auto before = runtime().counters();
  runtime().copy(to, from);
  EXPECT_EQ(to, from);
  runtime().copy(std::span(to).first(0), std::span(from).first(0));
  runtime().copy(std::span(to).first(11), std::span(from).first(11));
  EXPECT_EQ((runtime().counters() - before).copied_bytes, 111U);
  EXPECT_EQ(make_runtime(kernel.syscalls()).counters().copied_bytes, 0U) << "counted by whom did it";
}

TEST_F(CoreTest, HotPathMakesNoOtherCallThanItMust) {
  const auto dma = open("dma");
  const auto through_cpu = open("via-cpu");
  auto pool = must(runtime()
                       .negotiate(FrameDesc::bytes(kPage))
                       .with(dma, Usage::Read)
                       .with(through_cpu, Usage::Write)
                       .exporter(kSystem)
                       .allocate(2));
  const auto before = runtime().counters();
  kernel.forget_calls();
  for (int i = 0; i < 10; ++i) {
    const auto lease = must(pool.acquire(soon()));
    auto reads = must(lease->on(dma).begin_access(Usage::Read, soon()));
    EXPECT_TRUE(reads.end());
  }
  EXPECT_TRUE(kernel.calls().empty()) << "a real device's turn on our own buffer costs no system call";
  const auto lease = must(pool.acquire(soon()));
  auto write = must(lease->on(through_cpu).begin_access(Usage::Write, soon()));
  EXPECT_TRUE(write.end());
  EXPECT_EQ(kernel.count("mmap"), 0U);
  EXPECT_EQ(kernel.count("DMA_BUF_IOCTL_SYNC"), 2U);
  EXPECT_EQ((runtime().counters() - before).copied_bytes, 0U);
}

TEST_F(CoreTest, RuntimeLivesAsLongAsWhatItMade) {
  std::optional<DmaBuf> made;
  {
    auto brief = make_runtime(kernel.syscalls());
    made.emplace(must(brief.allocate(kPage, kSystem)));
  }
  auto access = must(must(made->map_cpu()).begin(Usage::Write, soon()));
  EXPECT_TRUE(access.end());
}

// ---- Ten thousand rounds leave the process as it was

struct Belongings {
  std::size_t descriptors = 0;
  std::size_t mappings = 0;  // of memfds, which all memory of the fake kernel is
  bool operator==(const Belongings&) const = default;

  static Belongings count() {
    Belongings now;
    DIR* directory = ::opendir("/proc/self/fd");
    while (::readdir(directory) != nullptr) {  // NOLINT(concurrency-mt-unsafe): a stream of our own
      ++now.descriptors;
    }
    ::closedir(directory);
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      now.mappings += line.find("/memfd:") != std::string::npos ? 1U : 0U;
    }
    return now;
  }
};

TEST_F(CoreTest, TenThousandRoundsLeaveNothing) {
  const auto dma = open("dma");
  const auto through_cpu = open("via-cpu");
  const auto round = [&](const char* exporter) {
    const auto made = must(runtime().allocate(kPage, exporter));
    auto attachment = must(made.attach(dma, Usage::Read));
    const auto mapping = must(attachment.map(Direction::ToDevice));
    auto other = must(made.attach(through_cpu, Usage::Write));
    const auto view = must(other.map(Direction::FromDevice));
    auto access = must(view.begin_access(Usage::Write, soon()));
    must(access.end());
  };
  constexpr int kRounds = 10'000;
  const std::array exporters{"udmabuf", kSystem, "memfd", kSeparate};
  for (const char* exporter : exporters) {
    round(exporter);  // what is made once and kept
  }
  ASSERT_EQ(kernel.live_dma_bufs(), 0U);
  const auto before = Belongings::count();
  for (int i = 0; i < kRounds; ++i) {
    round(exporters.at(static_cast<std::size_t>(i) % exporters.size()));
    if (i % 512 == 0) {
      kernel.forget_calls();  // the fake remembers each, the test need not
    }
  }
  EXPECT_EQ(kernel.live_dma_bufs(), 0U);
  const auto after = Belongings::count();
  EXPECT_EQ(after.descriptors, before.descriptors);
  EXPECT_EQ(after.mappings, before.mappings);
  EXPECT_EQ(runtime().counters().sync_starts, runtime().counters().sync_ends);
}

}  // namespace
}  // namespace causeway::test
