// SPDX-License-Identifier: Apache-2.0
#include "uapi/drm_handles.hpp"

namespace causeway::uapi {

GemHandle::~GemHandle() {
  if (owner_ != nullptr) {
    owner_->drop(handle_);
  }
}

std::shared_ptr<GemHandles> GemHandles::over(const Kernel& kernel, UniqueFd node) {
  return std::shared_ptr<GemHandles>(new GemHandles(kernel, std::move(node)));
}

Result<std::shared_ptr<GemHandles>> GemHandles::open(const Kernel& kernel, const std::string& path) {
  auto node = open_drm_node(kernel, path);
  if (!node) {
    return std::move(node.error());
  }
  return over(kernel, std::move(*node));
}

Result<GemHandles::Dumb> GemHandles::make_dumb(std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  auto made = create_dumb(kernel_, node_.borrow(), size);
  if (!made) {
    return std::move(made.error());
  }
  return Dumb{.handle = add(made->handle), .size = made->size};
}

Result<GemHandle> GemHandles::import(BorrowedFd dma_buf) {
  const std::lock_guard lock(mutex_);
  auto handle = import_gem(kernel_, node_.borrow(), dma_buf);
  if (!handle) {
    return std::move(handle.error());
  }
  return add(*handle);
}

Result<UniqueFd> GemHandles::export_fd(const GemHandle& handle) const {
  return export_gem(kernel_, node_.borrow(), handle.get());
}

std::size_t GemHandles::count(std::uint32_t handle) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(handle);
  return found == counts_.end() ? 0 : found->second;
}

GemHandle GemHandles::add(std::uint32_t handle) {
  ++counts_[handle];
  return {shared_from_this(), handle};
}

void GemHandles::drop(std::uint32_t handle) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(handle);
  if (found != counts_.end() && --found->second == 0) {
    counts_.erase(found);
    close_gem(kernel_, node_.borrow(), handle);
  }
}

}  // namespace causeway::uapi
