// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

namespace causeway {

/// What kind of failure it was: what a program branches on. The text is for people.
/// Values equal cw_status of plugin/backend_abi.h.
enum class Errc : std::int32_t {
  InvalidArgument = 1,  ///< the request itself is wrong
  Unsupported = 2,      ///< sound, but this device or system cannot do it
  NotFound = 3,         ///< no such device, file or object
  Permission = 4,       ///< the system refuses this user
  OutOfMemory = 5,      ///< memory or address space ran out
  OutOfFds = 6,         ///< the table of open files is full
  Busy = 7,             ///< in use; may work later
  TimedOut = 8,         ///< the deadline passed
  DeviceLost = 9,       ///< the device vanished or was reset
  WouldCopy = 10,       ///< possible only by copying, which was not allowed
  WrongState = 11,      ///< not now: ended, detached, streaming already
  Io = 12,              ///< the device reported a failure
  Incompatible = 13,    ///< versions that cannot work together
  Internal = 14,        ///< a defect of Causeway or of a backend
};

[[nodiscard]] constexpr std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::InvalidArgument: return "invalid argument";
    case Errc::Unsupported: return "unsupported";
    case Errc::NotFound: return "not found";
    case Errc::Permission: return "permission denied";
    case Errc::OutOfMemory: return "out of memory";
    case Errc::OutOfFds: return "out of file descriptors";
    case Errc::Busy: return "busy";
    case Errc::TimedOut: return "timed out";
    case Errc::DeviceLost: return "device lost";
    case Errc::WouldCopy: return "would copy";
    case Errc::WrongState: return "wrong state";
    case Errc::Io: return "input/output error";
    case Errc::Incompatible: return "incompatible";
    case Errc::Internal: return "internal error";
  }
  return "unknown error";
}

/// The kind of failure that an errno of a system call stands for.
[[nodiscard]] Errc errc_from_errno(int system_errno) noexcept;

/// A failure: its kind, the system's errno if a system call was at fault, the operation that failed, and
/// whole sentences that say what was asked, what was given and what would work.
///
/// Threads: reentrant.
class [[nodiscard]] Error {
public:
  Error(Errc code, std::string operation, std::string detail, int system_errno = 0)
      : code_(code),
        system_errno_(system_errno),
        operation_(std::move(operation)),
        detail_(std::move(detail)) {}

  [[nodiscard]] Errc code() const noexcept { return code_; }
  /// 0 where no system call was at fault.
  [[nodiscard]] int system_errno() const noexcept { return system_errno_; }
  [[nodiscard]] const std::string& operation() const noexcept { return operation_; }
  [[nodiscard]] const std::string& detail() const noexcept { return detail_; }
  /// Everything, for a person: "<operation>: <detail> (<errno's name and text>)".
  [[nodiscard]] std::string message() const {
    std::string text = operation_ + ": " + detail_;
    if (system_errno_ != 0) {
      const char* name = ::strerrorname_np(system_errno_);
      const char* words = ::strerrordesc_np(system_errno_);
      text += " (";
      text += name != nullptr ? name : std::to_string(system_errno_);
      text += ": ";
      text += words != nullptr ? words : "unknown";
      text += ")";
    }
    return text;
  }

  /// The same failure seen from further up: says first what was attempted there.
  [[nodiscard]] Error within(std::string_view context) && {
    detail_.insert(0, std::string(context) + ": ");
    return std::move(*this);
  }

private:
  Errc code_;
  int system_errno_;
  std::string operation_;
  std::string detail_;
};

inline Errc errc_from_errno(int system_errno) noexcept {
  switch (system_errno) {
    case EINVAL:
    case EFAULT:
    case EBADF: return Errc::InvalidArgument;
    case ENOTTY:
    case ENOSYS:
    case EOPNOTSUPP:
    case ENXIO: return Errc::Unsupported;
    case ENOENT: return Errc::NotFound;
    case EACCES:
    case EPERM: return Errc::Permission;
    case ENOMEM:
    case ENOSPC: return Errc::OutOfMemory;
    case EMFILE:
    case ENFILE: return Errc::OutOfFds;
    case EBUSY:
    case EAGAIN: return Errc::Busy;
    case ETIME:
    case ETIMEDOUT: return Errc::TimedOut;
    case ENODEV: return Errc::DeviceLost;
    default: return Errc::Io;
  }
}

template <class T>
class Result;

namespace detail {
template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<Result<T>> = true;
}  // namespace detail

/// A value or the Error that stood in its way; Result<void> is success or an Error.
///
/// It has tl::expected's member names, and is a class rather than an alias so that a dropped Result is
/// warned of. Reading the value of a failure is a defect of the program and throws
/// tl::bad_expected_access<Error>; nothing else here throws.
///
/// Threads: reentrant.
template <class T>
class [[nodiscard]] Result : private tl::expected<T, Error> {
  using Base = tl::expected<T, Error>;

public:
  using value_type = T;
  using error_type = Error;

  using Base::Base;
  using Base::has_value;
  using Base::operator bool;
  using Base::error;

  /// Of Result<void>: success. Not defaulted, so that the place for an Error is not cleared each time.
  Result() requires std::is_default_constructible_v<Base> : Base() {}
  Result(Error failure) : Base(tl::unexpect, std::move(failure)) {}  // NOLINT: conversion is the point

  template <class U = T>
  requires(!std::is_void_v<U>) [[nodiscard]] U& operator*() & { return Base::operator*(); }
  template <class U = T>
  requires(!std::is_void_v<U>) [[nodiscard]] const U& operator*() const& { return Base::operator*(); }
  template <class U = T>
  requires(!std::is_void_v<U>) [[nodiscard]] U&& operator*() && { return std::move(*this).Base::operator*(); }
  template <class U = T>
  requires(!std::is_void_v<U>) [[nodiscard]] U* operator->() { return Base::operator->(); }
  template <class U = T>
  requires(!std::is_void_v<U>) [[nodiscard]] const U* operator->() const { return Base::operator->(); }

  /// The value. Throws tl::bad_expected_access<Error> on a failure, whose error() is this one.
  template <class U = T>
  requires(!std::is_void_v<U>) [[nodiscard]] U& value() & { return Base::value(); }
  template <class U = T>
  requires(!std::is_void_v<U>) [[nodiscard]] const U& value() const& { return Base::value(); }
  template <class U = T>
  requires(!std::is_void_v<U>) [[nodiscard]] U&& value() && { return std::move(*this).Base::value(); }
  template <class U = T>
  requires(std::is_void_v<U>) void value() const {
    if (!has_value()) {
      throw tl::bad_expected_access<Error>(error());
    }
  }

  /// next(value), which returns a Result; or this failure.
  template <class F>
  [[nodiscard]] auto and_then(F&& next) && {
    if constexpr (std::is_void_v<T>) {
      using R = std::invoke_result_t<F>;
      static_assert(detail::is_result<R>, "and_then takes a function that returns a Result");
      return has_value() ? std::forward<F>(next)() : R(std::move(*this).error());
    } else {
      using R = std::invoke_result_t<F, T&&>;
      static_assert(detail::is_result<R>, "and_then takes a function that returns a Result");
      return has_value() ? std::forward<F>(next)(std::move(*this).value()) : R(std::move(*this).error());
    }
  }
};

using Status = Result<void>;

}  // namespace causeway
