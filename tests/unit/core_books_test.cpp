// SPDX-License-Identifier: Apache-2.0
//
// What a runtime knows and tells of its buffers: the ledger, the leak report, reservations, try_map; and what
// it answers in a forked child.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "core_harness.hpp"

namespace causeway::test {
namespace {

class CoreBooks : public CoreTest {};

TEST_F(CoreBooks, LedgerListsWhatLivesOldestFirst) {
  EXPECT_THAT(runtime().ledger(), ::testing::IsEmpty());
  const auto device = open("dma");
  auto first = buffer(kPage, kSystem, "first");
  auto second = must(DmaBuf::create(runtime(), DeferredExporter::describe(runtime(), 2 * kPage, "second")));
  auto attachment = must(first.attach(device, Usage::Read));
  const auto mapping = must(attachment.map(Direction::ToDevice));
  const auto entries = runtime().ledger();
  ASSERT_THAT(entries, ::testing::SizeIs(2));
  EXPECT_EQ(entries[0].name, "first");
  EXPECT_EQ(entries[0].exporter, kSystem);
  EXPECT_EQ(entries[0].id, first.id());
  EXPECT_TRUE(entries[0].settled);
  ASSERT_THAT(entries[0].attachments, ::testing::SizeIs(1));
  EXPECT_TRUE(entries[0].attachments[0].mapped);
  EXPECT_EQ(entries[0].attachments[0].device, device.name());
  EXPECT_EQ(entries[1].size, 2 * kPage);
  EXPECT_FALSE(entries[1].settled);
  EXPECT_THAT(entries[1].to_string(), ::testing::HasSubstr("storage not settled"));
  EXPECT_THAT(entries[1].to_string(), ::testing::HasSubstr("core_books_test.cpp"));
}

TEST_F(CoreBooks, LeaksAreReportedWhenTheLastHandleGoes) {
  {
    auto short_lived = std::make_optional(make_runtime(kernel.syscalls()));
    auto left = must(short_lived->allocate(kPage, kSystem, "forgotten"));
    auto copy = short_lived;
    short_lived.reset();
    EXPECT_FALSE(log.says(LogLevel::Warning, "forgotten")) << "another handle is left";
    copy.reset();
    EXPECT_TRUE(log.says(LogLevel::Warning, "forgotten"));
    EXPECT_TRUE(must(left.map_cpu()).begin(Usage::Read, soon())) << "it works on all the same";
  }
  const auto entries = log.entries().size();
  { auto tidy = make_runtime(kernel.syscalls()); }
  EXPECT_EQ(log.entries().size(), entries) << "nothing left, nothing said";
}

TEST_F(CoreBooks, ReservationsAreReadyWhenTheFencesAre) {
  auto shared = buffer();
  const auto reservation = shared.reservation();
  EXPECT_TRUE(must(reservation.test(Usage::Write)));
  const auto reader = kernel.make_fence();
  ASSERT_TRUE(kernel.add_fence(must(shared.fd()).get(), reader, false));
  EXPECT_TRUE(must(reservation.test(Usage::Read))) << "readers do not wait for readers";
  EXPECT_FALSE(must(reservation.test(Usage::Write)));
  EXPECT_TRUE(fails_with(reservation.wait(Usage::Write, Deadline::now()), Errc::TimedOut, {"uses"}));
  kernel.signal(reader);
  EXPECT_TRUE(reservation.wait(Usage::Write, soon()));
}

TEST_F(CoreBooks, ReadinessIsADescriptorOfTheCallers) {
  for (const auto* exporter : {kSystem, "memfd"}) {
    auto shared = buffer(kPage, exporter);
    const auto readiness = must(shared.reservation().readiness(Usage::Read));
    pollfd entry{.fd = readiness.fd.get(), .events = readiness.events, .revents = 0};
    const timespec at_once{};
    EXPECT_EQ(kernel.syscalls()->ppoll(kernel.syscalls()->context, &entry, 1, &at_once), 1) << exporter;
    EXPECT_EQ(entry.revents & readiness.events, readiness.events) << exporter;
  }
}

TEST_F(CoreBooks, TryMapIsBusyWhereMapWouldBlock) {
  const auto device = open("dma");
  auto shared = buffer();
  auto attachment = must(shared.attach(device, Usage::ReadWrite));
  const auto fence = kernel.make_fence();
  ASSERT_TRUE(kernel.add_fence(must(shared.fd()).get(), fence, true));
  EXPECT_TRUE(fails_with(attachment.try_map(Direction::Bidirectional), Errc::Busy, {"fence"}));
  kernel.signal(fence);
  {
    auto access = must(must(shared.map_cpu()).begin(Usage::Read, soon()));
    EXPECT_TRUE(fails_with(attachment.try_map(Direction::Bidirectional), Errc::Busy, {"turn"}));
    EXPECT_TRUE(access.end());
  }
  EXPECT_TRUE(attachment.try_map(Direction::Bidirectional));
}

TEST_F(CoreBooks, ForkedChildIsRefusedAndLeavesTheDeviceAlone) {
  const auto device = open("dma");
  auto shared = buffer();
  auto attachment = must(shared.attach(device, Usage::ReadWrite));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool refused =
        fails_with(runtime().allocate(kPage, kSystem), Errc::WrongState, {"forked"}) &&
        fails_with(runtime().open_device("testdma", {.id = "dma"}), Errc::WrongState, {"forked"}) &&
        fails_with(mapping.begin_access(Usage::Read, soon()), Errc::WrongState, {"forked"}) &&
        fails_with(shared.attach(device, Usage::Read), Errc::WrongState, {"forked"}) &&
        fails_with(attachment.map(Direction::Bidirectional), Errc::WrongState, {"forked"}) &&
        fails_with(shared.fd(), Errc::WrongState, {"forked"}) &&
        fails_with(shared.dup_fd(), Errc::WrongState, {"forked"}) &&
        fails_with(shared.map_cpu(), Errc::WrongState, {"forked"}) &&
        fails_with(shared.mmap(0, kPage), Errc::WrongState, {"forked"}) &&
        fails_with(shared.map_page(0), Errc::WrongState, {"forked"}) &&
        fails_with(shared.move_to("memfd"), Errc::WrongState, {"forked"}) &&
        fails_with(DmaBuf::from_fd(runtime(), BorrowedFd(0)), Errc::WrongState, {"forked"});
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(must(mapping.begin_access(Usage::Read, soon())).end()) << "the parent goes on";
}

}  // namespace
}  // namespace causeway::test
