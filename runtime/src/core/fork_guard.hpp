// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/result.hpp>

#include <atomic>
#include <cstdint>
#include <string_view>

namespace causeway::core {

/// A forked child has copies of all our books: the same turns, the same mappings of the same memory, and none
/// of the threads. Whatever it did with them would be wrong for its parent, so the use of what was made
/// before a fork is refused. The child may make a runtime of its own.
///
/// Seen is every fork(2) through libc, which runs pthread_atfork's handlers. Not seen: a bare clone system
/// call, and vfork, after which only exec or _exit is allowed anyway.

/// How many forks lie between the first process and this one. Remember it where something is made.
/// Errors: OutOfMemory (the C library could not note the handler). Threads: thread-safe.
[[nodiscard]] Result<std::uint64_t> fork_generation();

namespace detail {
extern std::atomic<std::uint64_t> generation;
[[nodiscard]] Status other_process(std::string_view operation);
}  // namespace detail

/// Whether this is the process in which `generation` was remembered: one load. Threads: thread-safe.
[[nodiscard]] inline bool same_process(std::uint64_t generation) noexcept {
  return detail::generation.load(std::memory_order_relaxed) == generation;
}

/// The same, as a Status that names the operation. Errors: WrongState. Threads: thread-safe.
[[nodiscard]] inline Status check_same_process(std::uint64_t generation, std::string_view operation) {
  return same_process(generation) ? Status() : detail::other_process(operation);
}

}  // namespace causeway::core
