// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace causeway::bench {

/// What has passed since it was made. Threads: reentrant.
class Stopwatch {
public:
  Stopwatch() noexcept : start_(std::chrono::steady_clock::now()) {}
  [[nodiscard]] double seconds() const noexcept {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

private:
  std::chrono::steady_clock::time_point start_;
};

}  // namespace causeway::bench
