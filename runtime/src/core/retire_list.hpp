// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/deadline.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace causeway::core {

class AttachmentState;

/// Mappings whose owner let them go while the device was still at work on them: they are kept until it is
/// done, and reaped when the runtime is dispatched, when something is attached or mapped, and at its end.
/// Threads: thread-safe.
class RetireList {
public:
  /// False once it was closed: then the caller waits itself.
  [[nodiscard]] bool add(std::shared_ptr<AttachmentState> attachment);
  /// For who has waited in vain: it stays mapped, and its device open, as the device may still write to it.
  void keep_for_good(std::shared_ptr<AttachmentState> attachment);
  /// Unmaps those whose device is done by the deadline; how many are left.
  std::size_t reap(Deadline deadline);
  /// Takes no more. What is left after the deadline stays mapped, as the device may still write to it.
  std::size_t close(Deadline deadline);

private:
  std::mutex mutex_;  // guards what follows
  std::vector<std::shared_ptr<AttachmentState>> retired_;
  bool closed_ = false;
};

}  // namespace causeway::core
