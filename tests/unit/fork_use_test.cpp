// SPDX-License-Identifier: Apache-2.0
//
// A forked child and what its parent made: everything that would act is refused, the rest tells nothing
// wrong, and destructors leave the parent's things alone.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "support/fake_syncobj.hpp"
#include "unit/core_harness.hpp"

namespace causeway::test {
namespace {

class ForkUse : public CoreTest {
protected:
  /// Runs body in a forked child; true if it found nothing wrong there. What it finds goes to stderr.
  static bool in_child(const std::function<void()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
      body();
      ::_exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << "the child crashed, or hung until it was killed";
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  template <class T>
  static void expect_refused(const char* what, const Result<T>& result) {
    EXPECT_TRUE(fails_with(result, Errc::WrongState, {"forked"})) << what;
    if (!fails_with(result, Errc::WrongState, {"forked"})) {
      std::fprintf(stderr, "in the child: %s\n", what);
    }
  }
  static bool readable(BorrowedFd fd) {
    pollfd ready{.fd = fd.get(), .events = POLLIN, .revents = 0};
    return ::poll(&ready, 1, 0) > 0;
  }
  /// An exporter over a memfd that tells its releases.
  class Owner final : public Exporter {
  public:
    Owner(UniqueFd pages, int& releases) : pages_(std::move(pages)), releases_(releases) {}
    [[nodiscard]] std::string_view exp_name() const noexcept override { return "owner"; }
    [[nodiscard]] Result<Backing> map_dma_buf(std::span<const AttachmentRequest> /*attachments*/,
                                              Direction /*direction*/) override {
      return Backing{.fd = pages_.borrow(), .size = kPage};
    }
    void unmap_dma_buf(Direction /*direction*/) noexcept override {}
    void release() noexcept override { ++releases_; }

  private:
    UniqueFd pages_;
    int& releases_;
  };
};

TEST_F(ForkUse, RuntimeIsRefused) {
  const auto device = open("dma");
  const auto memory = buffer(kPage, "udmabuf");
  const std::vector<DmaBufRange> ranges{{memory, 0, kPage}};
  auto negotiation = runtime().negotiate(FrameDesc::bytes(kPage));
  negotiation.with(device, Usage::Read);
  EXPECT_TRUE(in_child([&] {
    expect_refused("devices", runtime().devices());
    expect_refused("open_device", runtime().open_device("testdma", {.id = "dma"}));
    expect_refused("allocate", runtime().allocate(kPage));
    expect_refused("allocate_on", runtime().allocate_on(device, FrameDesc::bytes(kPage), Usage::Read));
    expect_refused("allocate_frame", runtime().allocate_frame(FrameDesc::bytes(kPage), Usage::Read, "gbm"));
    expect_refused("create_udmabuf", runtime().create_udmabuf(ranges));
    expect_refused("plan", negotiation.plan());
    expect_refused("negotiate", negotiation.allocate(1));
    expect_refused("dispatch_readiness", runtime().dispatch_readiness());
    expect_refused("DmaBuf::create", DmaBuf::create(runtime(), {}));
    expect_refused("from_fd", DmaBuf::from_fd(runtime(), BorrowedFd(0)));
    expect_refused("HostEvent::create", HostEvent::create(runtime()));
    expect_refused("HostTimeline::create", HostTimeline::create(runtime()));
    expect_refused("from_sync_file", Fence::from_sync_file(runtime(), BorrowedFd(0)));
    expect_refused("SyncFile::from_fd", SyncFile::from_fd(runtime(), BorrowedFd(0)));
    expect_refused("from_event", Fence::from_event(runtime(), BorrowedFd(0)));
    EXPECT_EQ(runtime().dispatch(), 0U);
    EXPECT_THAT(runtime().ledger(), ::testing::IsEmpty());
    for (const auto& exporter : runtime().exporters()) {
      EXPECT_FALSE(exporter.available) << exporter.name;
      EXPECT_THAT(exporter.explanation, ::testing::HasSubstr("forked"));
    }
    EXPECT_FALSE(runtime().backends().empty());
    EXPECT_TRUE(runtime().refused_backends().empty());
    static_cast<void>(runtime().counters());
  }));
  EXPECT_EQ(runtime().ledger().size(), 1U) << "the parent goes on";
}

TEST_F(ForkUse, BuffersAndFramesAreRefused) {
  const auto device = open("dma");
  const auto memory = buffer(2 * kPage);
  const auto frame = frame_over({memory});
  const auto mapping = must(memory.map_cpu());
  const auto range = must(memory.map_page(0));
  EXPECT_TRUE(in_child([&] {
    expect_refused("fd", memory.fd());
    expect_refused("dup_fd", memory.dup_fd());
    expect_refused("map_cpu", memory.map_cpu());
    expect_refused("mmap", memory.mmap(0, kPage));
    expect_refused("map_page", memory.map_page(0));
    expect_refused("move_to", memory.move_to("memfd"));
    expect_refused("attach", memory.attach(device, Usage::Read));
    expect_refused("Frame::attach", frame.attach(device, Usage::Read));
    expect_refused("begin_cpu_access", frame.begin_cpu_access(Usage::Read, soon()));
    expect_refused("CpuMapping::begin", mapping.begin(Usage::Read, soon()));
    expect_refused("CpuRange::begin", range.begin(Usage::Write, soon()));
    EXPECT_EQ(memory.size(), mapping.size());
    EXPECT_EQ(memory.exporter(), kSystem);
    EXPECT_TRUE(memory.is_dma_buf());
    EXPECT_EQ(memory.attachments().size(), 0U);
  }));
  EXPECT_TRUE(must(range.begin(Usage::Write, soon())).end());
}

// The turns go on in the parent; ending them in the child would end the kernel's bracket, and tell the
// device.
TEST_F(ForkUse, TurnsOfTheParentAreNotEndedByTheChild) {
  const auto device = open("dma");
  const auto other = buffer();
  const auto memory = buffer();
  auto attachment = must(memory.attach(device, Usage::ReadWrite));
  auto unmapped = must(other.attach(device, Usage::ReadWrite));
  auto mapping = must(attachment.map(Direction::Bidirectional));
  std::optional<Access> turn(must(mapping.begin_access(Usage::Write, soon())));
  std::optional<CpuAccess> cpu(must(must(other.map_cpu()).begin(Usage::Write, soon())));
  EXPECT_TRUE(in_child([&] {
    const auto calls = kernel.calls().size();
    const auto logged = log.entries().size();
    expect_refused("Access::end", turn->end());
    expect_refused("CpuAccess::end", cpu->end());
    expect_refused("begin_access", mapping.begin_access(Usage::Read, soon()));
    expect_refused("map", unmapped.map(Direction::Bidirectional));
    expect_refused("try_map", unmapped.try_map(Direction::Bidirectional));
    turn.reset();
    cpu.reset();
    { const Mapping gone = std::move(mapping); }
    { const Attachment gone = std::move(attachment); }
    EXPECT_EQ(kernel.calls().size(), calls) << "the kernel was told something";
    EXPECT_EQ(log.entries().size(), logged) << "nothing was lost";
  }));
  EXPECT_TRUE(fails_with(mapping.begin_access(Usage::Write, soon()), Errc::Busy));
  EXPECT_TRUE(turn->end());
  EXPECT_TRUE(cpu->end());
  EXPECT_TRUE(must(mapping.begin_access(Usage::Write, soon())).end());
}

TEST_F(ForkUse, ReservationsAreRefused) {
  const auto memory = buffer();
  const auto other = buffer();
  auto event = must(HostEvent::create(runtime()));
  auto slots = must(memory.reservation().reserve(1));
  const auto number = kernel.make_fence();
  const UniqueFd fence_fd(kernel.sync_file(number));
  const auto sync_file = must(SyncFile::from_fd(runtime(), fence_fd.borrow()));
  EXPECT_TRUE(in_child([&] {
    const auto reservation = memory.reservation();
    expect_refused("reserve", reservation.reserve(1));
    expect_refused("add", slots.add(event.fence(), FenceUsage::Write));
    expect_refused("copy_from", reservation.copy_from(other.reservation()));
    expect_refused("test", reservation.test(Usage::Read));
    expect_refused("test of a FenceUsage", reservation.test(FenceUsage::Write));
    expect_refused("wait", reservation.wait(Usage::Read, Deadline::never()));
    expect_refused("wait of a FenceUsage", reservation.wait(FenceUsage::Write, Deadline::never()));
    expect_refused("readiness", reservation.readiness(Usage::Read));
    expect_refused("export_sync_file", reservation.export_sync_file(Usage::Read, soon()));
    expect_refused("export_from_kernel", reservation.export_from_kernel(FenceUsage::Write));
    expect_refused("import_into_kernel", reservation.import_into_kernel(sync_file, FenceUsage::Write));
    EXPECT_EQ(reservation.fences().size(), 0U);
    reservation.prune();
  }));
  EXPECT_TRUE(must(memory.reservation().test(Usage::Write))) << "the child put nothing there";
  EXPECT_TRUE(slots.add(event.fence(), FenceUsage::Write));
  EXPECT_TRUE(event.signal());
  kernel.signal(number);
}

TEST_F(ForkUse, FencesAndEventsAreRefused) {
  std::optional<HostEvent> event(must(HostEvent::create(runtime())));
  std::optional<HostTimeline> timeline(must(HostTimeline::create(runtime())));
  const auto fence = event->fence();
  const auto point = must(timeline->point(2));
  const auto other_process = must(fence.dup_event());
  const auto number = kernel.make_fence();
  const UniqueFd fence_fd(kernel.sync_file(number));
  const auto of_kernel = must(Fence::from_sync_file(runtime(), fence_fd.borrow()));
  EXPECT_TRUE(in_child([&] {
    for (const auto& each : {fence, point, of_kernel}) {
      expect_refused("wait", each.wait(Deadline::never()));
      expect_refused("readiness", each.readiness());
      expect_refused("dup_sync_file", each.dup_sync_file());
      expect_refused("dup_event", each.dup_event());
      EXPECT_EQ(each.status(), FenceStatus::Pending);
      EXPECT_EQ(each.error(), 0);
      EXPECT_FALSE(each.signalled_at());
      const auto id = each.add_callback([](int) {});
      EXPECT_TRUE(id && each.remove_callback(*id));
    }
    const std::array both{fence, point};
    expect_refused("merge", Fence::merge(both));
    expect_refused("point", timeline->point(3));
    expect_refused("HostTimeline::signal", timeline->signal(2));
    expect_refused("HostEvent::signal", event->signal());
    timeline.reset();
    event.reset();
  }));
  EXPECT_FALSE(readable(other_process.borrow())) << "the child's end is not the event's";
  EXPECT_EQ(fence.status(), FenceStatus::Pending);
  EXPECT_TRUE(event->signal());
  EXPECT_TRUE(readable(other_process.borrow()));
  EXPECT_TRUE(timeline->signal(2));
  EXPECT_TRUE(point.wait(Deadline::now()));
  kernel.signal(number);
}

// The file description is shared, so that what the child did to a syncobj would be done to the parent's.
TEST_F(ForkUse, KernelTimelinesAreRefused) {
  constexpr const char* kNode = "/dev/dri/renderD128";
  const FakeSyncobjCard card(kernel, kNode);
  std::optional<SyncobjTimeline> line(must(SyncobjTimeline::create(runtime(), kNode)));
  const auto number = kernel.make_fence();
  const UniqueFd fence_fd(kernel.sync_file(number));
  const auto sync_file = must(SyncFile::from_fd(runtime(), fence_fd.borrow()));
  EXPECT_TRUE(in_child([&] {
    const auto calls = kernel.calls().size();
    expect_refused("create", SyncobjTimeline::create(runtime(), kNode));
    expect_refused("create over", SyncobjTimeline::create(runtime(), line->node()));
    expect_refused("adopt", SyncobjTimeline::adopt(runtime(), line->node(), line->handle()));
    expect_refused("value", line->value());
    expect_refused("submitted", line->submitted());
    expect_refused("point", line->point(1));
    expect_refused("signal", line->signal(1));
    expect_refused("import_sync_file", line->import_sync_file(sync_file, 1));
    expect_refused("export_sync_file", line->export_sync_file(1));
    line.reset();
    EXPECT_EQ(kernel.calls().size(), calls) << "the kernel was told something";
  }));
  EXPECT_EQ(must(line->value()), 0U);
  EXPECT_TRUE(line->signal(1));
  kernel.signal(number);
}

TEST_F(ForkUse, PoolsAreRefused) {
  auto pool = must(runtime().negotiate(FrameDesc::bytes(kPage)).allocate(2));
  std::optional<FrameLease> lease(must(pool.acquire(Deadline::now())));
  EXPECT_TRUE(in_child([&] {
    expect_refused("acquire", pool.acquire(Deadline::never()));
    EXPECT_EQ(pool.size(), 2U);
    EXPECT_FALSE(pool.plan().object_sizes.empty());
    EXPECT_EQ(pool.frame(0).index(), 0U);
    lease.reset();
  }));
  const auto second = must(pool.acquire(Deadline::now()));
  EXPECT_NE(second->index(), (*lease)->index()) << "the child gave nothing back";
  EXPECT_TRUE(fails_with(pool.acquire(Deadline::now()), Errc::TimedOut));
}

TEST_F(ForkUse, ExportersAreReleasedByTheParentAlone) {
  int releases = 0;
  const auto& table = *kernel.syscalls();
  UniqueFd pages(table.memfd_create(table.context, "pages", 1U));  // MFD_CLOEXEC
  ASSERT_EQ(::ftruncate(pages.get(), kPage), 0);
  std::optional<DmaBuf> memory(must(DmaBuf::create(
      runtime(), {.exporter = std::make_unique<Owner>(std::move(pages), releases), .size = kPage})));
  EXPECT_TRUE(in_child([&] {
    memory.reset();
    EXPECT_EQ(releases, 0);
  }));
  memory.reset();
  EXPECT_EQ(releases, 1);
}

TEST_F(ForkUse, ChildMakesARuntimeOfItsOwn) {
  const auto memory = buffer();
  EXPECT_TRUE(in_child([&] {
    auto own = make_runtime(kernel.syscalls());
    const auto there = must(own.allocate(kPage));
    EXPECT_TRUE(must(must(there.map_cpu()).begin(Usage::Write, soon())).end());
    auto event = must(HostEvent::create(own));
    EXPECT_TRUE(event.signal());
    EXPECT_TRUE(event.fence().wait(Deadline::now()));
    expect_refused("the parent's", memory.fd());
  }));
}

}  // namespace
}  // namespace causeway::test
