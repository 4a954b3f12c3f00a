// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "loader/search_path.hpp"

namespace causeway::loader {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;

TEST(SearchPath, OptionGoesBeforeTheEnvironment) {
  const auto path = search_path({.option = "/a:/b", .environment = "/c", .secure = false});
  EXPECT_THAT(path.places, ElementsAre("/a", "/b"));
  EXPECT_TRUE(path.asked_for);
}

TEST(SearchPath, EnvironmentGoesBeforeTheInstallation) {
  const auto path = search_path({.environment = "/c", .secure = false});
  EXPECT_THAT(path.places, ElementsAre("/c"));
  EXPECT_TRUE(path.asked_for);
}

TEST(SearchPath, InstallationIsTheDefaultAndMayBeMissing) {
  const auto path = search_path({.secure = false});
  EXPECT_THAT(path.places, ElementsAre(EndsWith("/causeway/backends")));
  EXPECT_FALSE(path.asked_for);
}

TEST(SearchPath, EnvironmentOfASecureProgramIsIgnored) {
  const auto path = search_path({.environment = "/c", .secure = true});
  EXPECT_THAT(path.places, ElementsAre(EndsWith("/causeway/backends")));
}

TEST(SearchPath, OptionOfASecureProgramIsItsOwnChoice) {
  EXPECT_THAT(search_path({.option = "/a", .environment = "/c", .secure = true}).places, ElementsAre("/a"));
}

TEST(SearchPath, SecureUnlessSomebodyKnowsBetter) {
  EXPECT_TRUE(SearchPathSource{}.secure);
}

TEST(SearchPath, EmptyMeansNowhere) {
  EXPECT_THAT(search_path({.option = "", .environment = "/c", .secure = false}).places, IsEmpty());
  EXPECT_THAT(search_path({.environment = "", .secure = false}).places, IsEmpty());
}

TEST(SearchPath, EmptyPartsAreNotTheCurrentFolder) {
  EXPECT_THAT(search_path({.option = ":", .secure = false}).places, IsEmpty());
  EXPECT_THAT(search_path({.option = "::/a::b:", .secure = false}).places, ElementsAre("/a", "b"));
}

TEST(SearchPath, ThisProcessReadsItsEnvironment) {
  ::setenv("CAUSEWAY_BACKEND_PATH", "/from/the/environment", 1);
  const auto source = process_source("/from/the/program");
  ::unsetenv("CAUSEWAY_BACKEND_PATH");
  EXPECT_EQ(source.option, "/from/the/program");
  EXPECT_EQ(source.environment, "/from/the/environment");
  EXPECT_FALSE(process_source({}).environment);
}

}  // namespace
}  // namespace causeway::loader
