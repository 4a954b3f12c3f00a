// SPDX-License-Identifier: Apache-2.0
#include <causeway/dma_buf.hpp>
#include <causeway/exporter.hpp>
#include <causeway/runtime.hpp>

#include <fmt/format.h>

#include <utility>

#include "core/attachment_state.hpp"
#include "core/buffer_state.hpp"
#include "core/frame_state.hpp"
#include "core/runtime_state.hpp"

namespace causeway {

DmaBuf::DmaBuf(std::shared_ptr<core::BufferState> state) noexcept : state_(std::move(state)) {}

Result<DmaBuf> DmaBuf::create(Runtime& runtime, ExportInfo info, CallSite where) {
  auto state = core::BufferState::create(runtime.state(), std::move(info), where);
  if (!state) {
    return std::move(state.error());
  }
  return DmaBuf(std::move(*state));
}

Result<DmaBuf> DmaBuf::from_fd(Runtime& runtime, BorrowedFd fd, CallSite where) {
  if (fd.valid() && runtime.state()->in_own_process()) {
    if (auto known = core::BufferState::guess_of(*runtime.state(), fd)) {
      return Result<DmaBuf>(tl::in_place, std::move(known));
    }
  }
  auto state = core::BufferState::import(runtime.state(), fd, where);
  if (!state) {
    return std::move(state.error());
  }
  return DmaBuf(std::move(*state));
}

std::uint64_t DmaBuf::size() const noexcept {
  return state_->size();
}
ObjectId DmaBuf::id() const noexcept {
  return state_->id();
}
std::string DmaBuf::exporter() const {
  return state_->exporter();
}
const std::string& DmaBuf::name() const noexcept {
  return state_->name();
}
bool DmaBuf::is_dma_buf() const noexcept {
  return state_->settled() && state_->backing().is_dma_buf;
}
bool DmaBuf::read_only() const noexcept {
  return state_->read_only();
}
bool DmaBuf::has_pinnable_view() const noexcept {
  return state_->settled() && state_->backing().pinnable.valid();
}

Result<BorrowedFd> DmaBuf::fd(Deadline deadline) const {
  if (auto here = state_->runtime()->check_process("DmaBuf::fd"); !here) {
    return std::move(here.error());
  }
  // Escaped first: from then on nobody moves the storage that is about to be shown.
  state_->mark_escaped();
  if (auto settled = state_->settle(); !settled) {
    return std::move(settled.error());
  }
  if (auto handed = state_->hand_fences_to_kernel(deadline); !handed) {
    return std::move(handed.error());
  }
  return state_->backing().fd;
}

Result<UniqueFd> DmaBuf::dup_fd(Deadline deadline) const {
  auto lent = fd(deadline);
  if (!lent) {
    return std::move(lent.error());
  }
  return state_->runtime()->kernel().duplicate(*lent);
}

Result<CpuMapping> DmaBuf::map_cpu() const {
  if (auto here = state_->runtime()->check_process("DmaBuf::map_cpu"); !here) {
    return std::move(here.error());
  }
  if (state_->mapped_address() != nullptr && !state_->has(ExporterOp::MovesStorage)) {
    return Result<CpuMapping>(tl::in_place, std::shared_ptr<const core::FrameState>(state_, state_->whole()),
                              nullptr);
  }
  auto hold = state_->hold_cpu_mapping();
  if (auto address = state_->cpu_address(); !address) {
    return std::move(address.error());
  }
  return CpuMapping(std::shared_ptr<const core::FrameState>(state_, state_->whole()), std::move(hold));
}

Result<CpuRange> DmaBuf::mmap(std::uint64_t offset, std::uint64_t length) const {
  if (auto here = state_->runtime()->check_process("DmaBuf::mmap"); !here) {
    return std::move(here.error());
  }
  auto range = state_->map_range(offset, length);
  if (!range) {
    return std::move(range.error());
  }
  return CpuRange(core::FrameState::over(*this), *range);
}

Result<CpuRange> DmaBuf::map_page(std::uint64_t index) const {
  if (index >= size() / uapi::kPageSize) {
    return Error(Errc::InvalidArgument, "DmaBuf::map_page",
                 fmt::format("page {} was asked for, and buffer \"{}\" has {}", index, name(),
                             size() / uapi::kPageSize));
  }
  return mmap(index * uapi::kPageSize, uapi::kPageSize);
}

Reservation DmaBuf::reservation() const {
  return Reservation(state_);
}

std::vector<AttachmentInfo> DmaBuf::attachments() const {
  return state_->attachments();
}

Status DmaBuf::move_to(std::string_view exporter) const {
  if (auto here = state_->runtime()->check_process("DmaBuf::move_to"); !here) {
    return here;
  }
  return state_->move_to(exporter);
}

Result<Attachment> DmaBuf::attach(const Device& device, Usage usage, ImplicitSync sync) const {
  auto state = core::AttachmentState::attach(device.state(), core::FrameState::over(*this), usage, sync);
  if (!state) {
    return std::move(state.error());
  }
  return Attachment(std::move(*state));
}

}  // namespace causeway
