// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/deadline.hpp>
#include <causeway/dma_buf.hpp>
#include <causeway/exporter.hpp>
#include <causeway/ledger.hpp>

#include <atomic>
#include <causeway/call_site.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/access_state.hpp"
#include "core/allocator.hpp"
#include "core/fence_list.hpp"
#include "core/turn_watch.hpp"
#include "uapi/kernel.hpp"

namespace causeway::core {

class AttachmentState;
class DeviceState;
class FrameState;
class RuntimeState;
class StorageExporter;

/// What is behind a DmaBuf: the exporter that owns the storage, the list of attachments, the CPU's mapping,
/// and whose turn it is. Threads: thread-safe.
class BufferState : public std::enable_shared_from_this<BufferState> {
public:
  /// dma_buf_export(): settles the storage at once unless the exporter defers it.
  [[nodiscard]] static Result<std::shared_ptr<BufferState>> create(std::shared_ptr<RuntimeState> runtime,
                                                                   ExportInfo info, CallSite where);
  /// The same over storage that an allocator made.
  [[nodiscard]] static Result<std::shared_ptr<BufferState>> adopt(std::shared_ptr<RuntimeState> runtime,
                                                                  Storage storage, std::string exporter,
                                                                  std::string name, CallSite where);
  /// The buffer that was last behind a descriptor of that number, if the descriptor is of the very open file
  /// that the buffer holds: one system call, where the kernel can tell (F_DUPFD_QUERY, Linux 6.10). Null says
  /// nothing.
  [[nodiscard]] static std::shared_ptr<BufferState> guess_of(RuntimeState& runtime, BorrowedFd fd) noexcept;
  /// The object behind a foreign descriptor, which is duplicated. One that is known already is that one.
  [[nodiscard]] static Result<std::shared_ptr<BufferState>> import(
      const std::shared_ptr<RuntimeState>& runtime, BorrowedFd fd, CallSite where);

  BufferState(std::shared_ptr<RuntimeState> runtime, ExportInfo info, CallSite where);
  BufferState(const BufferState&) = delete;
  BufferState& operator=(const BufferState&) = delete;
  ~BufferState();

  [[nodiscard]] const std::shared_ptr<RuntimeState>& runtime() const noexcept { return runtime_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// A number that no other buffer of this process has or had: the order in which turns are taken.
  [[nodiscard]] std::uint64_t serial() const noexcept { return serial_; }
  [[nodiscard]] std::string exporter() const {
    const std::lock_guard lock(mutex_);
    return exporter_name_;
  }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] bool has(ExporterOp operation) const noexcept {
    return (operations_ & static_cast<std::uint32_t>(operation)) != 0;
  }

  /// Makes sure that there is storage, asking the exporter with all attachments that there are.
  [[nodiscard]] Status settle();
  [[nodiscard]] bool settled() const noexcept { return settled_.load(std::memory_order_acquire); }
  // The following are sound once it is settled, and then stay unless the storage is moved, or the buffer
  // becomes writable; what was read before stays sound even then.
  [[nodiscard]] const Backing& backing() const noexcept { return *shown_.load(std::memory_order_acquire); }
  [[nodiscard]] ObjectId id() const noexcept { return settled() ? id_ : ObjectId{}; }
  [[nodiscard]] bool read_only() const noexcept {
    return settled() && read_only_.load(std::memory_order_acquire);
  }
  /// The buffer came in once more, by this descriptor. If that permits writing and those before did not, it
  /// is kept, and the buffer can be written from now on; what was mapped and attached stays as it is.
  /// Errors: OutOfFds, OutOfMemory; the buffer is then as before.
  [[nodiscard]] Status meet_again(BorrowedFd fd);

  /// Made by an allocator of this library: memory of the same kind behaves alike.
  [[nodiscard]] bool from_allocator() const noexcept { return from_allocator_; }
  /// Came in by a descriptor of somebody else's.
  [[nodiscard]] bool foreign() const noexcept { return foreign_ != nullptr; }

  /// The descriptor is known outside, or came from there: nothing about its caches is taken for granted.
  void mark_escaped() noexcept {
    if (!escaped()) {
      bar_laziness(kEscaped);
    }
  }
  [[nodiscard]] bool escaped() const noexcept {
    return (bars_.load(std::memory_order_relaxed) & kEscaped) != 0;
  }
  /// Its pages are another buffer's, too, or a device's own: its brackets are never left out.
  void mark_shared_pages() noexcept { bar_laziness(kSharedPages); }

  /// False while nobody can have written to it: fresh from one of our allocators, known to nobody outside,
  /// and no turn for writing begun yet. For who has a turn.
  [[nodiscard]] bool has_content() const noexcept {
    return !from_allocator_ || written_.load(std::memory_order_relaxed) || escaped();
  }
  void note_content() noexcept { written_.store(true, std::memory_order_relaxed); }

  /// The list of attachments. add asks the exporter, which may refuse.
  [[nodiscard]] Status add_attachment(AttachmentState& attachment);
  void remove_attachment(AttachmentState& attachment) noexcept;
  [[nodiscard]] std::vector<AttachmentInfo> attachments() const;

  /// A device maps, or unmaps: the exporter's map_dma_buf and unmap_dma_buf.
  [[nodiscard]] Status begin_mapping(Direction direction);
  void end_mapping(Direction direction) noexcept;

  /// The whole object in the address space of this process: mapped at the first call, kept while it lives.
  [[nodiscard]] Result<std::byte*> cpu_address();
  /// All of its bytes as a frame, which lives as long as the buffer, and does not keep it alive. There once
  /// cpu_address() has succeeded.
  [[nodiscard]] const FrameState* whole() const noexcept { return whole_.get(); }
  /// The same where it was mapped already; null otherwise.
  [[nodiscard]] std::byte* mapped_address() const noexcept {
    return address_.load(std::memory_order_acquire);
  }
  /// Counts a user of the CPU mapping while the answer lives; null for storage that never moves.
  [[nodiscard]] std::shared_ptr<void> hold_cpu_mapping();
  /// A mapping of a part, by the caller to be given to unmap_range.
  [[nodiscard]] Result<std::span<std::byte>> map_range(std::uint64_t offset, std::uint64_t length);
  void unmap_range(std::span<std::byte> range) noexcept;
  /// False for a part that was mapped while the buffer was read-only.
  [[nodiscard]] bool takes_writes(std::span<std::byte> range) const;

  /// Whether the CPU's accesses are to be bracketed with SYNC.
  [[nodiscard]] bool needs_sync() const noexcept {
    return has(ExporterOp::CpuAccess) || (settled() && backing().is_dma_buf);
  }
  /// SYNC START for someone who works through a CPU mapping: waits for the kernel's fences first, since START
  /// would do so without a deadline. The turn, and the fences that are kept here, are the caller's business.
  [[nodiscard]] Status begin_cpu(Usage usage, Deadline deadline);
  [[nodiscard]] Status end_cpu(Usage usage);

  /// The same for a turn of the CPU's own, where END is put off, and later STARTs are left out with it, as
  /// long as only the CPU touches the memory (docs/sync.md). True: END is owed, and the turn's end does
  /// nothing for it; false: it ends by end_cpu.
  [[nodiscard]] Result<bool> begin_cpu_lazily(Usage usage, Deadline deadline) {
    if (open_for(usage)) {
      tally_elided(usage);
      return true;
    }
    return begin_cpu_where_none_is_open(usage, deadline);
  }
  /// Begins the CPU's turn where everything is mapped, and there is nothing to wait for, to open or to pay: a
  /// compare-and-swap and a few loads.
  enum class BegunAtOnce : std::uint8_t {
    No,     ///< nothing was begun
    Plain,  ///< there is no bracket
    Lazy,   ///< the bracket that is open suffices
  };
  [[nodiscard, gnu::always_inline]] BegunAtOnce begin_cpu_turn_at_once(Usage usage) noexcept {
    // Looked at before, so as not to take a turn in vain; what may change until then is looked at again.
    const bool is_plain = plain(usage);
    if (mapped_address() == nullptr || !(is_plain || open_for(usage)) ||
        !access_.try_begin(usage, TurnsOf::Cpu)) {
      return BegunAtOnce::No;
    }
    if (!(is_plain || open_for(usage)) || !fences_.empty() ||
        (reads(usage) && fences_.content_error() != 0)) {
      return give_back_at_once(usage);
    }
    return is_plain ? BegunAtOnce::Plain : BegunAtOnce::Lazy;
  }

  /// Gives a turn back, whoever's. Unless the caller has a reference by other means, nothing here may be
  /// touched afterwards. If laziness was barred during the turn, what the CPU owes is paid here. Errors: Io.
  [[nodiscard]] Status end_turn(Usage usage, TurnsOf whose) noexcept {
    const AccessState* turns = &access_;
    access_.end(usage, whose);
    return TurnWatch::look(turns);
  }
  /// The same for who has nobody to tell, and has a reference: a failure is logged, and stays owed.
  void release_turn(Usage usage, TurnsOf whose) noexcept {
    if (auto paid = end_turn(usage, whose); !paid) {
      log_unpaid(paid.error());
    }
  }
  /// Plain shared memory that is there to be read, and written if that is asked for: nothing to open or to
  /// tend.
  [[nodiscard]] bool plain(Usage usage) const noexcept {
    return covers(plain_.load(std::memory_order_acquire), usage);
  }
  /// The lazy bracket suffices for a turn of that usage: nothing to do at its begin.
  [[nodiscard]] bool open_for(Usage usage) const noexcept {
    return lazy() && covers(open_.load(std::memory_order_acquire), usage);
  }
  /// No SYNC END waits to be issued.
  [[nodiscard]] bool owes_nothing() const noexcept {
    return !owes_bracket() && debts_there_.load(std::memory_order_acquire) == 0;
  }
  /// Counts a bracket that was left out, for who has a turn of that usage: one writer needs no atomic
  /// addition.
  void tally_elided(Usage usage) noexcept {
    if (writes(usage)) {
      elided_.store(elided_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    } else {
      elided_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  [[nodiscard]] std::uint64_t elided() const noexcept { return elided_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool owes_bracket() const noexcept { return open_.load(std::memory_order_acquire) != 0; }
  /// Pays the END that the CPU's turns owe, before somebody else's access. Errors: Io; it stays owed then.
  [[nodiscard]] Status pay_bracket();

  /// The fences of its reservation that are kept here.
  [[nodiscard]] FenceList& fences() noexcept { return fences_; }
  /// Whether all fences, ours and the kernel's, allow usage now.
  [[nodiscard]] Result<bool> fences_done(Usage usage);
  /// Waits for them on this thread, counted. Errors: TimedOut, Io.
  [[nodiscard]] Status wait_for_fences(Usage usage, Deadline deadline);
  /// Whether the kernel's fences alone allow usage, now or by the deadline.
  [[nodiscard]] Result<bool> poll_kernel(Usage usage, Deadline deadline) const;
  /// Errors: Io if the last writer failed.
  [[nodiscard]] Status check_content() const;

  /// Whether somebody else may look for fences in the kernel's reservation, or put some there.
  [[nodiscard]] bool shares_kernel_fences() const noexcept {
    return settled() && backing().is_dma_buf &&
           (escaped() || implicit_attachments_.load(std::memory_order_relaxed) != 0);
  }
  /// Puts the fences that are pending into the kernel's reservation, and waits for those that cannot go
  /// there; pays all debts of SYNC. Errors: Busy (one is pending at the deadline).
  [[nodiscard]] Status hand_fences_to_kernel(Deadline deadline);
  /// One fence. It is waited for, counted, where the kernel cannot carry it. Errors: TimedOut, Io.
  [[nodiscard]] Status hand_to_kernel(FenceState& fence, Usage usage, Deadline deadline);

  /// A device that works through the CPU is not done yet when its access ends: its SYNC END is owed until
  /// then. expect_debt makes room for one, so that owe_end cannot fail. Errors: OutOfMemory.
  [[nodiscard]] Status expect_debt();
  void owe_end(Usage usage, FenceRefs until) noexcept;
  /// Pays what is due. Errors: Io.
  [[nodiscard]] Status pay_debts();
  /// Pays everything; waits, counted, for who is not done yet. Errors: TimedOut, Io.
  [[nodiscard]] Status pay_all_debts(Deadline deadline);
  /// The same for a buffer that has just been marked as escaped, or its pages as shared: what the CPU's turns
  /// owe is paid here, or by the turn that the CPU has at this moment.
  [[nodiscard]] Status pay_before_leaving(Deadline deadline);

  /// A device's access was dropped without its end: its turn stays taken until the device is idle.
  void lose(std::shared_ptr<DeviceState> device, Usage usage);
  /// Gives such turns back if their devices are idle by the deadline. Errors: DeviceLost.
  [[nodiscard]] Status recover_lost(Deadline deadline);

  [[nodiscard]] Status move_to(std::string_view exporter);

  AccessState& access() noexcept { return access_; }
  [[nodiscard]] LedgerEntry ledger_entry() const;

private:
  /// Why brackets are not left out; none of them: they are.
  static constexpr std::uint32_t kEscaped = 1;
  static constexpr std::uint32_t kImplicitFences = 2;  // a driver may work on it unknown to us
  static constexpr std::uint32_t kSharedPages = 4;
  static constexpr std::uint32_t kStorage = 8;  // not settled, no dma-buf, an exporter that wants to know

  [[nodiscard]] bool lazy() const noexcept { return bars_.load(std::memory_order_seq_cst) == 0; }
  [[nodiscard]] static bool covers(std::uint32_t these, Usage usage) noexcept {
    return (these & bits(usage)) == bits(usage);
  }
  /// From now on brackets are issued when they come. If a turn is open, its end pays what is owed.
  void bar_laziness(std::uint32_t why) noexcept;
  void log_unpaid(const Error& failure) const noexcept;
  [[nodiscard]] BegunAtOnce give_back_at_once(Usage usage) noexcept;
  [[nodiscard]] Result<bool> begin_cpu_where_none_is_open(Usage usage, Deadline deadline);
  /// What comes before START: storage, permission, debts.
  [[nodiscard]] Status prepare_cpu(Usage usage);
  [[nodiscard]] Status start_cpu(Usage usage, Deadline deadline);
  [[nodiscard]] Status settle_locked();
  [[nodiscard]] Result<uapi::MappedRange> map_whole_locked(const Backing& backing, bool writable) const;
  /// Counted if it had to wait. Errors: TimedOut, Io.
  [[nodiscard]] Status wait_for_kernel(Usage usage, Deadline deadline);
  [[nodiscard]] Status take_backing(const Backing& backing);
  void note_plain() noexcept;
  [[nodiscard]] std::vector<AttachmentRequest> requests_locked() const;
  [[nodiscard]] std::string holders_locked() const;
  void drop_cpu_mapping_locked() noexcept;
  void settle_debts_at_end() noexcept;

  const std::shared_ptr<RuntimeState> runtime_;
  const std::unique_ptr<Exporter> exporter_;
  StorageExporter* foreign_ = nullptr;  // exporter_, if the memory was imported
  const std::uint64_t size_;
  const std::uint64_t serial_;
  const std::uint32_t operations_;
  const std::string name_;
  std::string exporter_name_;
  const CallSite made_at_;
  const std::chrono::steady_clock::time_point made_when_ = std::chrono::steady_clock::now();

  /// Guards what follows, and keeps calls to the exporter apart.
  mutable std::mutex mutex_;
  std::vector<AttachmentState*> attachments_;
  std::uint32_t mappings_ = 0;
  std::uint32_t ranges_ = 0;
  std::set<std::byte*> ranges_for_reading_;           // those that must not be written to
  std::map<std::byte*, std::span<std::byte>> wider_;  // ranges that are part of a wider mapping, and which
  std::uint32_t cpu_holds_ = 0;
  Backing backing_;
  Backing writable_backing_;  // in its place, for memory that was read-only at first
  ObjectId id_;
  std::uint64_t mapping_unit_ = uapi::kPageSize;  // of mmap(2) on the descriptor
  uapi::MappedRange mapping_;
  uapi::MappedRange outlived_mapping_;  // for reading; its addresses may still be in use
  struct Debt {
    Usage usage;
    FenceRefs until;
  };
  std::vector<Debt> debts_;
  std::size_t expected_debts_ = 0;
  std::atomic<std::size_t> debts_there_{0};  // of debts_, so that none cost a load
  struct LostTurn {
    std::shared_ptr<DeviceState> device;
    Usage usage;
  };
  std::vector<LostTurn> lost_;

  std::atomic<const Backing*> shown_{&backing_};
  std::atomic<bool> read_only_{false};
  std::atomic<bool> settled_{false};
  std::atomic<std::uint32_t> plain_{0};  // the usage that plain() is true of
  std::atomic<std::uint32_t> bars_{kStorage};
  std::mutex bracket_mutex_;            // of who opens and closes the lazy bracket
  std::mutex paying_mutex_;             // of who pays debts; before mutex_
  std::atomic<std::uint32_t> open_{0};  // its usage; 0 if there is none
  std::unique_ptr<const FrameState> whole_;
  bool from_allocator_ = false;  // set before anybody else has it
  std::atomic<bool> written_{false};
  std::atomic<std::uint64_t> elided_{0};  // part of Counters::sync_elided
  std::atomic<std::byte*> address_{nullptr};
  AccessState access_;
  /// Pays what the CPU's turns owe, once the turns are over that were open when laziness was barred.
  class Payment final : public TurnWatch::Entry {
  public:
    explicit Payment(BufferState& buffer) noexcept : buffer_(buffer) {}

  private:
    [[nodiscard]] Status act() noexcept override;
    BufferState& buffer_;
  };
  Payment payment_{*this};
  FenceList fences_;
  std::atomic<std::uint32_t> implicit_attachments_{0};  // devices that put fences there by themselves
};

}  // namespace causeway::core
