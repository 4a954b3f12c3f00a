// SPDX-License-Identifier: Apache-2.0
//
// The CPU's side of a buffer: its mappings, and the bracket of SYNC START and END.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/buffer_state.hpp"
#include "core/frame_state.hpp"
#include "core/runtime_state.hpp"
#include "uapi/dma_buf.hpp"
#include "uapi/huge_pages.hpp"

namespace causeway::core {
namespace {

/// What a fault on shared memory maps around it if the pages are there: the aligned stretch of addresses of
/// fault_around_bytes, whose default is 64 KiB (/sys/kernel/debug/fault_around_bytes). Where it is set to
/// less, the rest faults when it is touched.
constexpr std::uint64_t kFaultAround = std::uint64_t{64} << 10;

void map_by_reading(const std::byte* address, std::uint64_t length) noexcept {
  const auto read = [address](std::uint64_t at) {
    static_cast<void>(*static_cast<const volatile std::byte*>(address + at));
  };
  // The start comes last: there the stretch begins with the mapping and reaches into the next one, which
  // would then not be mapped whole, having no fault at its own start.
  for (std::uint64_t at = kFaultAround - reinterpret_cast<std::uintptr_t>(address) % kFaultAround;
       at < length; at += kFaultAround) {
    read(at);
  }
  read(0);
}

}  // namespace

Result<std::byte*> BufferState::cpu_address() {
  if (std::byte* known = mapped_address()) {
    return known;
  }
  const std::lock_guard lock(mutex_);
  if (std::byte* known = mapped_address()) {
    return known;
  }
  if (auto settled = settle_locked(); !settled) {
    return std::move(settled.error());
  }
  if (whole_ == nullptr) {
    // A handle that owns nothing: the frame is a part of the buffer, which it must not keep alive.
    whole_ = FrameState::bytes_of(DmaBuf(std::shared_ptr<BufferState>(std::shared_ptr<void>(), this)));
  }
  if (has(ExporterOp::Vmap)) {
    auto address = exporter_->vmap();
    if (!address) {
      return std::move(address.error());
    }
    address_.store(*address, std::memory_order_release);
    return *address;
  }
  auto range = map_whole_locked(backing(), !read_only());
  if (!range) {
    return std::move(range.error());
  }
  mapping_ = std::move(*range);
  address_.store(mapping_.address(), std::memory_order_release);
  return mapping_.address();
}

Result<uapi::MappedRange> BufferState::map_whole_locked(const Backing& backing, bool writable) const {
  // The memfd beneath a udmabuf is the same pages with fault-around and huge pages; SYNC still goes to the
  // dma-buf.
  const bool beneath = backing.pinnable.valid();
  const BorrowedFd fd = beneath ? backing.pinnable : backing.fd;
  const std::uint64_t offset = beneath ? backing.pinnable_offset : 0;
  const bool memfd = beneath || !backing.is_dma_buf;
  const auto alignment = memfd && size_ >= uapi::kHugePageSize ? uapi::kHugePageSize : uapi::kPageSize;
  // Storage may be larger than the buffer, and of huge pages that are mapped whole.
  const std::uint64_t length = beneath ? std::min(uapi::align_up(size_, uapi::kHugePageSize), backing.size)
                                       : uapi::align_up(size_, mapping_unit_);
  // All of it is mapped now and not page by page later. Reading here and there is the cheapest way, where it
  // is a way; MAP_POPULATE looks at each page by itself. (Pages that were allocated and never written are not
  // mapped around: they are cleared at the first touch in any case.)
  const bool by_reading = memfd && runtime_->kernel().pages_are_there_to_stay(fd);
  auto range = runtime_->kernel().map(fd, offset, length, writable, !by_reading, alignment);
  if (!range) {
    return std::move(range.error())
        .within(fmt::format("the CPU's view of buffer \"{}\" ({})", name_, exporter_name_));
  }
  if (by_reading) {
    map_by_reading(range->address(), std::min(length, size_));
  }
  return range;
}

void BufferState::drop_cpu_mapping_locked() noexcept {
  std::byte* address = address_.exchange(nullptr, std::memory_order_acq_rel);
  if (address != nullptr && has(ExporterOp::Vmap)) {
    exporter_->vunmap(address);
  }
  mapping_ = uapi::MappedRange();
  outlived_mapping_ = uapi::MappedRange();
}

std::shared_ptr<void> BufferState::hold_cpu_mapping() {
  if (!has(ExporterOp::MovesStorage)) {
    return nullptr;
  }
  {
    const std::lock_guard lock(mutex_);
    ++cpu_holds_;
  }
  return {nullptr, [self = shared_from_this()](void*) {
            const std::lock_guard lock(self->mutex_);
            --self->cpu_holds_;
          }};
}

Result<std::span<std::byte>> BufferState::map_range(std::uint64_t offset, std::uint64_t length) {
  if (length == 0 || offset % uapi::kPageSize != 0 || length % uapi::kPageSize != 0) {
    return Error(Errc::InvalidArgument, "DmaBuf::mmap",
                 fmt::format("{} bytes from offset {} are no whole pages of {} bytes", length, offset,
                             uapi::kPageSize));
  }
  if (offset > size_ || length > size_ - offset) {
    return Error(Errc::InvalidArgument, "DmaBuf::mmap",
                 fmt::format("{} bytes from offset {} reach beyond the {} bytes of buffer \"{}\"", length,
                             offset, size_, name_));
  }
  const std::lock_guard lock(mutex_);
  if (auto settled = settle_locked(); !settled) {
    return std::move(settled.error());
  }
  if (has(ExporterOp::Mmap)) {
    auto address = exporter_->mmap(offset, length);
    if (!address) {
      return std::move(address.error());
    }
    ++ranges_;
    return std::span(*address, length);
  }
  // Drivers over GEM shmem (vgem and virtio-gpu of Linux 6.12) count pages from where a mapping starts, and
  // so show the first ones whatever its offset was (drm_gem_shmem_fault()). Unless the memory is known to be
  // a memfd's, a part is therefore mapped together with all before it; and huge pages are mapped whole.
  const auto& storage = backing();
  const bool writable = !read_only();
  const bool of_memfd = !storage.is_dma_buf || storage.pinnable.valid();
  const std::uint64_t head = of_memfd ? offset % mapping_unit_ : offset;
  const std::uint64_t whole = uapi::align_up(head + length, mapping_unit_);
  auto range = runtime_->kernel().map(storage.fd, offset - head, whole, writable, false);
  if (!range) {
    return std::move(range.error());
  }
  std::byte* first = range->address() + head;
  if (whole != length) {
    wider_.emplace(first, std::span(range->address(), whole));
  }
  if (!writable) {
    ranges_for_reading_.insert(first);
  }
  static_cast<void>(range->release());  // to unmap_range()
  ++ranges_;
  return std::span(first, length);
}

void BufferState::unmap_range(std::span<std::byte> range) noexcept {
  const std::lock_guard lock(mutex_);
  --ranges_;
  if (has(ExporterOp::Mmap)) {
    exporter_->munmap(range.data(), range.size());
    return;
  }
  ranges_for_reading_.erase(range.data());
  const auto wider = wider_.extract(range.data());
  const auto mapped = wider.empty() ? range : wider.mapped();
  runtime_->kernel().unmap(mapped.data(), mapped.size());
}

bool BufferState::takes_writes(std::span<std::byte> range) const {
  const std::lock_guard lock(mutex_);
  return !ranges_for_reading_.contains(range.data());
}

Result<bool> BufferState::begin_cpu_where_none_is_open(Usage usage, Deadline deadline) {
  if (!lazy()) {
    if (auto begun = begin_cpu(usage, deadline); !begun) {
      return std::move(begun.error());
    }
    return false;
  }
  if (auto ready = prepare_cpu(usage); !ready) {
    return std::move(ready.error());
  }
  const std::lock_guard lock(bracket_mutex_);
  const std::uint32_t open = open_.load(std::memory_order_relaxed);
  if (covers(open, usage)) {
    tally_elided(usage);  // another reader was faster
    return true;
  }
  if (open != 0) {
    if (auto ended = end_cpu(static_cast<Usage>(open)); !ended) {
      return std::move(ended.error());
    }
    runtime_->tally().add_sync_paid();
    open_.store(0, std::memory_order_release);
  }
  // From now on for all that the CPU has done so far, so that turns that read and turns that write do not
  // keep closing each other's bracket.
  const auto wider = static_cast<Usage>(open | bits(usage));
  if (auto started = start_cpu(wider, deadline); !started) {
    return std::move(started.error());
  }
  runtime_->tally().add_sync_owed();
  open_.store(bits(wider), std::memory_order_release);
  return true;
}

void BufferState::bar_laziness(std::uint32_t why) noexcept {
  // A turn begins and then looks at the bars, and here it is the other way round, so that one sees the other.
  const bool was_lazy = bars_.fetch_or(why, std::memory_order_seq_cst) == 0;
  if (was_lazy && !access_.idle()) {
    if (auto paid = TurnWatch::leave(payment_, shared_from_this(), access_, TurnsOf::All); !paid) {
      log_unpaid(paid.error());
    }
  }
}

Status BufferState::Payment::act() noexcept {
  // In a forked child the bracket is the parent's.
  return buffer_.runtime_->in_own_process() ? buffer_.pay_bracket() : Status();
}

BufferState::BegunAtOnce BufferState::give_back_at_once(Usage usage) noexcept {
  release_turn(usage, TurnsOf::Cpu);
  return BegunAtOnce::No;
}

void BufferState::log_unpaid(const Error& failure) const noexcept {
  runtime_->log(LogLevel::Error, failure.message());
}

Status BufferState::pay_bracket() {
  if (open_.load(std::memory_order_acquire) == 0) {
    return {};
  }
  // Whoever else is to pay waits here until it is done, not only begun.
  const std::lock_guard lock(bracket_mutex_);
  const std::uint32_t open = open_.load(std::memory_order_relaxed);
  if (open == 0) {
    return {};
  }
  if (auto ended = end_cpu(static_cast<Usage>(open)); !ended) {
    return ended;
  }
  runtime_->tally().add_sync_paid();
  open_.store(0, std::memory_order_release);
  return {};
}

Status BufferState::begin_cpu(Usage usage, Deadline deadline) {
  if (auto ready = prepare_cpu(usage); !ready) {
    return ready;
  }
  if (auto paid = pay_bracket(); !paid) {
    return paid;
  }
  return start_cpu(usage, deadline);
}

Status BufferState::prepare_cpu(Usage usage) {
  if (auto settled = settle(); !settled) {
    return settled;
  }
  if (writes(usage) && read_only()) {
    return Error(
        Errc::Unsupported, "begin_cpu_access",
        fmt::format("buffer \"{}\" came as a read-only descriptor, and writing was asked for; get the "
                    "descriptor with O_RDWR",
                    name_));
  }
  return pay_debts();
}

Status BufferState::start_cpu(Usage usage, Deadline deadline) {
  if (has(ExporterOp::CpuAccess)) {
    const std::lock_guard lock(mutex_);
    return exporter_->begin_cpu_access(usage, deadline);
  }
  if (!backing().is_dma_buf) {
    return {};  // plain shared memory: no caches to tend, no fences
  }
  // START would wait for fences by itself, but without a deadline.
  if (auto ready = wait_for_kernel(usage, deadline); !ready) {
    return ready;
  }
  if (auto started = uapi::sync_start(runtime_->kernel(), backing().fd, usage); !started) {
    return started;
  }
  runtime_->tally().add_sync_start();
  return {};
}

Status BufferState::end_cpu(Usage usage) {
  if (has(ExporterOp::CpuAccess)) {
    const std::lock_guard lock(mutex_);
    return exporter_->end_cpu_access(usage);
  }
  if (!backing().is_dma_buf) {
    return {};
  }
  if (auto ended = uapi::sync_end(runtime_->kernel(), backing().fd, usage); !ended) {
    return ended;
  }
  runtime_->tally().add_sync_end();
  return {};
}

}  // namespace causeway::core
