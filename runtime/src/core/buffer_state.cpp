// SPDX-License-Identifier: Apache-2.0
#include "core/buffer_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/attachment_state.hpp"
#include "core/frame_state.hpp"
#include "core/runtime_state.hpp"
#include "core/storage_exporter.hpp"
#include "uapi/dma_buf.hpp"

namespace causeway::core {
namespace {

std::uint64_t next_serial() noexcept {
  static std::atomic<std::uint64_t> serial{1};
  return serial.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Result<std::shared_ptr<BufferState>> BufferState::create(std::shared_ptr<RuntimeState> runtime,
                                                         ExportInfo info, CallSite where) {
  if (auto here = runtime->check_process("DmaBuf::create"); !here) {
    return std::move(here.error());
  }
  if (info.exporter == nullptr) {
    return Error(Errc::InvalidArgument, "DmaBuf::create",
                 "there is no exporter in the ExportInfo; it owns the storage");
  }
  if (info.size == 0 || info.size % uapi::kPageSize != 0) {
    const std::uint64_t size = info.size;
    info.exporter->release();
    return Error(
        Errc::InvalidArgument, "DmaBuf::create",
        fmt::format("a buffer of {} bytes was to be exported; it is a whole number of pages of {} bytes, at "
                    "least one",
                    size, uapi::kPageSize));
  }
  auto buffer = std::make_shared<BufferState>(std::move(runtime), std::move(info), where);
  buffer->runtime_->buffers().add(buffer);
  if (!buffer->has(ExporterOp::DefersStorage)) {
    if (auto settled = buffer->settle(); !settled) {
      return std::move(settled.error());
    }
  }
  return buffer;
}

Result<std::shared_ptr<BufferState>> BufferState::adopt(std::shared_ptr<RuntimeState> runtime,
                                                        Storage storage, std::string exporter,
                                                        std::string name, CallSite where) {
  const std::uint64_t size = storage.size;
  auto buffer =
      create(std::move(runtime),
             {.exporter = std::make_unique<StorageExporter>(std::move(exporter), std::move(storage)),
              .size = size,
              .name = std::move(name)},
             where);
  if (buffer) {
    (*buffer)->from_allocator_ = true;
  }
  return buffer;
}

std::shared_ptr<BufferState> BufferState::guess_of(RuntimeState& runtime, BorrowedFd fd) noexcept {
  auto guess = runtime.buffers().guess(fd);
  auto& can_compare = runtime.kernel_compares_files();
  if (guess == nullptr || !guess->settled() || !can_compare.load(std::memory_order_relaxed)) {
    return nullptr;
  }
  // The same open file, so that it permits no more than the one that is known, and there is nothing to meet.
  const auto same = runtime.kernel().same_file(fd, guess->backing().fd);
  if (same != uapi::Kernel::SameFile::Yes) {
    if (same == uapi::Kernel::SameFile::NotKnown) {
      can_compare.store(false, std::memory_order_relaxed);
    }
    return nullptr;
  }
  guess->mark_escaped();
  return guess;
}

Result<std::shared_ptr<BufferState>> BufferState::import(const std::shared_ptr<RuntimeState>& runtime,
                                                         BorrowedFd fd, CallSite where) {
  if (auto here = runtime->check_process("DmaBuf::from_fd"); !here) {
    return std::move(here.error());
  }
  const auto& kernel = runtime->kernel();
  if (!fd.valid()) {
    return Error(Errc::InvalidArgument, "DmaBuf::from_fd",
                 fmt::format("{} is no file descriptor; a dma-buf or memfd was expected", fd.get()));
  }
  auto id = kernel.identity(fd);
  if (!id) {
    return std::move(id.error());
  }
  const auto found_again = [&](std::shared_ptr<BufferState> known) -> Result<std::shared_ptr<BufferState>> {
    known->mark_escaped();
    if (auto met = known->meet_again(fd); !met) {
      return std::move(met.error());
    }
    runtime->buffers().remember(fd, known);
    return known;
  };
  if (auto known = runtime->buffers().find(*id)) {
    return found_again(std::move(known));
  }
  auto dma_buf = uapi::is_dma_buf(kernel, fd);
  if (!dma_buf) {
    return std::move(dma_buf.error());
  }
  if (!*dma_buf) {
    // Files on disks have sizes and can be mapped, too, but no device can work on them. Asked before the
    // size, which a pipe or socket has not.
    if (auto memory = kernel.is_shared_memory(fd); !memory || !*memory) {
      return Error(Errc::InvalidArgument, "DmaBuf::from_fd",
                   fmt::format("descriptor {} is neither a dma-buf nor a memfd", fd.get()));
    }
  }
  auto size = kernel.size(fd);
  if (!size) {
    return std::move(size.error()).within("DmaBuf::from_fd takes a dma-buf or memfd");
  }
  if (*size == 0 || *size % uapi::kPageSize != 0) {
    return Error(
        Errc::InvalidArgument, "DmaBuf::from_fd",
        fmt::format("descriptor {} has {} bytes; memory to share is a whole number of pages of {} bytes, "
                    "at least one",
                    fd.get(), *size, uapi::kPageSize));
  }
  auto own = kernel.duplicate(fd);
  if (!own) {
    return std::move(own.error());
  }
  Storage storage{.fd = std::move(*own), .size = *size, .is_dma_buf = *dma_buf};
  auto exporter = std::make_unique<StorageExporter>("foreign", std::move(storage));
  auto* const foreign = exporter.get();
  auto buffer = std::make_shared<BufferState>(
      runtime, ExportInfo{.exporter = std::move(exporter), .size = *size, .name = "foreign"}, where);
  buffer->foreign_ = foreign;
  buffer->mark_escaped();
  runtime->buffers().add(buffer);
  if (auto settled = buffer->settle(); !settled) {
    // Another thread may have imported the same object in between: then theirs is the one.
    if (auto known = runtime->buffers().find(*id)) {
      return found_again(std::move(known));
    }
    return std::move(settled.error());
  }
  runtime->buffers().remember(fd, buffer);
  return buffer;
}

BufferState::BufferState(std::shared_ptr<RuntimeState> runtime, ExportInfo info, CallSite where)
    : runtime_(std::move(runtime)),
      exporter_(std::move(info.exporter)),
      size_(info.size),
      serial_(next_serial()),
      operations_(exporter_->operations()),
      name_(std::move(info.name)),
      exporter_name_(exporter_->exp_name()),
      made_at_(where) {}

BufferState::~BufferState() {
  settle_debts_at_end();
  // Before the descriptor is closed: until then no other object can have this identity.
  runtime_->buffers().forget(*this);
  drop_cpu_mapping_locked();
  if (runtime_->in_own_process()) {
    exporter_->release();  // once, and in a forked child it is the parent's to come
  }
}

Status BufferState::settle() {
  if (settled()) {
    return {};
  }
  const std::lock_guard lock(mutex_);
  return settle_locked();
}

Status BufferState::settle_locked() {
  if (settled()) {
    return {};
  }
  if (auto here = runtime_->check_process("map_dma_buf"); !here) {
    return here;
  }
  auto backing = exporter_->map_dma_buf(requests_locked(), Direction::Bidirectional);
  if (!backing) {
    return std::move(backing.error());
  }
  auto taken = take_backing(*backing);
  exporter_->unmap_dma_buf(Direction::Bidirectional);
  return taken;
}

Status BufferState::take_backing(const Backing& backing) {
  const auto& kernel = runtime_->kernel();
  if (backing.size < size_) {
    return Error(
        Errc::InvalidArgument, "map_dma_buf",
        fmt::format("exporter {} shows {} bytes for a buffer of {}", exporter_name_, backing.size, size_));
  }
  auto id = kernel.identity(backing.fd);
  if (!id) {
    return std::move(id.error()).within(fmt::format("exporter {} shows no memory", exporter_name_));
  }
  auto writable = kernel.writable(backing.fd);
  if (!writable) {
    return std::move(writable.error());
  }
  std::uint64_t unit = uapi::kPageSize;
  if (!backing.is_dma_buf && !has(ExporterOp::Mmap)) {
    auto asked = kernel.mapping_unit(backing.fd);
    if (!asked) {
      return std::move(asked.error());
    }
    unit = *asked;
  }
  if (!runtime_->buffers().settle(*this, *id)) {
    return Error(
        Errc::Busy, "map_dma_buf",
        fmt::format("exporter {} shows memory that is another DmaBuf of this runtime already; import it by "
                    "DmaBuf::from_fd",
                    exporter_name_));
  }
  backing_ = backing;
  id_ = *id;
  read_only_.store(!*writable, std::memory_order_release);
  note_plain();
  if (backing.is_dma_buf && !has(ExporterOp::CpuAccess) && runtime_->elides_sync()) {
    bars_.fetch_and(~kStorage, std::memory_order_seq_cst);
  }
  mapping_unit_ = unit;
  exporter_name_ = exporter_->exp_name();
  settled_.store(true, std::memory_order_release);
  return {};
}

Status BufferState::meet_again(BorrowedFd fd) {
  if (!read_only()) {
    return {};
  }
  const auto& kernel = runtime_->kernel();
  auto writable = kernel.writable(fd);
  if (!writable) {
    return std::move(writable.error());
  }
  const std::lock_guard lock(mutex_);
  if (!*writable || !read_only() || foreign_ == nullptr) {
    return {};
  }
  auto own = kernel.duplicate(fd);
  if (!own) {
    return std::move(own.error());
  }
  Backing better = backing_;
  better.fd = own->borrow();
  if (address_.load(std::memory_order_relaxed) != nullptr) {
    auto mapped = map_whole_locked(better, true);
    if (!mapped) {
      return std::move(mapped.error());
    }
    outlived_mapping_ = std::exchange(mapping_, std::move(*mapped));
    address_.store(mapping_.address(), std::memory_order_release);
  }
  foreign_->show_by(std::move(*own));
  writable_backing_ = better;
  shown_.store(&writable_backing_, std::memory_order_release);
  // Last: whoever finds it writable finds the rest so, too.
  read_only_.store(false, std::memory_order_release);
  note_plain();
  return {};
}

void BufferState::note_plain() noexcept {
  const bool has_brackets = backing().is_dma_buf || has(ExporterOp::CpuAccess);
  const bool for_reading = read_only_.load(std::memory_order_relaxed);
  plain_.store(has_brackets ? 0 : bits(for_reading ? Usage::Read : Usage::ReadWrite),
               std::memory_order_release);
}

std::vector<AttachmentRequest> BufferState::requests_locked() const {
  std::vector<AttachmentRequest> requests;
  requests.reserve(attachments_.size());
  for (const auto* attachment : attachments_) {
    requests.push_back(attachment->request());
  }
  return requests;
}

Status BufferState::add_attachment(AttachmentState& attachment) {
  std::unique_lock lock(mutex_);
  attachments_.reserve(attachments_.size() + 1);
  if (has(ExporterOp::Attach)) {
    if (auto welcome = exporter_->attach(attachment.request()); !welcome) {
      return welcome;
    }
  }
  attachments_.push_back(&attachment);
  if (attachment.device().has(Capability::ImplicitFences)) {
    implicit_attachments_.fetch_add(1, std::memory_order_relaxed);
    lock.unlock();  // what a turn left to be dropped may go with it, and be the last of another buffer
    bar_laziness(kImplicitFences);
  }
  return {};
}

void BufferState::remove_attachment(AttachmentState& attachment) noexcept {
  const std::lock_guard lock(mutex_);
  const auto place = std::find(attachments_.begin(), attachments_.end(), &attachment);
  if (place == attachments_.end()) {
    return;
  }
  attachments_.erase(place);
  if (attachment.device().has(Capability::ImplicitFences)) {
    implicit_attachments_.fetch_sub(1, std::memory_order_relaxed);
  }
  if (has(ExporterOp::Attach) && runtime_->in_own_process()) {
    exporter_->detach(attachment.request());
  }
}

std::vector<AttachmentInfo> BufferState::attachments() const {
  const std::lock_guard lock(mutex_);
  std::vector<AttachmentInfo> all;
  all.reserve(attachments_.size());
  for (const auto* attachment : attachments_) {
    all.push_back(attachment->describe());
  }
  return all;
}

Status BufferState::begin_mapping(Direction direction) {
  const std::lock_guard lock(mutex_);
  if (auto settled = settle_locked(); !settled) {
    return settled;
  }
  auto backing = exporter_->map_dma_buf(requests_locked(), direction);
  if (!backing) {
    return std::move(backing.error());
  }
  if (backing->fd.get() != this->backing().fd.get()) {
    exporter_->unmap_dma_buf(direction);
    return Error(Errc::Internal, "map_dma_buf",
                 fmt::format("exporter {} shows other memory than before; storage moves by move() alone",
                             exporter_name_));
  }
  ++mappings_;
  return {};
}

void BufferState::end_mapping(Direction direction) noexcept {
  const std::lock_guard lock(mutex_);
  --mappings_;
  exporter_->unmap_dma_buf(direction);
}

std::string BufferState::holders_locked() const {
  std::string holders;
  const auto add = [&](std::string_view who) { holders += (holders.empty() ? "" : ", ") + std::string(who); };
  if (mappings_ != 0) {
    add(fmt::format("{} device mapping(s)", mappings_));
  }
  if (cpu_holds_ != 0 || ranges_ != 0) {
    add(fmt::format("{} CPU mapping(s)", cpu_holds_ + ranges_));
  }
  if (!access_.idle()) {
    add("a turn that has not ended");
  }
  if (escaped()) {
    add("its descriptor, which was given out");
  }
  return holders;
}

Status BufferState::move_to(std::string_view exporter) {
  if (auto paid = pay_debts(); !paid) {  // at the place that they are owed to
    return paid;
  }
  const std::lock_guard lock(mutex_);
  if (!has(ExporterOp::MovesStorage)) {
    return Error(Errc::Unsupported, "DmaBuf::move_to",
                 fmt::format("buffer \"{}\" from {} stays where it is; only deferred buffers move", name_,
                             exporter_name_));
  }
  if (const auto holders = holders_locked(); !holders.empty()) {
    return Error(Errc::Busy, "DmaBuf::move_to",
                 fmt::format("buffer \"{}\" cannot be moved; its place is held by {}", name_, holders));
  }
  if (settled()) {
    if (auto idle = fences_done(Usage::Write); !idle) {
      return std::move(idle.error());
    } else if (!*idle) {
      return Error(Errc::Busy, "DmaBuf::move_to",
                   fmt::format("buffer \"{}\" cannot be moved: a fence on it is pending", name_));
    }
    if (!debts_.empty()) {
      return Error(Errc::Busy, "DmaBuf::move_to",
                   fmt::format("buffer \"{}\" cannot be moved: the end of a device's access is still owed to "
                               "the memory that it lies in",
                               name_));
    }
  }
  if (auto paid = pay_bracket(); !paid) {
    return paid;
  }
  bars_.fetch_or(kStorage, std::memory_order_seq_cst);  // until it is known what the next one is
  plain_.store(0, std::memory_order_release);
  drop_cpu_mapping_locked();
  if (auto moved = exporter_->move(exporter); !moved) {
    return moved;
  }
  // Known by its new place from now on; and if that cannot be looked at now, then by none until it can: the
  // old identity may soon be another object's.
  settled_.store(false, std::memory_order_release);
  runtime_->buffers().unsettle(*this);
  return settle_locked();
}

LedgerEntry BufferState::ledger_entry() const {
  LedgerEntry entry{.id = id(),
                    .size = size_,
                    .huge_bytes = 0,
                    .exporter = {},
                    .name = name_,
                    .settled = settled(),
                    .escaped = escaped(),
                    .mapped_by_cpu = mapped_address() != nullptr,
                    .attachments = attachments(),
                    .age = std::chrono::steady_clock::now() - made_when_,
                    .made_at = made_at_};
  const std::lock_guard lock(mutex_);
  entry.exporter = exporter_name_;
  entry.huge_bytes = settled() ? backing().huge_bytes : 0;
  return entry;
}

}  // namespace causeway::core
