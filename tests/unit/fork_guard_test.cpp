// SPDX-License-Identifier: Apache-2.0
#include "core/fork_guard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <functional>

namespace causeway::core {
namespace {

/// What a forked child answers.
bool in_child(const std::function<bool()>& question) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(question() ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status) == 0;
}

TEST(ForkGuard, SameProcessIsTheSame) {
  const auto generation = fork_generation();
  ASSERT_TRUE(generation);
  EXPECT_TRUE(same_process(*generation));
  EXPECT_TRUE(check_same_process(*generation, "attach"));
}

TEST(ForkGuard, ChildIsAnother) {
  const std::uint64_t generation = fork_generation().value();
  EXPECT_TRUE(in_child([&] { return !same_process(generation); }));
  EXPECT_TRUE(same_process(generation)) << "the parent goes on";
}

TEST(ForkGuard, ChildIsToldWhatToDo) {
  const std::uint64_t generation = fork_generation().value();
  EXPECT_TRUE(in_child([&] {
    const auto status = check_same_process(generation, "attach");
    return !status && status.error().code() == Errc::WrongState && status.error().operation() == "attach" &&
           status.error().detail().find("create another one in the child") != std::string::npos;
  }));
}

TEST(ForkGuard, ChildMayStartAnewAndSoMayItsChildren) {
  const std::uint64_t parents = fork_generation().value();
  EXPECT_TRUE(in_child([&] {
    const std::uint64_t own = fork_generation().value();
    return same_process(own) && own != parents &&
           in_child([&] { return !same_process(own) && !same_process(parents); });
  }));
}

TEST(ForkGuard, SiblingsDoNotDisturbEachOther) {
  const std::uint64_t generation = fork_generation().value();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(in_child([&] { return !same_process(generation); }));
  }
  EXPECT_TRUE(same_process(generation));
}

}  // namespace
}  // namespace causeway::core
