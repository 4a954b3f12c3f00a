// SPDX-License-Identifier: Apache-2.0
//
// Memory that comes in by a descriptor for reading, and later by one for writing: it is one buffer, which can
// be written from then on, and nothing that was mapped for reading is written to.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

/// On the fake kernel, or with true on this machine's own.
class CoreReadOnly : public CoreTest, public ::testing::WithParamInterface<bool> {
protected:
  void SetUp() override {
    CoreTest::SetUp();
    on_.emplace(make_runtime(GetParam() ? nullptr : kernel.syscalls()));
    const auto& table = *kernel.syscalls();
    memfd_ = UniqueFd(table.memfd_create(table.context, "memory", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::ftruncate(memfd_.get(), 4 * kPage), 0);
    reader_ =
        UniqueFd(::open(("/proc/self/fd/" + std::to_string(memfd_.get())).c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(reader_.valid());
  }
  void TearDown() override {
    on_.reset();
    memfd_.reset();
    reader_.reset();
    CoreTest::TearDown();
  }

  DmaBuf by_reader() { return must(DmaBuf::from_fd(*on_, reader_.borrow())); }
  Result<DmaBuf> by_writer() { return DmaBuf::from_fd(*on_, memfd_.borrow()); }
  Device device(const std::string& id) { return must(on_->open_device("testdma", {.id = id})); }
  /// The byte as the file has it.
  [[nodiscard]] std::byte at(std::uint64_t offset) const {
    std::byte found{};
    EXPECT_EQ(::pread(memfd_.get(), &found, 1, static_cast<off_t>(offset)), 1);
    return found;
  }
  static void write(const DmaBuf& to, std::byte value) {
    auto access = must(must(to.map_cpu()).begin(Usage::Write, soon()));
    access.bytes()[0] = value;
    EXPECT_TRUE(access.end());
  }

  UniqueFd memfd_;
  UniqueFd reader_;

private:
  std::optional<Runtime> on_;
};
INSTANTIATE_TEST_SUITE_P(Kernel, CoreReadOnly, ::testing::Bool(),
                         [](const auto& of) { return of.param ? "Real" : "Fake"; });

TEST_P(CoreReadOnly, BecomesWritableAndStaysTheSame) {
  const auto buffer = by_reader();
  EXPECT_TRUE(buffer.read_only());
  EXPECT_TRUE(fails_with(must(buffer.map_cpu()).begin(Usage::Write, soon()), Errc::Unsupported, {"O_RDWR"}));
  const auto id = buffer.id();
  const int lent = must(buffer.fd()).get();
  const auto again = must(by_writer());
  EXPECT_EQ(again, buffer);
  EXPECT_EQ(buffer.id(), id);
  EXPECT_FALSE(buffer.read_only());
  EXPECT_EQ(::fcntl(lent, F_GETFL) & O_ACCMODE, O_RDONLY) << "what was lent stays open";
  EXPECT_EQ(::fcntl(must(buffer.fd()).get(), F_GETFL) & O_ACCMODE, O_RDWR);
  write(buffer, std::byte{7});
  EXPECT_EQ(at(0), std::byte{7});
  EXPECT_EQ(by_reader(), buffer);
  EXPECT_FALSE(buffer.read_only()) << "a descriptor for reading takes nothing away";
}

TEST_P(CoreReadOnly, StaysSoByFurtherDescriptorsForReading) {
  const auto buffer = by_reader();
  EXPECT_EQ(by_reader(), buffer);
  EXPECT_TRUE(buffer.read_only());
}

TEST_P(CoreReadOnly, SealAgainstWritingIsReadOnlyToo) {
  for (const int seal : {F_SEAL_FUTURE_WRITE, F_SEAL_WRITE}) {
    ASSERT_EQ(::fcntl(memfd_.get(), F_ADD_SEALS, seal), 0);
    const auto buffer = must(by_writer());
    EXPECT_TRUE(buffer.read_only());
    const auto mapping = must(buffer.map_cpu());
    EXPECT_TRUE(must(mapping.begin(Usage::Read, soon())).end());
    EXPECT_TRUE(fails_with(mapping.begin(Usage::Write, soon()), Errc::Unsupported));
  }
}

TEST_P(CoreReadOnly, WritersGetMappingsOfTheirOwn) {
  const auto buffer = by_reader();
  const auto mapping = must(buffer.map_cpu());
  const auto part = must(buffer.map_page(1));
  auto reading = must(mapping.begin(Usage::Read, soon()));
  const auto before = reading.bytes();
  must(by_writer());
  EXPECT_EQ(before[0], std::byte{0}) << "what a reader holds stays mapped";
  EXPECT_EQ(reading.bytes()[0], std::byte{0});
  EXPECT_TRUE(reading.end());
  auto writing = must(mapping.begin(Usage::Write, soon()));
  writing.bytes()[kPage] = std::byte{9};
  EXPECT_TRUE(writing.end());
  EXPECT_EQ(before[kPage], std::byte{9}) << "and shows the same memory";
  EXPECT_TRUE(fails_with(part.begin(Usage::Write, soon()), Errc::Unsupported, {"map it anew"}));
  EXPECT_TRUE(must(part.begin(Usage::Read, soon())).end());
  const auto fresh = must(buffer.map_page(1));
  auto access = must(fresh.begin(Usage::ReadWrite, soon()));
  EXPECT_EQ(fresh.bytes()[0], std::byte{9});
  fresh.bytes()[0] = std::byte{10};
  EXPECT_TRUE(access.end());
  EXPECT_EQ(at(kPage), std::byte{10});
}

TEST_P(CoreReadOnly, AttachmentsStayAsTheyAre) {
  for (const char* id : {"dma", "via-cpu"}) {
    SCOPED_TRACE(id);
    const auto buffer = by_reader();
    const auto reader = device(id);
    auto attachment = must(buffer.attach(reader, Usage::Read));
    auto later = must(buffer.attach(reader, Usage::Read));
    const auto mapping = must(attachment.map(Direction::ToDevice));
    must(by_writer());
    ASSERT_EQ(buffer.attachments().size(), 2U);
    EXPECT_TRUE(buffer.attachments()[0].mapped);
    write(buffer, std::byte{42});
    const auto& view = *static_cast<const DmaView*>(mapping.native(kDmaView));
    std::array<std::byte, 1> seen{};
    auto turn = must(mapping.begin_access(Usage::Read, soon()));
    EXPECT_TRUE(view.read(0, 0, seen));
    EXPECT_TRUE(turn.end());
    EXPECT_EQ(seen[0], std::byte{42});
    EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Write, soon()), Errc::InvalidArgument));
    // The device imported it for reading: it cannot be asked to write a proof.
    EXPECT_EQ(must(later.map(Direction::ToDevice)).verdict(), AliasVerdict::Unknown);
    auto writer = must(buffer.attach(reader, Usage::ReadWrite));
    EXPECT_EQ(must(writer.map(Direction::Bidirectional)).verdict(), AliasVerdict::Aliased);
    EXPECT_EQ(at(0), std::byte{42}) << "the proof put the bytes back";
  }
}

TEST_P(CoreReadOnly, WhileOthersReadIt) {
  const auto buffer = by_reader();
  const auto mapping = must(buffer.map_cpu());
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      auto access = mapping.begin(Usage::Read, soon());
      ASSERT_TRUE(access) << access.error().message();
      EXPECT_EQ(access->bytes()[0], std::byte{0});
      EXPECT_TRUE(access->end());
      EXPECT_TRUE(buffer.map_page(2));
      EXPECT_TRUE(buffer.dup_fd());
    }
  });
  EXPECT_TRUE(by_writer());
  stop = true;
  reader.join();
  EXPECT_FALSE(buffer.read_only());
}

using CoreReadOnlyFailures = CoreTest;

TEST_F(CoreReadOnlyFailures, WithEachCallFailingItIsEitherOrTheOther) {
  const auto& table = *kernel.syscalls();
  for (const int system_errno : {EMFILE, ENOMEM, EINTR, EAGAIN}) {
    for_each_failing_call(system_errno, [&](const std::string& failing) {
      UniqueFd memfd(table.memfd_create(table.context, "memory", MFD_CLOEXEC));
      if (!memfd.valid()) {
        return;  // of the test's own
      }
      ASSERT_EQ(::ftruncate(memfd.get(), kPage), 0);
      const UniqueFd reader(
          ::open(("/proc/self/fd/" + std::to_string(memfd.get())).c_str(), O_RDONLY | O_CLOEXEC));
      const auto buffer = DmaBuf::from_fd(runtime(), reader.borrow());
      const auto mapping = buffer ? buffer->map_cpu() : Result<CpuMapping>(buffer.error());
      if (!mapping) {
        EXPECT_TRUE(is_told(mapping.error()));
        return;
      }
      const auto again = DmaBuf::from_fd(runtime(), memfd.borrow());
      EXPECT_EQ(buffer->read_only(), !again);
      if (!again) {
        EXPECT_NE(system_errno, EINTR) << failing;
        EXPECT_TRUE(is_told(again.error()));
        EXPECT_TRUE(must(mapping->begin(Usage::Read, soon())).end());
        must(DmaBuf::from_fd(runtime(), memfd.borrow()));
      }
      auto access = must(mapping->begin(Usage::Write, soon()));
      access.bytes()[0] = std::byte{1};
      EXPECT_TRUE(access.end());
    });
  }
}

}  // namespace
}  // namespace causeway::test
