// SPDX-License-Identifier: Apache-2.0
#include "core/runtime_state.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <utility>

namespace causeway::core {
namespace {

void log_to_stderr(LogLevel level, std::string_view text) {
  if (level >= LogLevel::Warning) {
    std::fprintf(stderr, "causeway: %s: %.*s\n", level == LogLevel::Error ? "error" : "warning",
                 static_cast<int>(text.size()), text.data());
  }
}

}  // namespace

RuntimeState::RuntimeState(const cw_syscalls& syscalls, Log log, std::uint64_t generation, bool elides_sync)
    : generation_(generation),
      elides_sync_(elides_sync),
      kernel_(syscalls),
      log_(log ? std::move(log) : Log(&log_to_stderr)),
      services_(*this),
      dispatcher_(kernel_) {}

RuntimeState::~RuntimeState() = default;

void RuntimeState::equip(std::vector<std::unique_ptr<Allocator>> allocators, std::vector<cw_backend> backends,
                         std::vector<RefusedBackend> refused) {
  allocators_ = std::move(allocators);
  backends_ = std::move(backends);
  refused_ = std::move(refused);
}

const cw_backend* RuntimeState::backend(std::string_view name) const noexcept {
  const auto found = std::find_if(backends_.begin(), backends_.end(),
                                  [&](const cw_backend& backend) { return name == backend.name; });
  return found == backends_.end() ? nullptr : &*found;
}

void RuntimeState::log(LogLevel level, std::string_view text) const noexcept {
  try {
    log_(level, text);
  } catch (const std::exception& failure) {
    // A logger that fails must not take the program with it.
    std::fprintf(stderr, "causeway: the log function threw: %s\n", failure.what());
  } catch (...) {
    std::fputs("causeway: the log function threw something that is no std::exception\n", stderr);
  }
}

}  // namespace causeway::core
