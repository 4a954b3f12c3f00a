// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/attachment.hpp>
#include <causeway/device.hpp>
#include <causeway/exporter.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "core/device_state.hpp"
#include "core/frame_state.hpp"

namespace causeway::core {

/// What is behind an Attachment, its Mapping and their Accesses: it lives as long as any of them, and lets
/// the device go at its end. Threads: thread-safe.
class AttachmentState : public std::enable_shared_from_this<AttachmentState> {
public:
  /// Errors: InvalidArgument (device of another runtime), Unsupported (memory the device cannot take), and
  /// the backend's.
  [[nodiscard]] static Result<std::shared_ptr<AttachmentState>> attach(
      std::shared_ptr<DeviceState> device, std::shared_ptr<const FrameState> frame, Usage usage,
      ImplicitSync sync);

  AttachmentState(std::shared_ptr<DeviceState> device, std::shared_ptr<const FrameState> frame, Usage usage,
                  ImplicitSync sync, Constraints needs);
  AttachmentState(const AttachmentState&) = delete;
  AttachmentState& operator=(const AttachmentState&) = delete;
  ~AttachmentState();

  [[nodiscard]] const Device& device() const noexcept { return device_; }
  [[nodiscard]] DeviceState& device_state() const noexcept { return *device_.state(); }
  [[nodiscard]] const FrameState& frame() const noexcept { return *frame_; }
  [[nodiscard]] Usage usage() const noexcept { return usage_; }
  /// How the backend took the memory, in its own word; "" unless it is mapped.
  [[nodiscard]] const char* import_path() const noexcept {
    return mapping_.import_path != nullptr ? mapping_.import_path : "";
  }
  [[nodiscard]] cw_attachment* handle() const noexcept { return handle_; }
  [[nodiscard]] const cw_mapping& mapping() const noexcept { return mapping_; }
  [[nodiscard]] AliasVerdict verdict() const noexcept { return verdict_; }
  /// What the exporter is told, and what the ledger shows.
  [[nodiscard]] AttachmentRequest request() const { return {device_, usage_, needs_}; }
  [[nodiscard]] AttachmentInfo describe() const;

  /// Errors: WrongState in a forked process.
  [[nodiscard]] Status check_process(std::string_view operation) const;

  [[nodiscard]] Status map(Direction direction, bool allow_copy);
  /// As map, but Busy instead of blocking.
  [[nodiscard]] Status try_map(Direction direction, bool allow_copy);
  /// True if an object could not be written when the backend imported it, whatever became of it since.
  [[nodiscard]] bool imported_read_only() const noexcept { return imported_read_only_; }

  /// Mapping::invalidate().
  [[nodiscard]] Status import_anew(Deadline deadline);
  /// For the Mapping that comes of map(): this very object, which the Mapping and each Access share. With the
  /// last of them the device's view goes, and then another may be made.
  [[nodiscard]] static std::shared_ptr<AttachmentState> held(
      std::shared_ptr<AttachmentState> mapped) noexcept;

  /// One access, from its begin to its end.
  struct Turn {
    Usage usage;
    std::uint64_t access = 0;  ///< what the backend knows it by (cw_access_begin.access)
  };
  /// The turn where there is nothing to wait for, to pay or to hand over: a compare-and-swap and a few loads
  /// for each object, and the backend's operation. nothing_begun: it takes begin_access. (device_turn.cpp)
  [[nodiscard]] Status begin_access_at_once(Turn& turn, Deadline deadline, bool& nothing_begun);
  /// What the device was told to wait for.
  [[nodiscard]] Result<FenceRefs> begin_access(Turn& turn, std::span<const Fence> waits, Deadline deadline);
  /// What others must wait for. The turn is over, whatever is answered.
  [[nodiscard]] Result<FenceRefs> end_access(Turn turn, std::span<const Fence> given);
  /// The turn of an access that was dropped without its end.
  void lose_access(Turn turn) noexcept;

  /// Whether the work that accesses left with the device is done by the deadline.
  [[nodiscard]] bool device_is_done(Deadline deadline);
  /// For the retire list, which held the mapping until then.
  void unmap_retired() noexcept;

private:
  [[nodiscard]] bool through_cpu() const noexcept { return has(Capability::AccessesViaCpu); }
  [[nodiscard]] bool has(Capability capability) const noexcept {
    return (capabilities_ & static_cast<std::uint32_t>(capability)) != 0;
  }
  [[nodiscard]] bool bracketed() const noexcept { return through_cpu() && frame_->needs_sync(); }
  /// Takes the turns and the room for fences where there is nothing to wait for, to pay or to hand over: a
  /// compare-and-swap and a few loads for each object. False: nothing was begun.
  [[nodiscard]] bool take_turns_at_once(Usage usage) noexcept;
  [[nodiscard]] bool ready_at_once(BufferState& buffer, Usage usage) const noexcept;
  // The parts of begin_access and end_access.
  [[nodiscard]] Status check_access(Usage usage, std::span<const Fence> waits) const;
  [[nodiscard]] Result<FenceRefs> collect_waits(Usage usage, std::span<const Fence> waits, Deadline deadline);
  [[nodiscard]] Status add_kernel_wait(BufferState& buffer, Usage usage, Deadline deadline, FenceRefs& waits);
  [[nodiscard]] Result<FenceRefs> split_waits(const FenceRefs& waits, Deadline deadline);
  [[nodiscard]] std::shared_ptr<FenceState> as_device_takes_it(const std::shared_ptr<FenceState>& fence);
  [[nodiscard]] Status prepare_memory(Usage usage, Deadline deadline);
  [[nodiscard]] Status tell_device(Turn& turn, const FenceRefs& waits, Deadline deadline);
  [[nodiscard]] Status tell_device(Turn& turn, std::span<const cw_fence> waits, Deadline deadline);
  /// What the backend made at the end of an access.
  struct Made {
    std::array<cw_fence, CW_MAX_SIGNALS> fences;
    std::size_t count = 0;
    bool given_included = false;
  };
  [[nodiscard]] Status end_on_device(Turn turn, std::span<const cw_fence> given, Made& made);
  /// The end of a turn that left nothing with the device.
  [[nodiscard]] bool ends_plainly() const noexcept;
  void end_plainly(Usage usage) noexcept;
  /// What a turn leaves behind.
  struct Signals {
    FenceRefs fences;  ///< all that there are, whatever else failed
    bool told;         ///< the backend has said what became of the work; else nobody knows
    Status status;
  };
  [[nodiscard]] Signals take_signals(Turn turn, std::span<const Fence> given);
  /// The fences that the backend made, or else those that it was given. failure: what failed before.
  [[nodiscard]] Signals take_made(const Made& made, FenceRefs given, Status failure);
  [[nodiscard]] Result<FenceRefs> finish_access(Usage usage, Signals signals);
  /// The turn stays the device's, which may still be at work, and so does the mapping.
  void keep_turn_until_idle(Usage usage);
  [[nodiscard]] Status finish_memory(Usage usage, const FenceRefs& signals);
  [[nodiscard]] Status publish(Usage usage, FenceUsage as, const FenceRefs& signals);
  /// Pays what the CPU's turns owe, unless the device sees into the CPU's caches.
  [[nodiscard]] Status pay_bracket_for_device(BufferState& buffer);
  void unreserve(Usage usage) noexcept;
  /// Waits on this thread, counted. Errors: TimedOut.
  [[nodiscard]] Status wait_here(FenceState& fence, Deadline deadline) const;
  [[nodiscard]] Error waited_too_long() const;
  void keep_work(const FenceRefs& left);
  void warn_of_missing_fences(const FenceRefs& signals);
  [[nodiscard]] Status map_locked(Direction direction, bool allow_copy);
  /// What is known of imports of this kind, or else is proved now.
  [[nodiscard]] Result<AliasVerdict> find_verdict();
  /// Whether its storage may be another one once nothing holds it: then an import lives as long as a mapping.
  [[nodiscard]] bool may_move() const noexcept;
  /// The backend imports the memory: at once, or when deferred storage is settled.
  [[nodiscard]] Status import();
  [[nodiscard]] Status begin_mappings(Direction direction);
  void end_mappings(std::size_t count) noexcept;
  void unmap() noexcept;
  /// The backend's map, and its unmap and detach.
  [[nodiscard]] Status map_on_device();
  void let_device_go() noexcept;
  /// What a Mapping and its Accesses share.
  struct Hold {
    Hold() = default;
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold();
    std::shared_ptr<AttachmentState> attachment;  // null as long as it waits for its Mapping
  };
  void let_go() noexcept;

  Device device_;
  const std::uint32_t capabilities_;  // the device's
  std::shared_ptr<const FrameState> frame_;
  Usage usage_;
  ImplicitSync sync_;
  Constraints needs_;
  cw_attachment* handle_ = nullptr;                // null until imported
  std::size_t listed_ = 0;                         // on how many buffers' lists of attachments this is
  std::mutex map_mutex_;                           // guards the making of mapping_
  std::shared_ptr<Hold> hold_;                     // made with mapping_, until its Mapping is there
  std::atomic<bool> held_{false};                  // by a Mapping or an Access
  std::atomic<const char*> import_path_{nullptr};  // null while it is not mapped; for describe()
  bool mapped_ = false;
  bool imported_read_only_ = false;
  Direction direction_ = Direction::Bidirectional;
  cw_mapping mapping_;
  std::uint64_t last_access_ = 0;  // guarded by the device's lock
  std::atomic<AliasVerdict> verdict_{AliasVerdict::Unknown};
  std::mutex work_mutex_;
  std::atomic<bool> works_{false};  // work_ is not empty
  std::atomic<bool> lost_{false};   // an access was dropped, and the device was not seen idle since
  FenceRefs work_;                  // what accesses left with the device, for the end of the mapping
};

}  // namespace causeway::core
