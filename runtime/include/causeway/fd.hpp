// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <utility>

namespace causeway {

/// A descriptor that somebody else owns and keeps open for the duration of the call.
///
/// A BorrowedFd is a promise of its maker, not a resource: it never closes, and whoever wants to keep
/// the descriptor duplicates it. Its constructor is explicit so that a bare int cannot slip in unnoticed.
///
/// Threads: reentrant (an immutable value).
class BorrowedFd {
public:
  explicit constexpr BorrowedFd(int fd) noexcept : fd_(fd) {}

  [[nodiscard]] constexpr int get() const noexcept { return fd_; }
  [[nodiscard]] constexpr bool valid() const noexcept { return fd_ >= 0; }

private:
  int fd_;
};

/// A descriptor that this object owns and closes.
///
/// Threads: reentrant.
class UniqueFd {
public:
  constexpr UniqueFd() noexcept = default;
  /// Takes ownership of fd; -1 makes an empty object.
  explicit constexpr UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset(std::exchange(other.fd_, -1));
    }
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  [[nodiscard]] constexpr int get() const noexcept { return fd_; }
  [[nodiscard]] constexpr bool valid() const noexcept { return fd_ >= 0; }
  /// Lends the descriptor; the loan ends with this object.
  [[nodiscard]] constexpr BorrowedFd borrow() const noexcept { return BorrowedFd{fd_}; }
  /// Gives the descriptor away: the caller closes it from now on.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  /// Closes what is held, and holds fd instead. Linux frees the number even when close(2) reports EINTR,
  /// so it is never repeated (man 2 close).
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) {
      ::close(fd_);
    }
    fd_ = fd;
  }

private:
  int fd_ = -1;
};

}  // namespace causeway
