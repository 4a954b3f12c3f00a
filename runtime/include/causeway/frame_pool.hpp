// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/constraints.hpp>
#include <causeway/frame.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace causeway {

namespace core {
class PoolState;
}  // namespace core

/// One frame of a pool: a light reference, valid while the pool lives. Threads: reentrant.
class FrameRef {
public:
  [[nodiscard]] const Frame& frame() const noexcept { return *frame_; }
  /// The frame's place in its pool.
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  /// The frame as this device sees it: one load. For a device that took no part in the negotiation, a mapping
  /// that is not valid.
  [[nodiscard]] const Mapping& on(const Device& device) const noexcept { return *views_[device.slot()]; }

  FrameRef(const Frame* frame, const Mapping* const* views, std::uint32_t index) noexcept
      : frame_(frame), views_(views), index_(index) {}  ///< for the runtime itself

private:
  const Frame* frame_;
  const Mapping* const* views_;
  std::uint32_t index_;
};

/// A frame on loan from its pool; given back when this object goes. Keeps the pool alive.
/// Threads: reentrant; may be let go on another thread than took it.
class FrameLease {
public:
  FrameLease(FrameLease&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), ref_(other.ref_) {}
  FrameLease& operator=(FrameLease&& other) noexcept {
    // By way of a temporary, whose end gives back the frame that this object held.
    FrameLease taken(std::move(other));
    std::swap(pool_, taken.pool_);
    std::swap(ref_, taken.ref_);
    return *this;
  }
  ~FrameLease() {
    if (pool_ != nullptr) {
      give_back();
    }
  }

  /// Of a lease that was moved away: the frame that it had, which is somebody else's now.
  [[nodiscard]] const FrameRef& operator*() const noexcept { return ref_; }
  [[nodiscard]] const FrameRef* operator->() const noexcept { return &ref_; }

  FrameLease(core::PoolState& pool, FrameRef ref) noexcept : pool_(&pool), ref_(ref) {}  ///< for the runtime

private:
  void give_back() noexcept;

  core::PoolState* pool_;  // lives until its last frame is back; null once moved away
  FrameRef ref_;
};

/// How an allocation came about: for people, and for reports. Threads: reentrant (a value).
struct AllocationReport {
  struct Refusal {
    std::string exporter;
    std::string reason;  ///< a whole sentence
  };
  struct Import {
    std::string device;  ///< the device's name
    std::string backend;
    std::string import_path;  ///< as Mapping::import_path()
    AliasVerdict verdict;     ///< the weakest of all frames
    ImportedAs imported_as;   ///< as Mapping::imported_as()
  };
  std::string exporter;  ///< who made the memory
  std::vector<Refusal> refused;
  std::vector<Import> imports;
};

/// Frames made together: allocated, attached, mapped and proved on every device of the negotiation.
/// A cheap shared handle. Threads: thread-safe.
class FramePool {
public:
  [[nodiscard]] std::uint32_t size() const noexcept;
  /// Frame i, whether it is on loan or not; for streams that pair frames with queue indices. i < size().
  [[nodiscard]] FrameRef frame(std::uint32_t i) const noexcept;
  /// Takes a free frame, waiting for one until the deadline: in turn, and rather one on which no fence is
  /// pending, if there is one. Errors: TimedOut, WrongState (a forked process).
  [[nodiscard]] Result<FrameLease> acquire(Deadline deadline);

  [[nodiscard]] const AllocationPlan& plan() const noexcept;
  [[nodiscard]] const AllocationReport& report() const noexcept;

  explicit FramePool(std::shared_ptr<core::PoolState> state) noexcept;  ///< for the runtime itself

private:
  std::shared_ptr<core::PoolState> state_;
};

}  // namespace causeway
