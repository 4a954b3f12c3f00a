// SPDX-License-Identifier: Apache-2.0
//
// Runtime::create_udmabuf: parts of buffers as buffers.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>

#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

class ExportersRanges : public CoreTest {
protected:
  using Ranges = std::vector<DmaBufRange>;

  Result<DmaBuf> over(const Ranges& ranges, Deadline deadline = Deadline::now()) {
    return runtime().create_udmabuf(ranges, "ranges", deadline);
  }
  static void write(const DmaBuf& to, std::uint64_t at, unsigned char value) {
    auto access = must(must(to.map_cpu()).begin(Usage::Write, soon()));
    access.bytes()[at] = std::byte{value};
    must(access.end());
  }
  static int read(const DmaBuf& from, std::uint64_t at) {
    auto access = must(must(from.map_cpu()).begin(Usage::Read, soon()));
    const auto value = static_cast<int>(access.bytes()[at]);
    must(access.end());
    return value;
  }
  /// A user's own memfd.
  [[nodiscard]] UniqueFd memfd(std::uint64_t size, bool sealed) const {
    const auto& table = *kernel.syscalls();
    UniqueFd fd(table.memfd_create(table.context, "own", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0 ||
        (sealed && ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0)) {
      throw std::runtime_error("no memfd");
    }
    return fd;
  }
};

TEST_F(ExportersRanges, PartOfABufferIsABuffer) {
  const auto whole = buffer(8 * kPage, "udmabuf");
  const auto part = must(over({{whole, 2 * kPage, 3 * kPage}}));
  EXPECT_EQ(part.size(), 3 * kPage);
  EXPECT_EQ(part.exporter(), "udmabuf");
  EXPECT_EQ(part.name(), "ranges");
  EXPECT_EQ(info_of(part).name, "ranges");
  EXPECT_TRUE(part.is_dma_buf());
  EXPECT_TRUE(part.has_pinnable_view());
  EXPECT_NE(part.id(), whole.id());
  EXPECT_EQ(must(DmaBuf::from_fd(runtime(), must(part.dup_fd()).borrow())), part);
  write(part, kPage + 1, 77);
  EXPECT_EQ(read(whole, 3 * kPage + 1), 77);
  write(whole, 2 * kPage, 78);
  EXPECT_EQ(read(part, 0), 78);
}

TEST_F(ExportersRanges, PagesThatLieApartBecomeOne) {
  const auto first = buffer(4 * kPage, "udmabuf");
  const auto second = buffer(4 * kPage, "memfd");
  const auto joined = must(over({{second, 3 * kPage, kPage}, {first, kPage, 2 * kPage}, {second, 0, kPage}}));
  EXPECT_EQ(joined.size(), 4 * kPage);
  EXPECT_FALSE(joined.has_pinnable_view()) << "they are no one place in one memfd";
  for (unsigned char page = 0; page < 4; ++page) {
    write(joined, page * kPage, 10 + page);
  }
  EXPECT_EQ(read(second, 3 * kPage), 10);
  EXPECT_EQ(read(first, kPage), 11);
  EXPECT_EQ(read(first, 2 * kPage), 12);
  EXPECT_EQ(read(second, 0), 13);
}

TEST_F(ExportersRanges, DevicesWorkOnIt) {
  const auto whole = buffer(4 * kPage, "udmabuf");
  const auto part = must(over({{whole, kPage, 2 * kPage}}));
  const std::array value{std::byte{0x5a}};
  std::uint64_t at = 0;
  for (const auto& device : {open("dma"), open("pinnable")}) {
    auto attachment = must(part.attach(device, Usage::ReadWrite));
    const auto mapping = must(attachment.map(Direction::Bidirectional));
    EXPECT_EQ(mapping.verdict(), AliasVerdict::Aliased);
    auto turn = must(mapping.begin_access(Usage::Write, soon()));
    EXPECT_TRUE(static_cast<const DmaView*>(mapping.native(kDmaView))->write(0, kPage + at, value));
    must(turn.end());
    EXPECT_EQ(read(whole, 2 * kPage + at), 0x5a) << device.name();
    ++at;
  }
}

// Neighbours in a slab are known by descriptors of their own, but are one place in one memfd.
TEST_F(ExportersRanges, FramesOfAPoolThatFollowOneAnotherAreOnePlace) {
  const auto pool = must(runtime().negotiate(FrameDesc::bytes(kPage)).exporter("udmabuf").allocate(3));
  const auto frame = [&](std::uint32_t i) { return pool.frame(i).frame().objects()[0]; };
  EXPECT_TRUE(must(over({{frame(0), 0, kPage}, {frame(1), 0, kPage}})).has_pinnable_view());
  EXPECT_FALSE(must(over({{frame(0), 0, kPage}, {frame(2), 0, kPage}})).has_pinnable_view());
  EXPECT_FALSE(must(over({{frame(1), 0, kPage}, {frame(0), 0, kPage}})).has_pinnable_view());
  const auto elsewhere = buffer(2 * kPage, "udmabuf");
  EXPECT_FALSE(must(over({{frame(0), 0, kPage}, {elsewhere, kPage, kPage}})).has_pinnable_view())
      << "the offsets follow one another, the memfds do not";
}

TEST_F(ExportersRanges, MemoryOutlivesTheBuffersThatItIsOf) {
  const auto joined = [&] {
    const auto first = buffer(2 * kPage, "udmabuf");
    const auto second = buffer(kPage, "memfd");
    write(first, kPage, 1);
    write(second, 0, 2);
    return must(over({{first, kPage, kPage}, {second, 0, kPage}}));
  }();
  EXPECT_EQ(kernel.live_dma_bufs(), 1U);
  EXPECT_EQ(runtime().ledger().size(), 1U);
  EXPECT_EQ(read(joined, 0), 1);
  EXPECT_EQ(read(joined, kPage), 2);
}

TEST_F(ExportersRanges, HasTurnsAndFencesOfItsOwn) {
  const auto whole = buffer(2 * kPage, "udmabuf");
  const auto part = must(over({{whole, 0, kPage}}));
  auto event = must(HostEvent::create(runtime()));
  must(must(whole.reservation().reserve(1)).add(event.fence(), FenceUsage::Write));
  EXPECT_TRUE(must(part.reservation().test(Usage::Read)));
  must(part.reservation().copy_from(whole.reservation()));
  EXPECT_FALSE(must(part.reservation().test(Usage::Read))) << "passed along by who uses both";
  must(event.signal());
  EXPECT_TRUE(must(part.reservation().test(Usage::Read)));
}

TEST_F(ExportersRanges, IsMadeWhileNobodyWorksOnTheRanges) {
  const auto whole = buffer(2 * kPage, "udmabuf");
  auto event = must(HostEvent::create(runtime()));
  must(must(whole.reservation().reserve(1)).add(event.fence(), FenceUsage::Read));
  EXPECT_TRUE(fails_with(over({{whole, 0, kPage}}), Errc::TimedOut, {"nobody works"}));
  EXPECT_EQ(kernel.live_dma_bufs(), 1U);
  must(event.signal());
  EXPECT_TRUE(over({{whole, 0, kPage}}));
}

// Were it moved, the part would show the old place for ever.
TEST_F(ExportersRanges, DeferredStorageIsSettledAndStays) {
  const auto deferred =
      must(DmaBuf::create(runtime(), DeferredExporter::describe(runtime(), 2 * kPage, "deferred")));
  const auto part = must(over({{deferred, kPage, kPage}}));
  EXPECT_EQ(deferred.exporter(), "udmabuf");
  EXPECT_TRUE(fails_with(deferred.move_to("memfd"), Errc::Busy, {"deferred"}));
  write(deferred, kPage, 5);
  EXPECT_EQ(read(part, 0), 5);
}

TEST_F(ExportersRanges, MemfdOfTheUsersOwnBecomesADmaBuf) {
  const auto sealed = memfd(2 * kPage, true);
  const auto known = must(DmaBuf::from_fd(runtime(), sealed.borrow()));
  const auto made = must(over({{known, 0, 2 * kPage}}));
  EXPECT_TRUE(made.is_dma_buf());
  write(known, 1, 9);
  EXPECT_EQ(read(made, 1), 9);
  const auto unsealed = memfd(kPage, false);
  EXPECT_TRUE(fails_with(over({{must(DmaBuf::from_fd(runtime(), unsealed.borrow())), 0, kPage}}),
                         Errc::InvalidArgument, {"F_SEAL_SHRINK"}));
}

TEST_F(ExportersRanges, ReadOnlyMemoryDoesNotBecomeWritable) {
  const auto sealed = memfd(kPage, true);
  const UniqueFd reading(
      ::open(("/proc/self/fd/" + std::to_string(sealed.get())).c_str(), O_RDONLY | O_CLOEXEC));
  const auto known = must(DmaBuf::from_fd(runtime(), reading.borrow()));
  ASSERT_TRUE(known.read_only());
  EXPECT_TRUE(fails_with(over({{known, 0, kPage}}), Errc::Unsupported, {"read-only", "O_RDWR"}));
}

TEST_F(ExportersRanges, NonsenseIsRefused) {
  const auto whole = buffer(4 * kPage, "udmabuf", "whole");
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max() / kPage * kPage;
  EXPECT_TRUE(fails_with(over({}), Errc::InvalidArgument, {"range"}));
  for (const auto& [offset, length] :
       std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 0}, {1, kPage}, {0, kPage + 1}, {0, 1}}) {
    EXPECT_TRUE(fails_with(over({{whole, offset, length}}), Errc::InvalidArgument, {"whole pages", "4096"}));
  }
  for (const auto& [offset, length] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {0, 5 * kPage}, {4 * kPage, kPage}, {kMost, kPage}, {kPage, kMost}, {kMost, kMost}}) {
    EXPECT_TRUE(fails_with(over({{whole, 0, kPage}, {whole, offset, length}}), Errc::InvalidArgument,
                           {"beyond", "16384", "whole"}));
  }
  EXPECT_TRUE(fails_with(over({{buffer(kPage, kSystem), 0, kPage}}), Errc::Unsupported, {"memfd", kSystem}));
  EXPECT_TRUE(
      fails_with(over(Ranges(1025, {whole, 0, kPage})), Errc::InvalidArgument, {"1025", "list_limit"}));
  auto other = make_runtime(kernel.syscalls());
  const auto foreign = must(other.allocate(kPage, "udmabuf", "foreign"));
  EXPECT_TRUE(fails_with(over({{foreign, 0, kPage}}), Errc::InvalidArgument, {"foreign", "another runtime"}));
}

TEST_F(ExportersRanges, MachineWithoutUdmabufSaysSo) {
  const auto whole = buffer(kPage, "memfd");
  kernel.configure([](FakeConfig& config) { config.udmabuf = false; });
  EXPECT_TRUE(fails_with(over({{whole, 0, kPage}}), Errc::NotFound, {"/dev/udmabuf"}));
}

TEST_F(ExportersRanges, NothingIsKeptWhateverCallFails) {
  for (const int system_errno : {EMFILE, ENOMEM, EINTR, EAGAIN}) {
    for_each_failing_call(system_errno, [&](const std::string& failing) {
      const auto first = runtime().allocate(2 * kPage, "udmabuf");
      const auto second = runtime().allocate(kPage, "memfd");
      const auto joined = first && second
                              ? over({{*first, 0, kPage}, {*first, kPage, kPage}, {*second, 0, kPage}})
                              : Result<DmaBuf>((first ? second : first).error());
      EXPECT_TRUE(joined || !failing.empty()) << joined.error().message();
    });
    EXPECT_EQ(kernel.live_dma_bufs(), 0U);
  }
}

}  // namespace
}  // namespace causeway::test
