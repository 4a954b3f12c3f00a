// SPDX-License-Identifier: Apache-2.0
#include "vgem_fence.hpp"

#include <drm.h>
#include <drm_mode.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>

#include <array>
#include <cstdint>

#include "suite.hpp"

namespace causeway::bench {
namespace {

// Of the kernel's include/uapi/drm/vgem_drm.h, which not every system installs.
struct VgemFenceAttach {
  std::uint32_t handle;
  std::uint32_t flags;
  std::uint32_t out_fence;
  std::uint32_t pad;
};
constexpr std::uint32_t kFenceWrite = 1;
struct VgemFenceSignal {
  std::uint32_t fence;
  std::uint32_t flags;
};
constexpr unsigned long kAttach = DRM_IOWR(DRM_COMMAND_BASE + 0x1, VgemFenceAttach);
constexpr unsigned long kSignal = DRM_IOW(DRM_COMMAND_BASE + 0x2, VgemFenceSignal);

UniqueFd open_card() {
  for (int i = 0; i < 8; ++i) {
    UniqueFd card(::open(("/dev/dri/card" + std::to_string(i)).c_str(), O_RDWR | O_CLOEXEC));
    std::array<char, 16> name{};
    drm_version version{};
    version.name = name.data();
    version.name_len = name.size() - 1;
    if (card.valid() && ::ioctl(card.get(), DRM_IOCTL_VERSION, &version) == 0 &&
        std::string(name.data()) == "vgem") {
      return card;
    }
  }
  return {};
}

}  // namespace

std::string VgemFence::missing() {
  return open_card().valid() ? std::string()
                             : "No card of the module vgem, whose fences stay pending, can be opened here.";
}

VgemFence::VgemFence() : card_(open_card()) {
  drm_mode_create_dumb dumb{};
  dumb.width = 64;
  dumb.height = 64;
  dumb.bpp = 32;
  require(::ioctl(card_.get(), DRM_IOCTL_MODE_CREATE_DUMB, &dumb) == 0, "vgem made no buffer");
  drm_prime_handle prime{};
  prime.handle = dumb.handle;
  prime.flags = DRM_CLOEXEC | DRM_RDWR;
  require(::ioctl(card_.get(), DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) == 0, "vgem exported no buffer");
  const UniqueFd dma_buf(prime.fd);
  VgemFenceAttach attach{.handle = dumb.handle, .flags = kFenceWrite, .out_fence = 0, .pad = 0};
  require(::ioctl(card_.get(), kAttach, &attach) == 0, "vgem attached no fence");
  fence_ = attach.out_fence;
  dma_buf_export_sync_file request{.flags = DMA_BUF_SYNC_RW, .fd = -1};
  require(::ioctl(dma_buf.get(), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request) == 0,
          "DMA_BUF_IOCTL_EXPORT_SYNC_FILE failed");
  sync_file_.reset(request.fd);
}

VgemFence::~VgemFence() {
  VgemFenceSignal signal{.fence = fence_, .flags = 0};
  ::ioctl(card_.get(), kSignal, &signal);  // fails if it has expired meanwhile
}

}  // namespace causeway::bench
