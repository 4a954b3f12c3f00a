// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fences of the kernel's that are truly pending: vgem's, which are signalled by an ioctl. (The kernel's
// drivers/gpu/drm/vgem/vgem_fence.c: after 10 s it signals them itself, and without an error.)

#include <drm.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include <array>
#include <causeway/causeway.hpp>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace causeway::test {

// Linux' include/uapi/drm/vgem_drm.h, which Debian's libdrm does not ship.
struct VgemFenceAttach {
  std::uint32_t handle;
  std::uint32_t flags;
  std::uint32_t out_fence;
  std::uint32_t pad;
};
struct VgemFenceSignal {
  std::uint32_t fence;
  std::uint32_t flags;
};
inline constexpr std::uint32_t kVgemFenceWrite = 1;
inline constexpr unsigned long kVgemFenceAttach = DRM_IOWR(DRM_COMMAND_BASE + 0x1, VgemFenceAttach);
inline constexpr unsigned long kVgemFenceSignal = DRM_IOW(DRM_COMMAND_BASE + 0x2, VgemFenceSignal);

/// The name of the driver behind a DRM node; empty if it is none.
inline std::string drm_driver(int node) {
  std::array<char, 64> name{};
  drm_version version{};
  version.name = name.data();
  version.name_len = name.size() - 1;
  return ::ioctl(node, DRM_IOCTL_VERSION, &version) == 0 ? std::string(name.data()) : std::string();
}

/// The path of the node of that kind ("card", "renderD") and driver; none if this machine has no such.
inline std::optional<std::string> drm_node(std::string_view kind, std::string_view driver) {
  const int first = kind == "renderD" ? 128 : 0;
  for (int minor = first; minor < first + 8; ++minor) {
    auto path = "/dev/dri/" + std::string(kind) + std::to_string(minor);
    const UniqueFd node(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (node.valid() && drm_driver(node.get()) == driver) {
      return path;
    }
  }
  return std::nullopt;
}

/// vgem, opened. Its failures end a test with an exception, which GoogleTest reports.
class Vgem {
public:
  Vgem() : node_(open_node()) {}

  [[nodiscard]] static bool is_there() { return drm_node("card", "vgem").has_value(); }

  /// A buffer of vgem's own.
  [[nodiscard]] std::uint32_t make_buffer(std::uint32_t bytes = 4096) {
    drm_mode_create_dumb request{};
    request.width = bytes / 4;
    request.height = 1;
    request.bpp = 32;
    call(DRM_IOCTL_MODE_CREATE_DUMB, &request, "DRM_IOCTL_MODE_CREATE_DUMB");
    return request.handle;
  }
  [[nodiscard]] UniqueFd export_buffer(std::uint32_t handle) {
    drm_prime_handle request{};
    request.handle = handle;
    request.flags = DRM_CLOEXEC | DRM_RDWR;
    call(DRM_IOCTL_PRIME_HANDLE_TO_FD, &request, "DRM_IOCTL_PRIME_HANDLE_TO_FD");
    return UniqueFd(request.fd);
  }
  /// Another exporter's buffer: fences that are attached to it are in that one's reservation.
  [[nodiscard]] std::uint32_t import_buffer(BorrowedFd dma_buf) {
    drm_prime_handle request{};
    request.fd = dma_buf.get();
    call(DRM_IOCTL_PRIME_FD_TO_HANDLE, &request, "DRM_IOCTL_PRIME_FD_TO_HANDLE");
    return request.handle;
  }
  [[nodiscard]] std::uint32_t attach(std::uint32_t buffer, bool write) {
    VgemFenceAttach request{.handle = buffer, .flags = write ? kVgemFenceWrite : 0, .out_fence = 0, .pad = 0};
    call(kVgemFenceAttach, &request, "DRM_IOCTL_VGEM_FENCE_ATTACH");
    return request.out_fence;
  }
  /// False if it was signalled before, or has expired.
  bool signal(std::uint32_t fence) {
    VgemFenceSignal request{.fence = fence, .flags = 0};
    return ::ioctl(node_.get(), kVgemFenceSignal, &request) == 0;
  }

private:
  static UniqueFd open_node() {
    const auto path = drm_node("card", "vgem");
    return UniqueFd(path ? ::open(path->c_str(), O_RDWR | O_CLOEXEC) : -1);
  }
  void call(unsigned long request, void* argument, const char* name) {
    if (::ioctl(node_.get(), request, argument) != 0) {
      throw std::runtime_error(std::string(name) + " on vgem failed with errno " + std::to_string(errno));
    }
  }

  UniqueFd node_;
};

/// A pending fence in the reservation of a dma-buf, as a device would put it there that reads or writes.
class PendingFence {
public:
  PendingFence(BorrowedFd dma_buf, bool write) : fence_(vgem_.attach(vgem_.import_buffer(dma_buf), write)) {}
  bool signal() { return vgem_.signal(fence_); }

private:
  Vgem vgem_;  // of its own: closing it closes its handle of the buffer, too
  std::uint32_t fence_;
};

/// A sync_file that is pending until it is signalled.
class PendingSyncFile {
public:
  PendingSyncFile() : buffer_(vgem_.make_buffer()), fence_(vgem_.attach(buffer_, true)) {
    const auto dma_buf = vgem_.export_buffer(buffer_);
    dma_buf_export_sync_file request{};
    request.flags = DMA_BUF_SYNC_READ;
    request.fd = -1;
    if (::ioctl(dma_buf.get(), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request) != 0) {
      throw std::runtime_error("EXPORT_SYNC_FILE failed with errno " + std::to_string(errno));
    }
    fd_ = UniqueFd(request.fd);
  }
  [[nodiscard]] BorrowedFd fd() const { return fd_.borrow(); }
  bool signal() { return vgem_.signal(fence_); }

private:
  Vgem vgem_;
  std::uint32_t buffer_;
  std::uint32_t fence_;
  UniqueFd fd_;
};

}  // namespace causeway::test
