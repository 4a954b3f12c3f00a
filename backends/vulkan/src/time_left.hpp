// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <ctime>

namespace causeway::vulkan_backend {

[[nodiscard]] inline std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// The end of an access has no deadline of its caller's; a device that needs longer than this is taken for
/// hung.
constexpr std::int64_t kEndPatienceNs = 10'000'000'000;

/// Nanoseconds until a moment on CLOCK_MONOTONIC, as Vulkan's timeouts are given; 0 if it has passed.
[[nodiscard]] inline std::uint64_t left_ns(std::int64_t deadline_ns) noexcept {
  const std::int64_t now = now_ns();
  return deadline_ns > now ? static_cast<std::uint64_t>(deadline_ns - now) : 0;
}

}  // namespace causeway::vulkan_backend
