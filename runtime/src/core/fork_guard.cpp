// SPDX-License-Identifier: Apache-2.0
#include "core/fork_guard.hpp"

#include <pthread.h>

#include <string>

#include "core/turn_watch.hpp"

namespace causeway::core {
namespace detail {

constinit std::atomic<std::uint64_t> generation{0};

Status other_process(std::string_view operation) {
  return Error(
      Errc::WrongState, std::string(operation),
      "this process was forked from the one that made the runtime, and a runtime serves that one alone; "
      "create another one in the child, or fork before the first");
}

}  // namespace detail

Result<std::uint64_t> fork_generation() {
  // Once a process, at the first need: programs that make no runtime carry no handler. It cannot be taken
  // back, and is inherited by children, so each later fork counts on.
  static const int noted = ::pthread_atfork(TurnWatch::lock_for_fork, TurnWatch::unlock_after_fork, [] {
    TurnWatch::unlock_after_fork();
    detail::generation.fetch_add(1, std::memory_order_relaxed);
  });
  if (noted != 0) {
    return Error(Errc::OutOfMemory, "pthread_atfork",
                 "the C library could not note the handler that tells a forked child from its parent", noted);
  }
  return detail::generation.load(std::memory_order_relaxed);
}

}  // namespace causeway::core
