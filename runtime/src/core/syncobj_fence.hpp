// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "core/fence_state.hpp"

namespace causeway::core {

class SyncFileState;

/// What is behind a SyncobjTimeline: a syncobj in the file description that knows it. Threads: thread-safe.
class SyncobjState : public std::enable_shared_from_this<SyncobjState> {
public:
  /// Whose the syncobj is.
  enum class Handle {
    Own,      ///< made here: destroyed at the end, and nobody else submits work for its points
    Borrowed  ///< of whoever passed it in
  };

  [[nodiscard]] static Result<std::shared_ptr<SyncobjState>> create(std::shared_ptr<RuntimeState> runtime,
                                                                    const std::string& path);
  /// node is duplicated.
  [[nodiscard]] static Result<std::shared_ptr<SyncobjState>> create(std::shared_ptr<RuntimeState> runtime,
                                                                    BorrowedFd node);
  /// node is duplicated, and asked whether it knows the handle.
  [[nodiscard]] static Result<std::shared_ptr<SyncobjState>> adopt(std::shared_ptr<RuntimeState> runtime,
                                                                   BorrowedFd node, std::uint32_t handle);

  /// keeps: what must live as long as this.
  SyncobjState(std::shared_ptr<RuntimeState> runtime, UniqueFd node, std::uint32_t handle, Handle owner,
               std::uint64_t context, std::shared_ptr<void> keeps = nullptr) noexcept;
  SyncobjState(const SyncobjState&) = delete;
  SyncobjState& operator=(const SyncobjState&) = delete;
  ~SyncobjState();

  [[nodiscard]] const std::shared_ptr<RuntimeState>& runtime() const noexcept { return runtime_; }
  [[nodiscard]] BorrowedFd node() const noexcept { return node_.borrow(); }
  [[nodiscard]] std::uint32_t handle() const noexcept { return handle_; }
  [[nodiscard]] bool own() const noexcept { return owner_ == Handle::Own; }
  [[nodiscard]] std::uint64_t context() const noexcept { return context_; }

  [[nodiscard]] Result<std::uint64_t> value() const;
  [[nodiscard]] Result<std::uint64_t> submitted() const;
  [[nodiscard]] Result<std::shared_ptr<FenceState>> point(std::uint64_t value);
  [[nodiscard]] Status signal(std::uint64_t value);
  [[nodiscard]] Status import_sync_file(BorrowedFd sync_file, std::uint64_t value);
  /// Whether somebody has submitted work for the point by the deadline.
  [[nodiscard]] Result<bool> wait_submitted(std::uint64_t value, Deadline deadline) const;
  [[nodiscard]] Result<UniqueFd> export_sync_file(std::uint64_t value) const;
  /// An eventfd that becomes readable when the point, submitted or not, has signalled.
  /// Errors: Unsupported (before Linux 6.6), OutOfFds.
  [[nodiscard]] Result<UniqueFd> watch(std::uint64_t value);

private:
  [[nodiscard]] static Result<std::shared_ptr<SyncobjState>> create_over(
      std::shared_ptr<RuntimeState> runtime, UniqueFd node);
  [[nodiscard]] Status check_forward(const char* operation, std::uint64_t value) const;

  const std::shared_ptr<RuntimeState> runtime_;
  const std::shared_ptr<void> keeps_;
  const UniqueFd node_;
  const std::uint32_t handle_;
  const Handle owner_;
  const std::uint64_t context_;
  std::atomic<bool> watches_{true};  // SYNCOBJ_EVENTFD is there, as far as is known
  std::mutex submit_mutex_;          // between asking where the timeline is and submitting the next point
};

/// A point of a syncobj's timeline. Once work was submitted for it, it is asked by way of a sync_file, which
/// tells how and when it ended; a syncobj tells neither. Threads: thread-safe.
class SyncobjFence final : public FenceState {
public:
  SyncobjFence(std::shared_ptr<SyncobjState> timeline, std::uint64_t value) noexcept;

  [[nodiscard]] const SyncobjState& timeline() const noexcept { return *timeline_; }
  [[nodiscard]] std::uint64_t value() const noexcept { return place().sequence; }

  [[nodiscard]] Result<Pollable> readiness() override;
  [[nodiscard]] Result<UniqueFd> dup_sync_file() override;

private:
  [[nodiscard]] Result<std::optional<FenceOutcome>> ask(Deadline deadline) override;
  [[nodiscard]] bool has_sync_file() const;
  /// Whether work was submitted for the point by the deadline; false only if that was in the past.
  /// Errors: WrongState (it would be for this program to submit), TimedOut.
  [[nodiscard]] Result<bool> await_submit(Deadline deadline) const;
  /// Made once. Errors: WrongState (nobody has submitted work for the point).
  [[nodiscard]] Result<std::shared_ptr<SyncFileState>> sync_file();

  const std::shared_ptr<SyncobjState> timeline_;
  mutable std::mutex sync_file_mutex_;  // guards what follows
  std::shared_ptr<SyncFileState> sync_file_;
};

}  // namespace causeway::core
