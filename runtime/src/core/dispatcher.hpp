// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/fence.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "uapi/kernel.hpp"

namespace causeway::core {

class FenceState;

/// The fences whose callbacks wait for Runtime::dispatch(), and a descriptor that tells when one may be due.
/// Threads: thread-safe.
class Dispatcher {
public:
  explicit Dispatcher(const uapi::Kernel& kernel) noexcept : kernel_(kernel) {}

  void add(std::shared_ptr<FenceState> fence);
  /// Runs what is due on this thread; how many fences that were.
  std::size_t run();
  /// An epoll instance that is readable when run() has something to do. Errors: OutOfFds.
  [[nodiscard]] Result<Pollable> readiness();
  /// Forgets everything and takes no more: the callbacks that are left run only if somebody waits.
  void close() noexcept;

private:
  struct Entry {
    std::shared_ptr<FenceState> fence;
    UniqueFd watched;  // in the epoll instance; empty while nobody asked for that
  };
  [[nodiscard]] Status watch_locked(Entry& entry);

  const uapi::Kernel& kernel_;
  std::mutex mutex_;  // guards what follows
  std::vector<Entry> entries_;
  UniqueFd epoll_;
  bool closed_ = false;
};

}  // namespace causeway::core
