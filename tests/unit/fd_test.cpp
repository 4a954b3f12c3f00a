// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <causeway/fd.hpp>
#include <cerrno>
#include <type_traits>
#include <utility>

namespace causeway {
namespace {

int make() {
  return ::memfd_create("fd_test", MFD_CLOEXEC);
}
bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(UniqueFd, IsEmptyByDefault) {
  const UniqueFd fd;
  EXPECT_FALSE(fd.valid());
  EXPECT_EQ(fd.get(), -1);
}

TEST(UniqueFd, ClosesAtItsEnd) {
  const int number = make();
  {
    const UniqueFd fd(number);
    EXPECT_TRUE(fd.valid());
    EXPECT_EQ(fd.get(), number);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, DescriptorZeroIsAsGoodAsAny) {
  const int saved = ::fcntl(0, F_DUPFD_CLOEXEC, 3);
  {
    ::dup2(UniqueFd(make()).get(), 0);
    const UniqueFd zero(0);
    EXPECT_TRUE(zero.valid());
  }
  EXPECT_FALSE(is_open(0));
  if (saved >= 0) {
    ::dup2(saved, 0);
    ::close(saved);
  }
}

TEST(UniqueFd, MovesItsOwnership) {
  UniqueFd from(make());
  const int number = from.get();
  const UniqueFd to(std::move(from));
  EXPECT_FALSE(from.valid());  // NOLINT(bugprone-use-after-move): what is left of it is the point
  EXPECT_EQ(to.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, AssignmentClosesWhatWasHeld) {
  UniqueFd to(make());
  UniqueFd from(make());
  const int old = to.get();
  const int taken = from.get();
  to = std::move(from);
  EXPECT_FALSE(is_open(old));
  EXPECT_EQ(to.get(), taken);
  EXPECT_TRUE(is_open(taken));
}

TEST(UniqueFd, SurvivesAssignmentToItself) {
  UniqueFd fd(make());
  const int number = fd.get();
  UniqueFd& alias = fd;
  fd = std::move(alias);
  EXPECT_EQ(fd.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, ReleaseGivesAway) {
  UniqueFd fd(make());
  const int number = fd.release();
  EXPECT_FALSE(fd.valid());
  EXPECT_TRUE(is_open(number));
  EXPECT_EQ(::close(number), 0);
  EXPECT_EQ(fd.release(), -1);
}

TEST(UniqueFd, ResetClosesAndTakes) {
  UniqueFd fd(make());
  const int old = fd.get();
  const int next = make();
  fd.reset(next);
  EXPECT_FALSE(is_open(old));
  EXPECT_EQ(fd.get(), next);
  fd.reset();
  EXPECT_FALSE(is_open(next));
  EXPECT_FALSE(fd.valid());
  fd.reset();
}

TEST(BorrowedFd, LendsAndNeverCloses) {
  const UniqueFd owner(make());
  {
    const BorrowedFd lent = owner.borrow();
    EXPECT_TRUE(lent.valid());
    EXPECT_EQ(lent.get(), owner.get());
  }
  EXPECT_TRUE(is_open(owner.get()));
  EXPECT_FALSE(UniqueFd().borrow().valid());
}

static_assert(!std::is_copy_constructible_v<UniqueFd> && !std::is_copy_assignable_v<UniqueFd>);
static_assert(!std::is_convertible_v<int, UniqueFd> && !std::is_convertible_v<int, BorrowedFd>);
static_assert(std::is_nothrow_move_constructible_v<UniqueFd> && std::is_nothrow_move_assignable_v<UniqueFd>);

}  // namespace
}  // namespace causeway
