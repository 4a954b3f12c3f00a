// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/fence_state.hpp"

namespace causeway::core {

/// A fence of the kernel's, by its sync_file. Threads: thread-safe.
class SyncFileState final : public FenceState {
public:
  /// fd is duplicated, and must be a sync_file's.
  [[nodiscard]] static Result<std::shared_ptr<SyncFileState>> import(std::shared_ptr<RuntimeState> runtime,
                                                                     BorrowedFd fd, Producer producer);

  SyncFileState(std::shared_ptr<RuntimeState> runtime, UniqueFd fd, Producer producer) noexcept;

  [[nodiscard]] BorrowedFd fd() const noexcept { return fd_.borrow(); }
  [[nodiscard]] Result<Pollable> readiness() override;
  [[nodiscard]] Result<UniqueFd> dup_sync_file() override;

private:
  [[nodiscard]] Result<std::optional<FenceOutcome>> ask(Deadline deadline) override;
  /// For one that has ended.
  [[nodiscard]] Result<std::optional<FenceOutcome>> ask_how();

  const UniqueFd fd_;
};

}  // namespace causeway::core
