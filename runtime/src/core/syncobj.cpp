// SPDX-License-Identifier: Apache-2.0
#include <causeway/syncobj.hpp>

#include <causeway/runtime.hpp>

#include <utility>

#include "core/runtime_state.hpp"
#include "core/sync_file_state.hpp"
#include "core/syncobj_fence.hpp"

namespace causeway {
namespace {

Result<SyncobjTimeline> over(Result<std::shared_ptr<core::SyncobjState>> state) {
  if (!state) {
    return std::move(state.error());
  }
  return SyncobjTimeline(std::move(*state));
}

}  // namespace

SyncobjTimeline::SyncobjTimeline(std::shared_ptr<core::SyncobjState> state) noexcept
    : state_(std::move(state)) {}

Result<SyncobjTimeline> SyncobjTimeline::create(Runtime& runtime, const std::string& path) {
  return over(core::SyncobjState::create(runtime.state(), path));
}

Result<SyncobjTimeline> SyncobjTimeline::create(Runtime& runtime, BorrowedFd node) {
  return over(core::SyncobjState::create(runtime.state(), node));
}

Result<SyncobjTimeline> SyncobjTimeline::adopt(Runtime& runtime, BorrowedFd node, std::uint32_t handle) {
  return over(core::SyncobjState::adopt(runtime.state(), node, handle));
}

std::uint64_t SyncobjTimeline::context() const noexcept {
  return state_->context();
}
Result<std::uint64_t> SyncobjTimeline::value() const {
  return state_->value();
}
Result<std::uint64_t> SyncobjTimeline::submitted() const {
  return state_->submitted();
}

Result<Fence> SyncobjTimeline::point(std::uint64_t value) const {
  auto fence = state_->point(value);
  if (!fence) {
    return std::move(fence.error());
  }
  return Fence(std::move(*fence));
}

Status SyncobjTimeline::signal(std::uint64_t value) const {
  return state_->signal(value);
}

Status SyncobjTimeline::import_sync_file(const SyncFile& fence, std::uint64_t value) const {
  return state_->import_sync_file(fence.fd(), value);
}

Result<SyncFile> SyncobjTimeline::export_sync_file(std::uint64_t value) const {
  auto fence = point(value);
  if (!fence) {
    return std::move(fence.error());
  }
  return SyncFile::of(*fence);
}

BorrowedFd SyncobjTimeline::node() const noexcept {
  return state_->node();
}
std::uint32_t SyncobjTimeline::handle() const noexcept {
  return state_->handle();
}

}  // namespace causeway
