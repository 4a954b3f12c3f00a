// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <drm.h>
#include <drm_mode.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include <causeway/fd.hpp>

namespace causeway::test {

/// A fence that is truly pending, as only a driver has them: vgem attaches one to a buffer of its own on
/// request (DRM_IOCTL_VGEM_FENCE_ATTACH), and it comes out as a sync_file. Unsignalled it expires after 10 s.
class VgemFence {
public:
  /// Empty where there is no vgem.
  static std::optional<VgemFence> create() {
    VgemFence made;
    made.card_ = open_card();
    if (!made.card_.valid() || !made.attach()) {
      return std::nullopt;
    }
    return made;
  }
  [[nodiscard]] BorrowedFd sync_file() const { return BorrowedFd(sync_file_.get()); }
  [[nodiscard]] bool pending() const {
    pollfd entry{sync_file_.get(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 0;
  }
  [[nodiscard]] bool signal() const {
    Signal request{fence_, 0};
    return ::ioctl(card_.get(), DRM_IOW(DRM_COMMAND_BASE + 0x02, Signal), &request) == 0;
  }

private:
  // vgem_drm.h of the kernel, which Debian's libdrm does not ship.
  struct Attach {
    std::uint32_t handle;
    std::uint32_t flags;  // 1: for writing
    std::uint32_t out_fence;
    std::uint32_t pad;
  };
  struct Signal {
    std::uint32_t fence;
    std::uint32_t flags;
  };

  static UniqueFd open_card() {
    for (int index = 0; index < 8; ++index) {
      UniqueFd card(::open(("/dev/dri/card" + std::to_string(index)).c_str(), O_RDWR | O_CLOEXEC));
      std::array<char, 32> name{};
      drm_version version{};
      version.name = name.data();
      version.name_len = name.size() - 1;
      if (card.valid() && ::ioctl(card.get(), DRM_IOCTL_VERSION, &version) == 0 &&
          std::strcmp(name.data(), "vgem") == 0) {
        return card;
      }
    }
    return {};
  }
  bool attach() {
    drm_mode_create_dumb dumb{};
    dumb.width = dumb.height = 32;
    dumb.bpp = 32;
    if (::ioctl(card_.get(), DRM_IOCTL_MODE_CREATE_DUMB, &dumb) != 0) {
      return false;
    }
    drm_prime_handle prime{dumb.handle, DRM_CLOEXEC | DRM_RDWR, -1};
    if (::ioctl(card_.get(), DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) != 0) {
      return false;
    }
    const UniqueFd buffer(prime.fd);
    Attach request{dumb.handle, 1, 0, 0};
    if (::ioctl(card_.get(), DRM_IOWR(DRM_COMMAND_BASE + 0x01, Attach), &request) != 0) {
      return false;
    }
    fence_ = request.out_fence;
    dma_buf_export_sync_file exported{DMA_BUF_SYNC_READ, -1};
    if (::ioctl(buffer.get(), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &exported) != 0) {
      return false;
    }
    sync_file_ = UniqueFd(exported.fd);
    return true;
  }

  UniqueFd card_;  // the fence lives no longer than this
  UniqueFd sync_file_;
  std::uint32_t fence_ = 0;
};

}  // namespace causeway::test
