// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/fake_kernel.hpp"

namespace causeway::test {

/// Which calls were made, and which are to fail. Threads: thread-safe.
class CallLog {
public:
  /// Notes a call; returns the errno with which it is to fail, or 0.
  [[nodiscard]] int enter(FakeCall call);

  [[nodiscard]] std::size_t count(std::string_view name) const;
  [[nodiscard]] std::vector<FakeCall> calls() const;
  void forget();

  void fail_nth(std::string_view name, std::size_t n, int system_errno, bool and_all_later);
  void stop_failing();

  /// The call with this index (0: the next one), whatever its name, fails.
  void arm(std::size_t index, int system_errno);
  /// The call that failed because of arm(); empty if none came so far.
  [[nodiscard]] std::optional<FakeCall> disarm();

private:
  struct Failure {
    std::string name;
    std::size_t calls_before;
    int system_errno;
    bool and_all_later;
  };
  struct Armed {
    std::size_t calls_before;
    int system_errno;
  };

  mutable std::mutex mutex_;
  std::vector<FakeCall> calls_;
  std::vector<Failure> failures_;
  std::optional<Armed> armed_;
  std::optional<FakeCall> failed_;
};

/// F_DUPFD_QUERY of Linux 6.10, which older headers do not have: F_LINUX_SPECIFIC_BASE + 3.
inline constexpr int kFcntlDupfdQuery = 1024 + 3;

/// "DMA_BUF_IOCTL_SYNC" and so on; "0x…" for a request that is not known.
[[nodiscard]] std::string ioctl_name(unsigned long request);
[[nodiscard]] std::string fcntl_name(int command);

}  // namespace causeway::test
