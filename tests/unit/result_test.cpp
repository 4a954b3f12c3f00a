// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <causeway/result.hpp>
#include <cerrno>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace causeway {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) {
    return Error(Errc::InvalidArgument, "half", std::to_string(number) + " is odd; an even number would do");
  }
  return number / 2;
}
Status refuse() {
  return Error(Errc::Busy, "refuse", "it is never let");
}

TEST(Result, HoldsAValue) {
  const auto result = half(4);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result.has_value());
  EXPECT_EQ(*result, 2);
  EXPECT_EQ(result.value(), 2);
}

TEST(Result, HoldsAnError) {
  const auto result = half(3);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Errc::InvalidArgument);
  EXPECT_EQ(result.error().operation(), "half");
  EXPECT_EQ(result.error().detail(), "3 is odd; an even number would do");
  EXPECT_EQ(result.error().system_errno(), 0);
}

TEST(Result, ReadingTheValueOfAFailureThrows) {
  EXPECT_THROW(static_cast<void>(half(3).value()), tl::bad_expected_access<Error>);
}

TEST(Result, StatusIsSuccessByDefault) {
  EXPECT_TRUE(Status());
  EXPECT_FALSE(refuse());
}

TEST(Result, CarriesWhatOnlyMoves) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  auto made = make();
  ASSERT_TRUE(made);
  const std::unique_ptr<int> taken = std::move(*made);
  EXPECT_EQ(*taken, 7);
  EXPECT_EQ(**make(), 7);
}

TEST(Result, AndThenRunsOnSuccessAlone) {
  EXPECT_EQ(*half(8).and_then(half), 2);
  int calls = 0;
  const auto count = [&](int) -> Status {
    ++calls;
    return {};
  };
  EXPECT_FALSE(half(3).and_then(count));
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(half(2).and_then(count));
  EXPECT_EQ(calls, 1);
}

TEST(Result, AndThenOfAStatusTakesNothing) {
  const auto next = []() -> Result<int> { return 5; };
  EXPECT_EQ(*Status().and_then(next), 5);
  EXPECT_EQ(refuse().and_then(next).error().code(), Errc::Busy);
}

TEST(Result, ErrorsPassFromOneTypeToAnother) {
  const auto outer = []() -> Result<std::string> {
    auto inner = half(3);
    if (!inner) {
      return std::move(inner.error());
    }
    return std::to_string(*inner);
  };
  EXPECT_EQ(outer().error().operation(), "half");
}

TEST(Error, MessageNamesTheErrno) {
  const Error failure(Errc::OutOfFds, "open", "\"/dev/udmabuf\" could not be opened", EMFILE);
  EXPECT_EQ(failure.message(), "open: \"/dev/udmabuf\" could not be opened (EMFILE: Too many open files)");
  EXPECT_EQ(Error(Errc::Io, "read", "it ended").message(), "read: it ended");
}

TEST(Error, ContextComesFirst) {
  const auto failure = Error(Errc::Busy, "attach", "it is in use").within("frame 2");
  EXPECT_EQ(failure.detail(), "frame 2: it is in use");
  EXPECT_EQ(failure.code(), Errc::Busy);
}

TEST(Error, UnknownErrnoIsShownAsItsNumber) {
  EXPECT_NE(Error(Errc::Io, "ioctl", "it failed", 9999).message().find("9999"), std::string::npos);
}

TEST(Errc, ComesFromErrno) {
  EXPECT_EQ(errc_from_errno(EINVAL), Errc::InvalidArgument);
  EXPECT_EQ(errc_from_errno(ENOTTY), Errc::Unsupported);
  EXPECT_EQ(errc_from_errno(ENOENT), Errc::NotFound);
  EXPECT_EQ(errc_from_errno(EACCES), Errc::Permission);
  EXPECT_EQ(errc_from_errno(ENOMEM), Errc::OutOfMemory);
  EXPECT_EQ(errc_from_errno(EMFILE), Errc::OutOfFds);
  EXPECT_EQ(errc_from_errno(ENFILE), Errc::OutOfFds);
  EXPECT_EQ(errc_from_errno(EBUSY), Errc::Busy);
  EXPECT_EQ(errc_from_errno(ETIME), Errc::TimedOut);
  EXPECT_EQ(errc_from_errno(ENODEV), Errc::DeviceLost);
  EXPECT_EQ(errc_from_errno(EIO), Errc::Io);
  EXPECT_EQ(errc_from_errno(9999), Errc::Io);
}

TEST(Errc, EveryCodeHasWords) {
  for (std::int32_t code = 1; code <= 14; ++code) {
    EXPECT_NE(to_string(static_cast<Errc>(code)), "unknown error") << code;
  }
  EXPECT_EQ(to_string(static_cast<Errc>(15)), "unknown error");
}

static_assert(!std::is_convertible_v<Result<int>, int>, "a Result is asked before it is used");
static_assert(!std::is_convertible_v<Result<int>, bool>, "only in a condition is a Result a bool");

}  // namespace
}  // namespace causeway
