// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fd.hpp>
#include <mutex>

#include "context.hpp"

namespace causeway::opencl_backend {

/// Makes sync_files of events, by semaphores (cl_khr_external_semaphore_sync_fd). They are signalled on a
/// queue of their own, made when first needed: on the device's they would come after whatever was enqueued
/// since.
///
/// Threads: thread-safe.
class SyncFileMaker {
public:
  explicit SyncFileMaker(const Context& context) : context_(context) {}
  SyncFileMaker(const SyncFileMaker&) = delete;
  SyncFileMaker& operator=(const SyncFileMaker&) = delete;
  ~SyncFileMaker() = default;

  [[nodiscard]] bool able() const noexcept;
  /// A sync_file that signals when the event ends. Errors: the driver's.
  [[nodiscard]] Result<UniqueFd> make(cl_event event);

private:
  [[nodiscard]] Status prepare();

  const Context& context_;
  std::mutex mutex_;
  QueueHandle queue_;
};

}  // namespace causeway::opencl_backend
