// SPDX-License-Identifier: Apache-2.0
#include "core/sync_file_state.hpp"

#include <poll.h>

#include <utility>

#include "core/runtime_state.hpp"
#include "uapi/sync_file.hpp"

namespace causeway::core {

Result<std::shared_ptr<SyncFileState>> SyncFileState::import(std::shared_ptr<RuntimeState> runtime,
                                                             BorrowedFd fd, Producer producer) {
  if (auto here = runtime->check_process("Fence::from_sync_file"); !here) {
    return std::move(here.error());
  }
  if (auto info = uapi::query_sync_file(runtime->kernel(), fd); !info) {
    return std::move(info.error());
  }
  auto own = runtime->kernel().duplicate(fd);
  if (!own) {
    return std::move(own.error());
  }
  return std::make_shared<SyncFileState>(std::move(runtime), std::move(*own), producer);
}

SyncFileState::SyncFileState(std::shared_ptr<RuntimeState> runtime, UniqueFd fd, Producer producer) noexcept
    : FenceState(std::move(runtime), FenceKind::SyncFile, Place(), producer), fd_(std::move(fd)) {}

Result<std::optional<FenceOutcome>> SyncFileState::ask(Deadline deadline) {
  const auto& kernel = runtime()->kernel();
  auto ready = kernel.poll(fd_.borrow(), POLLIN, deadline);
  if (!ready) {
    return std::move(ready.error());
  }
  return *ready ? ask_how() : std::optional<FenceOutcome>();
}

Result<std::optional<FenceOutcome>> SyncFileState::ask_how() {
  const auto& kernel = runtime()->kernel();
  auto info = uapi::query_sync_file(kernel, fd_.borrow());
  if (!info) {
    return std::move(info.error());
  }
  FenceOutcome outcome{.error = info->error, .at = {}};
  if (info->signalled_at != 0) {
    outcome.at = Deadline::Clock::time_point(std::chrono::nanoseconds(info->signalled_at));
  }
  return std::optional(outcome);
}

Result<Pollable> SyncFileState::readiness() {
  auto own = dup_sync_file();
  if (!own) {
    return std::move(own.error());
  }
  return Pollable{.fd = std::move(*own), .events = POLLIN};
}

Result<UniqueFd> SyncFileState::dup_sync_file() {
  return runtime()->kernel().duplicate(fd_.borrow());
}

}  // namespace causeway::core
