// SPDX-License-Identifier: Apache-2.0
#include <causeway/reservation.hpp>

#include <fmt/format.h>
#include <poll.h>

#include <utility>

#include "core/buffer_state.hpp"
#include "core/host_fence.hpp"
#include "core/runtime_state.hpp"
#include "core/sync_file_state.hpp"
#include "uapi/sync_file.hpp"

namespace causeway {
namespace {

Error timed_out(const core::BufferState& buffer, FenceUsage usage) {
  return Error(Errc::TimedOut, "Reservation::wait",
               fmt::format("a device still {} buffer \"{}\" at the deadline",
                           usage <= FenceUsage::Write ? "writes to" : "uses", buffer.name()));
}

Error hidden_usage(const char* operation, FenceUsage usage) {
  return Error(
      Errc::Unsupported, operation,
      fmt::format("user space sees only Read and Write of a dma-buf's reservation in the kernel, and {} "
                  "was asked for; fences of this process are kept under any usage",
                  usage == FenceUsage::Kernel ? "Kernel" : "Bookkeep"));
}

Error no_kernel_reservation(const char* operation, const core::BufferState& buffer) {
  return Error(
      Errc::Unsupported, operation,
      fmt::format("buffer \"{}\" from {} is shared memory, for which the kernel keeps no fences; those "
                  "of this process are kept here",
                  buffer.name(), buffer.exporter()));
}

/// What the kernel's reservation of a settled dma-buf holds against that usage.
Result<SyncFile> export_of(const core::BufferState& buffer, Usage usage) {
  auto fd = uapi::export_sync_file(buffer.runtime()->kernel(), buffer.backing().fd, usage);
  if (!fd) {
    return std::move(fd.error());
  }
  return Result<SyncFile>(tl::in_place, std::make_shared<core::SyncFileState>(
                                            buffer.runtime(), std::move(*fd), Producer::Unknown));
}

/// What the kernel's poll and EXPORT_SYNC_FILE are asked for: none if they know nothing of that usage.
std::optional<Usage> kernel_usage(FenceUsage usage) noexcept {
  switch (usage) {
    case FenceUsage::Kernel: return {};
    case FenceUsage::Write: return Usage::Read;  // who reads waits for writers
    case FenceUsage::Read:
    case FenceUsage::Bookkeep: break;
  }
  return Usage::Write;
}

}  // namespace

FenceSlots::FenceSlots(std::shared_ptr<core::BufferState> buffer, std::size_t slots) noexcept
    : buffer_(std::move(buffer)), left_(slots) {}
FenceSlots::FenceSlots(FenceSlots&& other) noexcept
    : buffer_(std::move(other.buffer_)), left_(std::exchange(other.left_, 0)) {}

FenceSlots& FenceSlots::operator=(FenceSlots&& other) noexcept {
  // By way of a temporary, whose end gives back what this object held.
  FenceSlots taken(std::move(other));
  std::swap(buffer_, taken.buffer_);
  std::swap(left_, taken.left_);
  return *this;
}

FenceSlots::~FenceSlots() {
  if (buffer_ != nullptr) {
    buffer_->fences().unreserve(left_);
  }
}

Status FenceSlots::add(const Fence& fence, FenceUsage usage) {
  if (!fence.valid()) {
    return Error(Errc::InvalidArgument, "FenceSlots::add", "there is no fence in the object that was given");
  }
  if (left_ == 0) {
    return Error(Errc::WrongState, "FenceSlots::add",
                 "no slot is left; reserve as many as there will be fences, before the work is submitted");
  }
  if (auto here = buffer_->runtime()->check_process("FenceSlots::add"); !here) {
    return here;
  }
  --left_;
  buffer_->fences().add(fence.state(), usage);
  return {};
}

Reservation::Reservation(std::shared_ptr<core::BufferState> buffer) noexcept : buffer_(std::move(buffer)) {}

Result<FenceSlots> Reservation::reserve(std::size_t count) const {
  if (auto here = buffer_->runtime()->check_process("Reservation::reserve"); !here) {
    return std::move(here.error());
  }
  if (auto reserved = buffer_->fences().reserve(count); !reserved) {
    return std::move(reserved.error());
  }
  return FenceSlots(buffer_, count);
}

std::vector<ReservedFence> Reservation::fences(FenceUsage usage) const {
  std::vector<ReservedFence> all;
  for (const auto& entry : buffer_->fences().snapshot(usage)) {
    all.push_back({Fence(entry.fence), entry.usage});
  }
  return all;
}

Status Reservation::copy_from(const Reservation& other) const {
  if (auto here = buffer_->runtime()->check_process("Reservation::copy_from"); !here) {
    return here;
  }
  const auto entries = other.buffer_->fences().snapshot(FenceUsage::Bookkeep);
  if (auto reserved = buffer_->fences().reserve(entries.size()); !reserved) {
    return reserved;
  }
  for (const auto& entry : entries) {
    buffer_->fences().add(entry.fence, entry.usage);
  }
  return {};
}

void Reservation::prune() const {
  buffer_->fences().prune();
}

Result<bool> Reservation::test(Usage usage) const {
  return test(waits_for(usage));
}

Result<bool> Reservation::test(FenceUsage usage) const {
  if (auto here = buffer_->runtime()->check_process("Reservation::test"); !here) {
    return std::move(here.error());
  }
  if (!buffer_->settled()) {
    return true;  // nobody can have worked on storage that is not there
  }
  core::FenceRefs waits;
  buffer_->fences().collect(usage, waits);
  if (!waits.empty()) {
    return false;
  }
  const auto asked = kernel_usage(usage);
  return asked ? buffer_->poll_kernel(*asked, Deadline::now()) : true;
}

Status Reservation::wait(Usage usage, Deadline deadline) const {
  return wait(waits_for(usage), deadline);
}

Status Reservation::wait(FenceUsage usage, Deadline deadline) const {
  if (auto here = buffer_->runtime()->check_process("Reservation::wait"); !here) {
    return here;
  }
  if (!buffer_->settled()) {
    return {};
  }
  core::FenceRefs waits;
  buffer_->fences().collect(usage, waits);
  for (const auto& fence : waits) {
    auto done = fence->settle_counted(deadline);
    if (!done) {
      return std::move(done.error());
    }
    if (!*done) {
      return timed_out(*buffer_, usage);
    }
  }
  const auto asked = kernel_usage(usage);
  auto ready = asked ? buffer_->poll_kernel(*asked, Deadline::now()) : Result<bool>(true);
  if (ready && !*ready) {
    buffer_->runtime()->tally().add_cpu_wait();
    ready = buffer_->poll_kernel(*asked, deadline);
  }
  if (!ready) {
    return std::move(ready.error());
  }
  return *ready ? Status() : timed_out(*buffer_, usage);
}

Result<Pollable> Reservation::readiness(Usage usage) const {
  if (auto here = buffer_->runtime()->check_process("Reservation::readiness"); !here) {
    return std::move(here.error());
  }
  if (auto settled = buffer_->settle(); !settled) {
    return std::move(settled.error());
  }
  core::FenceRefs waits;
  buffer_->fences().collect(waits_for(usage), waits);
  if (!waits.empty()) {
    return waits.front()->readiness();
  }
  const auto& kernel = buffer_->runtime()->kernel();
  if (buffer_->backing().is_dma_buf) {
    auto fd = kernel.duplicate(buffer_->backing().fd);
    if (!fd) {
      return std::move(fd.error());
    }
    const short events = writes(usage) ? POLLOUT : POLLIN;
    return Pollable{.fd = std::move(*fd), .events = events};
  }
  auto signalled = std::make_shared<core::HostFence>(buffer_->runtime(), core::FenceState::Place(),
                                                     Producer::CacheCoherent);
  if (auto done = signalled->signal(0); !done) {
    return std::move(done.error());
  }
  return signalled->readiness();
}

Result<SyncFile> Reservation::export_sync_file(Usage usage, Deadline deadline) const {
  if (auto here = buffer_->runtime()->check_process("Reservation::export_sync_file"); !here) {
    return std::move(here.error());
  }
  if (auto settled = buffer_->settle(); !settled) {
    return std::move(settled.error());
  }
  core::FenceRefs waits;
  buffer_->fences().collect(waits_for(usage), waits);
  std::vector<Fence> fences;
  for (auto& fence : waits) {
    if (auto sync_file = SyncFile::of(Fence(fence))) {
      fences.push_back(sync_file->fence());
      continue;
    } else if (sync_file.error().code() != Errc::Unsupported) {
      return std::move(sync_file.error());
    }
    auto done = fence->settle_counted(deadline);
    if (!done) {
      return std::move(done.error());
    }
    if (!*done) {
      return timed_out(*buffer_, waits_for(usage));
    }
  }
  if (buffer_->backing().is_dma_buf) {
    auto kernel = export_of(*buffer_, usage);
    if (!kernel || fences.empty()) {
      return kernel;
    }
    fences.push_back(kernel->fence());
  }
  auto merged = Fence::merge(fences);
  if (!merged) {
    return std::move(merged.error());
  }
  if (!merged->valid()) {
    return no_kernel_reservation("Reservation::export_sync_file", *buffer_);
  }
  return SyncFile::of(*merged);
}

Result<SyncFile> Reservation::export_from_kernel(FenceUsage usage) const {
  if (auto here = buffer_->runtime()->check_process("Reservation::export_from_kernel"); !here) {
    return std::move(here.error());
  }
  if (usage == FenceUsage::Kernel || usage == FenceUsage::Bookkeep) {
    return hidden_usage("Reservation::export_from_kernel", usage);
  }
  if (auto settled = buffer_->settle(); !settled) {
    return std::move(settled.error());
  }
  if (!buffer_->backing().is_dma_buf) {
    return no_kernel_reservation("Reservation::export_from_kernel", *buffer_);
  }
  return export_of(*buffer_, usage == FenceUsage::Write ? Usage::Read : Usage::Write);
}

Status Reservation::import_into_kernel(const SyncFile& fence, FenceUsage usage) const {
  if (auto here = buffer_->runtime()->check_process("Reservation::import_into_kernel"); !here) {
    return here;
  }
  if (usage == FenceUsage::Kernel || usage == FenceUsage::Bookkeep) {
    return hidden_usage("Reservation::import_into_kernel", usage);
  }
  if (auto settled = buffer_->settle(); !settled) {
    return settled;
  }
  if (!buffer_->backing().is_dma_buf) {
    return no_kernel_reservation("Reservation::import_into_kernel", *buffer_);
  }
  // From now on the kernel's reservation holds what this process does not know of.
  buffer_->mark_escaped();
  return uapi::import_sync_file(buffer_->runtime()->kernel(), buffer_->backing().fd, fence.fd(),
                                usage == FenceUsage::Write ? Usage::Write : Usage::Read);
}

}  // namespace causeway
