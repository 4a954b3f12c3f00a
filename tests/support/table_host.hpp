// SPDX-License-Identifier: Apache-2.0
#pragma once

// A small host for a backend's table in the hands of a test: it keeps what is logged and counted, and its
// events are the test's to signal.

#include <gtest/gtest.h>

#include <causeway/plugin/backend.hpp>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace causeway::test {

/// map_object gives the address that the object's ref is. The system calls are the caller's to set, and what
/// fence_wait does is the derived host's. Threads: thread-safe.
class TableHost {
public:
  explicit TableHost(const cw_syscalls& syscalls);
  TableHost(const TableHost&) = delete;
  TableHost& operator=(const TableHost&) = delete;

  [[nodiscard]] const cw_host* raw() const { return &table_; }
  [[nodiscard]] std::vector<std::string> messages() const;
  /// What the backend counted.
  [[nodiscard]] std::uint64_t cpu_waits() const;

  /// An event as the host has it, for the device to wait for.
  [[nodiscard]] cw_fence make_event();
  void signal(const cw_fence& event, int system_errno = 0);
  void destroy(const cw_fence& event);
  /// Events that were made and not destroyed.
  [[nodiscard]] std::size_t live_events() const;
  [[nodiscard]] bool signalled(const cw_fence& event) const;
  [[nodiscard]] int error_of(const cw_fence& event) const;
  /// As a host of version 1.0, which tells nobody of its events.
  void be_old() { table_.struct_size = offsetof(cw_host, fence_wait); }

protected:
  ~TableHost() = default;
  void count_cpu_waits(std::uint64_t more);
  void keep_message(const char* text);

  cw_host table_ = plugin::sized<cw_host>();

private:
  struct Event {
    bool signalled = false;
    int system_errno = 0;
    std::vector<std::pair<void (*)(void*, std::int32_t), void*>> told;
  };
  mutable std::mutex mutex_;  // guards what follows
  std::vector<std::string> messages_;
  std::uint64_t cpu_waits_ = 0;
  std::uint64_t next_event_ = 1;
  std::map<std::uint64_t, Event> events_;
  std::map<std::uint64_t, int> ended_;  ///< the errors of events that were signalled and destroyed
};

}  // namespace causeway::test
