// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "uapi/kernel.hpp"

namespace causeway::uapi {

inline constexpr const char* kDriDirectory = "/dev/dri";

/// The paths of the card nodes ("/dev/dri/card0"); none where the kernel has no graphics driver.
[[nodiscard]] std::vector<std::string> list_card_nodes(const Kernel& kernel);
/// Those of the render nodes ("/dev/dri/renderD128"): a driver's 3D part, without its displays.
[[nodiscard]] std::vector<std::string> list_render_nodes(const Kernel& kernel);

/// Opens a node: a new file description, with GEM handles of its own. The kernel makes whoever opens a card
/// node first its DRM master; that is given up at once, so that a display server can still start. Errors:
/// NotFound, Permission (it names the group to join), OutOfFds.
[[nodiscard]] Result<UniqueFd> open_drm_node(const Kernel& kernel, const std::string& path);

struct DumbBuffer {
  std::uint32_t handle = 0;  ///< GEM handle of the description that it was made on
  std::uint64_t size = 0;    ///< bytes; what was asked for or more
};

/// DRM_IOCTL_MODE_CREATE_DUMB: memory that the driver can show, made without its 3D part. No master is
/// needed. Errors: Unsupported (a driver without dumb buffers), Permission (a render node), OutOfMemory.
[[nodiscard]] Result<DumbBuffer> create_dumb(const Kernel& kernel, BorrowedFd node, std::uint64_t size);

/// DRM_IOCTL_PRIME_HANDLE_TO_FD, readable and writable. The dma-buf keeps the memory when the handle is
/// closed.
[[nodiscard]] Result<UniqueFd> export_gem(const Kernel& kernel, BorrowedFd node, std::uint32_t handle);

/// DRM_IOCTL_PRIME_FD_TO_HANDLE. A dma-buf that this description knows already gets the handle that it has:
/// see GemHandles, which counts.
[[nodiscard]] Result<std::uint32_t> import_gem(const Kernel& kernel, BorrowedFd node, BorrowedFd dma_buf);

/// DRM_IOCTL_GEM_CLOSE. It fails only for a handle that is none.
void close_gem(const Kernel& kernel, BorrowedFd node, std::uint32_t handle) noexcept;

}  // namespace causeway::uapi
