// SPDX-License-Identifier: Apache-2.0
#pragma once

// Descriptors that cross between the host and a driver (rule 3 of backend_abi.h): one that is lent is
// duplicated before a driver may keep it, and one that a driver gives is made fit to be handed on.

#include <fcntl.h>

#include <causeway/fd.hpp>
#include <causeway/plugin/backend.hpp>
#include <causeway/result.hpp>
#include <cerrno>
#include <string>
#include <string_view>

namespace causeway::plugin {

/// A descriptor of one's own for the same file, closed at exec. of_what, for the text: "a memory object".
/// Errors: OutOfFds (EMFILE, ENFILE), InvalidArgument (it is not open). Threads: thread-safe.
[[nodiscard]] inline Result<UniqueFd> duplicate(Host host, int lent, std::string_view of_what) {
  const auto& calls = host.syscalls();
  int own = -1;
  do {
    own = calls.fcntl(calls.context, lent, F_DUPFD_CLOEXEC, 0);
  } while (own < 0 && errno == EINTR);
  if (own >= 0) {
    return UniqueFd(own);
  }
  const int why = errno;
  return Error(errc_from_errno(why), "F_DUPFD_CLOEXEC",
               "the descriptor " + std::to_string(lent) + " of " + std::string(of_what) +
                   " could not be duplicated" +
                   (why == EMFILE ? ": this process has as many open as it may (RLIMIT_NOFILE)" : ""),
               why);
}

/// Takes charge of a descriptor that a driver made, and lets it be closed at exec: no graphics or compute API
/// promises that. Threads: thread-safe.
[[nodiscard]] inline UniqueFd take_from_driver(Host host, int made) {
  UniqueFd own(made);
  const auto& calls = host.syscalls();
  static_cast<void>(calls.fcntl(calls.context, made, F_SETFD, FD_CLOEXEC));  // of an open one it cannot fail
  return own;
}

}  // namespace causeway::plugin
