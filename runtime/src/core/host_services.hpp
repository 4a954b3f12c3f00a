// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>
#include <causeway/result.hpp>

#include <cstdint>
#include <map>
#include <mutex>

#include "causeway/fd.hpp"

namespace causeway::core {

class RuntimeState;

/// What a runtime offers to its backends: the cw_host table and what stands behind it.
/// Threads: thread-safe.
class HostServices {
public:
  explicit HostServices(RuntimeState& runtime) noexcept;
  HostServices(const HostServices&) = delete;
  HostServices& operator=(const HostServices&) = delete;
  ~HostServices() = default;

  [[nodiscard]] const cw_host& table() const noexcept { return table_; }

private:
  Status create_event(cw_fence& event);
  Status signal_event(const cw_fence& event, int system_errno);
  void destroy_event(const cw_fence& event) noexcept;

  struct Event {
    UniqueFd fd;
    bool signalled = false;
    int system_errno = 0;
  };

  RuntimeState& runtime_;
  cw_host table_;
  std::mutex events_mutex_;
  std::map<std::uint64_t, Event> events_;
  std::uint64_t next_event_ = 1;
};

}  // namespace causeway::core
