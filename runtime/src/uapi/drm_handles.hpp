// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "uapi/drm.hpp"

namespace causeway::uapi {

class GemHandles;

/// One reference to a GEM handle; the last one closes it. Keeps the file description open. Threads:
/// reentrant.
class GemHandle {
public:
  GemHandle(GemHandle&& other) noexcept = default;
  GemHandle& operator=(GemHandle&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  GemHandle(const GemHandle&) = delete;
  GemHandle& operator=(const GemHandle&) = delete;
  ~GemHandle();

  [[nodiscard]] std::uint32_t get() const noexcept { return handle_; }

private:
  friend class GemHandles;
  GemHandle(std::shared_ptr<GemHandles> owner, std::uint32_t handle) noexcept
      : owner_(std::move(owner)), handle_(handle) {}

  std::shared_ptr<GemHandles> owner_;
  std::uint32_t handle_;
};

/// The GEM handles of one file description of a DRM node, counted.
///
/// The kernel counts nothing here: importing a dma-buf twice on one description answers the same handle
/// twice, and closing it once closes it for both users (drm_prime.c, drm_gem_prime_fd_to_handle). So
/// everything that shares a description takes its handles from one object of this class.
///
/// Threads: thread-safe.
class GemHandles : public std::enable_shared_from_this<GemHandles> {
public:
  /// kernel must outlive it.
  [[nodiscard]] static std::shared_ptr<GemHandles> over(const Kernel& kernel, UniqueFd node);

  /// Opens the node for this object alone. Errors: those of open_drm_node.
  [[nodiscard]] static Result<std::shared_ptr<GemHandles>> open(const Kernel& kernel,
                                                                const std::string& path);

  struct Dumb {
    GemHandle handle;
    std::uint64_t size;
  };
  /// Errors: those of create_dumb.
  [[nodiscard]] Result<Dumb> make_dumb(std::uint64_t size);
  /// Errors: those of import_gem.
  [[nodiscard]] Result<GemHandle> import(BorrowedFd dma_buf);
  /// Errors: those of export_gem.
  [[nodiscard]] Result<UniqueFd> export_fd(const GemHandle& handle) const;

  /// References to this handle now.
  [[nodiscard]] std::size_t count(std::uint32_t handle) const;

private:
  friend class GemHandle;
  GemHandles(const Kernel& kernel, UniqueFd node) noexcept : kernel_(kernel), node_(std::move(node)) {}

  [[nodiscard]] GemHandle add(std::uint32_t handle);
  void drop(std::uint32_t handle) noexcept;

  const Kernel& kernel_;
  UniqueFd node_;
  // Held over the ioctls too: between the answer to an import and its being counted, another user's last
  // reference must not close the handle.
  mutable std::mutex mutex_;
  std::map<std::uint32_t, std::size_t> counts_;
};

}  // namespace causeway::uapi
