// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <drm.h>
#include <fcntl.h>
#include <poll.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "support/fake_calls.hpp"
#include "support/fake_syncobj.hpp"
#include "unit/core_harness.hpp"

namespace causeway::test {

inline constexpr const char* kCard = "/dev/dri/renderD128";

/// A runtime on a fake kernel with a card that has syncobjs.
class SyncobjTest : public CoreTest {
protected:
  UniqueFd open_card() {
    return UniqueFd(kernel.syscalls()->open(kernel.syscalls()->context, kCard, O_RDWR | O_CLOEXEC));
  }
  SyncobjTimeline timeline() { return must(SyncobjTimeline::create(runtime(), kCard)); }
  /// A sync_file of the fence, as a driver hands it out.
  SyncFile sync_file(const FakeFence& fence) {
    const UniqueFd fd(kernel.sync_file(fence));
    return must(SyncFile::from_fd(runtime(), fd.borrow()));
  }
  int ioctl(const UniqueFd& fd, unsigned long request, void* argument) {
    return kernel.syscalls()->ioctl(kernel.syscalls()->context, fd.get(), request, argument);
  }
  /// A syncobj that the program made itself.
  std::uint32_t foreign_syncobj(const UniqueFd& node) {
    drm_syncobj_create request{};
    EXPECT_EQ(ioctl(node, DRM_IOCTL_SYNCOBJ_CREATE, &request), 0);
    return request.handle;
  }
  /// Past all checks of ours, as another user of the syncobj would.
  int signal_past_us(const UniqueFd& node, std::uint32_t handle, std::uint64_t point) {
    drm_syncobj_timeline_array request{};
    request.handles = reinterpret_cast<std::uintptr_t>(&handle);
    request.points = reinterpret_cast<std::uintptr_t>(&point);
    request.count_handles = 1;
    return ioctl(node, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &request);
  }
  static bool shows(const Pollable& pollable, std::chrono::milliseconds within = {}) {
    pollfd entry{.fd = pollable.fd.get(), .events = pollable.events, .revents = 0};
    return ::poll(&entry, 1, static_cast<int>(within.count())) == 1;
  }

  FakeSyncobjCard card{kernel, kCard};
};

}  // namespace causeway::test
