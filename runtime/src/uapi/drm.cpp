// SPDX-License-Identifier: Apache-2.0
#include "uapi/drm.hpp"

#include <drm.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace causeway::uapi {
namespace {

std::vector<std::string> list_nodes(const Kernel& kernel, std::string_view prefix) {
  std::vector<std::string> nodes;
  auto names = kernel.list_directory(kDriDirectory);
  if (!names) {
    return nodes;  // a kernel without graphics drivers has no such directory
  }
  for (const auto& name : *names) {
    if (name.starts_with(prefix)) {
      nodes.push_back(fmt::format("{}/{}", kDriDirectory, name));
    }
  }
  return nodes;
}

/// A row of a dumb buffer: a page. In pixels of 32 bits, since virtio-gpu takes no others.
constexpr std::uint32_t kBitsPerPixel = 32;
constexpr std::uint32_t kRowPixels = kPageSize * 8 / kBitsPerPixel;
/// What any driver takes for a height; longer buffers get longer rows.
constexpr std::uint64_t kMostRows = 8192;
constexpr std::uint64_t kMostPixels = 1ULL << 24U;

}  // namespace

std::vector<std::string> list_card_nodes(const Kernel& kernel) {
  return list_nodes(kernel, "card");
}

std::vector<std::string> list_render_nodes(const Kernel& kernel) {
  return list_nodes(kernel, "renderD");
}

Result<UniqueFd> open_drm_node(const Kernel& kernel, const std::string& path) {
  auto node = kernel.open(path, O_RDWR);
  if (!node) {
    if (node.error().code() == Errc::Permission) {
      const bool render = path.find("renderD") != std::string::npos;
      return std::move(node.error())
          .within(fmt::format("this user may not use the graphics card: join the group {}",
                              render ? "render" : "video (card nodes)"));
    }
    return std::move(node.error());
  }
  // Refused to all who are not master, and on render nodes: nothing was to be given up then.
  static_cast<void>(kernel.ioctl(node->borrow(), DRM_IOCTL_DROP_MASTER, nullptr));
  return node;
}

Result<DumbBuffer> create_dumb(const Kernel& kernel, BorrowedFd node, std::uint64_t size) {
  std::uint64_t pixels = kRowPixels;
  while (size > pixels * (kBitsPerPixel / 8) * kMostRows && pixels < kMostPixels) {
    pixels *= 2;
  }
  const std::uint64_t row = pixels * (kBitsPerPixel / 8);
  const std::uint64_t rows = (size + row - 1) / row;
  if (rows > kMostRows) {
    return Error(Errc::InvalidArgument, "DRM_IOCTL_MODE_CREATE_DUMB",
                 fmt::format("{} bytes are too many for a dumb buffer, which has {} at most", size,
                             kMostPixels * (kBitsPerPixel / 8) * kMostRows));
  }
  drm_mode_create_dumb request{};
  request.width = static_cast<std::uint32_t>(pixels);
  request.height = static_cast<std::uint32_t>(rows);
  request.bpp = kBitsPerPixel;
  if (const int result = kernel.ioctl(node, DRM_IOCTL_MODE_CREATE_DUMB, &request); result < 0) {
    auto detail = fmt::format("a dumb buffer of {} bytes ({}x{} pixels of {} bits) was refused", size,
                              request.width, request.height, kBitsPerPixel);
    if (result == -ENOSYS || result == -EOPNOTSUPP) {
      detail += "; this driver has no dumb buffers, as drivers without a display have none";
    } else if (result == -EACCES) {
      detail += "; they are had on card nodes, and never on render nodes";
    }
    return system_error("DRM_IOCTL_MODE_CREATE_DUMB", std::move(detail), -result);
  }
  return DumbBuffer{.handle = request.handle, .size = request.size};
}

Result<UniqueFd> export_gem(const Kernel& kernel, BorrowedFd node, std::uint32_t handle) {
  drm_prime_handle request{};
  request.handle = handle;
  request.flags = DRM_CLOEXEC | DRM_RDWR;
  request.fd = -1;
  if (const int result = kernel.ioctl(node, DRM_IOCTL_PRIME_HANDLE_TO_FD, &request); result < 0) {
    return system_error("DRM_IOCTL_PRIME_HANDLE_TO_FD",
                        fmt::format("GEM handle {} could not be exported as a dma-buf", handle), -result);
  }
  return UniqueFd(request.fd);
}

Result<std::uint32_t> import_gem(const Kernel& kernel, BorrowedFd node, BorrowedFd dma_buf) {
  drm_prime_handle request{};
  request.fd = dma_buf.get();
  if (const int result = kernel.ioctl(node, DRM_IOCTL_PRIME_FD_TO_HANDLE, &request); result < 0) {
    return system_error("DRM_IOCTL_PRIME_FD_TO_HANDLE",
                        fmt::format("the card refused the dma-buf of descriptor {}", dma_buf.get()), -result);
  }
  return request.handle;
}

void close_gem(const Kernel& kernel, BorrowedFd node, std::uint32_t handle) noexcept {
  drm_gem_close request{};
  request.handle = handle;
  static_cast<void>(kernel.ioctl(node, DRM_IOCTL_GEM_CLOSE, &request));
}

}  // namespace causeway::uapi
