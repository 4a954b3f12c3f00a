// SPDX-License-Identifier: Apache-2.0
#include <causeway/dma_buf.hpp>
#include <causeway/runtime.hpp>

#include <utility>

#include "core/attachment_state.hpp"
#include "core/buffer_state.hpp"
#include "core/frame_state.hpp"
#include "core/runtime_state.hpp"

namespace causeway {

DmaBuf::DmaBuf(std::shared_ptr<core::BufferState> state) noexcept : state_(std::move(state)) {}

Result<DmaBuf> DmaBuf::from_fd(Runtime& runtime, BorrowedFd fd) {
  auto state = core::BufferState::import(runtime.state(), fd);
  if (!state) {
    return std::move(state.error());
  }
  return DmaBuf(std::move(*state));
}

std::uint64_t DmaBuf::size() const noexcept {
  return state_->storage().size;
}
ObjectId DmaBuf::id() const noexcept {
  return state_->id();
}
const std::string& DmaBuf::exporter() const noexcept {
  return state_->exporter();
}
const std::string& DmaBuf::name() const noexcept {
  return state_->name();
}
bool DmaBuf::is_dma_buf() const noexcept {
  return state_->storage().is_dma_buf;
}
bool DmaBuf::read_only() const noexcept {
  return state_->read_only();
}
bool DmaBuf::has_pinnable_view() const noexcept {
  return state_->storage().pinnable.valid();
}

BorrowedFd DmaBuf::fd() const noexcept {
  state_->mark_escaped();
  return state_->storage().fd.borrow();
}

Result<UniqueFd> DmaBuf::dup_fd() const {
  state_->mark_escaped();
  return state_->runtime()->kernel().duplicate(state_->storage().fd.borrow());
}

Result<CpuMapping> DmaBuf::map_cpu() const {
  if (auto address = state_->cpu_address(); !address) {
    return std::move(address.error());
  }
  return CpuMapping(core::FrameState::over(*this));
}

Result<Attachment> DmaBuf::attach(const Device& device, Usage usage) const {
  auto state = core::AttachmentState::attach(device.state(), core::FrameState::over(*this), usage);
  if (!state) {
    return std::move(state.error());
  }
  return Attachment(std::move(*state));
}

}  // namespace causeway
