// SPDX-License-Identifier: Apache-2.0
// Syncobj points as they cross the plugin ABI: lent to a device that waits for them, and given by one.

#include <array>
#include <causeway/plugin/backend.hpp>
#include <memory>
#include <vector>

#include "unit/syncobj_harness.hpp"

namespace causeway::test {
namespace {

using namespace std::chrono_literals;

/// A device that waits for syncobjs by itself, as a test looks on.
class PointDevice {
public:
  struct Attachment {};
  static inline std::vector<cw_fence> lent{};    ///< what the last begin_access was given
  static inline cw_fence gives{};                ///< what the next end_access gives; kind 0: nothing
  static inline std::optional<Status> waited{};  ///< what the host's wait for a lent fence said
  static inline std::int64_t wait_until = 0;     ///< ask the host to wait for what is lent; 0: do not

  explicit PointDevice(plugin::Host host) : host_(host) {}
  static Result<std::vector<cw_device_info>> enumerate(plugin::Host /*host*/) {
    std::vector<cw_device_info> all(1);
    EXPECT_TRUE(describe(all.front()));
    return all;
  }
  static Result<std::unique_ptr<PointDevice>> open(plugin::Host host, const cw_open_info& /*info*/) {
    return std::make_unique<PointDevice>(host);
  }
  static Status info(cw_device_info& out) { return describe(out); }
  static Status describe(cw_device_info& out) {
    out = plugin::sized<cw_device_info>();
    plugin::copy_text(out.id, "points");
    plugin::copy_text(out.name, "points");
    out.capabilities = CW_CAP_IMPORTS_DMA_BUF | CW_CAP_WAITS_SYNCOBJ;
    return {};
  }
  static Status query_constraints(const cw_image_desc& /*image*/, std::uint32_t /*usage*/,
                                  cw_constraints& /*out*/) {
    return {};
  }
  static Result<std::unique_ptr<Attachment>> attach(const cw_attach_info& /*info*/) {
    return std::make_unique<Attachment>();
  }
  static Status map(Attachment& /*of*/, cw_direction /*direction*/, cw_mapping& out) {
    out.native_interface = "none";
    out.import_path = "dma-buf";
    return {};
  }
  static void unmap(Attachment& /*of*/) {}
  Status begin_access(Attachment& /*of*/, const cw_access_begin& begin) const {
    lent.assign(begin.waits, begin.waits + begin.wait_count);
    waited.reset();
    if (wait_until != 0) {
      waited.emplace(host_.wait_fence(lent.at(0), wait_until));
    }
    return {};
  }
  static Status end_access(Attachment& /*of*/, cw_access_end& end) {
    end.signal_count = gives.kind != CW_FENCE_NONE ? 1 : 0;
    end.signals[0] = std::exchange(gives, cw_fence{});
    return {};
  }
  static const void* get_interface(std::string_view /*name*/) { return nullptr; }

private:
  plugin::Host host_;
};

const cw_backend* point_backend(std::uint32_t /*host_version*/) {
  static const cw_backend kTable = plugin::make_table<PointDevice>("points", "Waits for syncobjs");
  return &kTable;
}

class SyncobjDevice : public SyncobjTest {
protected:
  void SetUp() override {
    SyncobjTest::SetUp();
    PointDevice::lent.clear();
    PointDevice::gives = {};
    PointDevice::wait_until = 0;
    host_.emplace(must(Runtime::create({.syscalls = kernel.syscalls(),
                                        .backends = {&point_backend},
                                        .builtin_backends = false,
                                        .log = [](LogLevel, std::string_view) {}})));
    memory_.emplace(must(host_->allocate(kPage, kSystem)));
    attachment_.emplace(must(memory_->attach(must(host_->open_device("points", {})), Usage::ReadWrite)));
    mapping_ = must(attachment_->map(Direction::Bidirectional));
  }
  void TearDown() override {
    mapping_ = Mapping();
    attachment_.reset();
    memory_.reset();
    host_.reset();
    SyncobjTest::TearDown();
  }
  /// A fence of the kernel's at a point of a timeline of host_.
  SyncobjTimeline pending_line(const FakeFence& fence, std::uint64_t point) {
    auto line = must(SyncobjTimeline::create(*host_, kCard));
    const UniqueFd fd(kernel.sync_file(fence));
    EXPECT_TRUE(line.import_sync_file(must(SyncFile::from_fd(*host_, fd.borrow())), point));
    return line;
  }

  std::optional<Runtime> host_;
  std::optional<DmaBuf> memory_;
  std::optional<Attachment> attachment_;
  Mapping mapping_;
};

TEST_F(SyncobjDevice, IsLentNodeHandleAndPoint) {
  const auto fence = kernel.make_fence();
  const auto line = pending_line(fence, 9);
  auto access = must(mapping_.begin_access(Usage::Write, std::array{must(line.point(9))}, Deadline::now()));
  ASSERT_EQ(PointDevice::lent.size(), 1U);
  const auto& lent = PointDevice::lent.front();
  EXPECT_EQ(lent.kind, std::uint32_t{CW_FENCE_SYNCOBJ_POINT});
  EXPECT_EQ(lent.fd, line.node().get());
  EXPECT_EQ(lent.handle, line.handle());
  EXPECT_EQ(lent.value, 9U);
  EXPECT_EQ(host_->counters().cpu_waits, 0U) << "the device waits by itself";
  kernel.signal(fence);
  EXPECT_TRUE(access.end());
}

TEST_F(SyncobjDevice, TheHostWaitsForALentPointOnRequest) {
  const auto fence = kernel.make_fence();
  const auto line = pending_line(fence, 9);
  PointDevice::wait_until = 1;  // long past: to look only
  {
    auto access = must(mapping_.begin_access(Usage::Write, std::array{must(line.point(9))}, Deadline::now()));
    ASSERT_TRUE(PointDevice::waited);
    EXPECT_TRUE(fails_with(*PointDevice::waited, Errc::TimedOut));
    EXPECT_TRUE(access.end());
  }
  kernel.signal(fence);
  EXPECT_EQ(must(line.point(9)).status(), FenceStatus::Signalled);
}

TEST_F(SyncobjDevice, APointThatItGivesIsWaitedFor) {
  const auto fence = kernel.make_fence();
  const auto line = pending_line(fence, 5);
  auto given = plugin::sized<cw_fence>();
  given.kind = CW_FENCE_SYNCOBJ_POINT;
  given.fd =
      ::fcntl(line.node().get(), F_DUPFD_CLOEXEC, 0);  // a descriptor that goes out belongs to the host
  given.handle = line.handle();
  given.value = 5;
  PointDevice::gives = given;
  auto access = must(mapping_.begin_access(Usage::Write, Deadline::now()));
  const auto signals = must(access.end());
  ASSERT_EQ(signals.size(), 1U);
  EXPECT_EQ(signals.front().kind(), FenceKind::SyncobjPoint);
  EXPECT_EQ(signals.front().sequence(), 5U);
  const auto view = must(memory_->map_cpu());
  EXPECT_TRUE(fails_with(view.begin(Usage::Read, Deadline::in(5ms)), Errc::TimedOut));
  kernel.signal(fence);
  auto reading = view.begin(Usage::Read, Deadline::in(1s));
  ASSERT_TRUE(reading) << reading.error().message();
  EXPECT_TRUE(reading->end());
}

TEST_F(SyncobjDevice, ABinarySyncobjIsTakenAsItIsNow) {
  const auto fence = kernel.make_fence();
  const UniqueFd node(open_card());
  const auto handle = foreign_syncobj(node);
  const UniqueFd file(kernel.sync_file(fence));
  drm_syncobj_handle import{};
  import.handle = handle;
  import.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE;
  import.fd = file.get();
  ASSERT_EQ(ioctl(node, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &import), 0);
  auto given = plugin::sized<cw_fence>();
  given.kind = CW_FENCE_SYNCOBJ_POINT;
  given.fd = ::fcntl(node.get(), F_DUPFD_CLOEXEC, 0);
  given.handle = handle;
  PointDevice::gives = given;
  auto access = must(mapping_.begin_access(Usage::Read, Deadline::now()));
  const auto signals = must(access.end());
  ASSERT_EQ(signals.size(), 1U);
  EXPECT_EQ(signals.front().status(), FenceStatus::Pending);
  drm_syncobj_destroy destroy{};
  destroy.handle = handle;
  ASSERT_EQ(ioctl(node, DRM_IOCTL_SYNCOBJ_DESTROY, &destroy), 0);
  kernel.signal(fence);
  EXPECT_EQ(signals.front().status(), FenceStatus::Signalled);
}

TEST_F(SyncobjDevice, APointWithoutANodeIsRefused) {
  PointDevice::gives = plugin::sized<cw_fence>();
  PointDevice::gives.kind = CW_FENCE_SYNCOBJ_POINT;
  PointDevice::gives.fd = -1;
  PointDevice::gives.value = 1;
  auto access = must(mapping_.begin_access(Usage::Read, Deadline::now()));
  EXPECT_TRUE(fails_with(access.end(), Errc::Internal, {"points"}));
}

}  // namespace
}  // namespace causeway::test
