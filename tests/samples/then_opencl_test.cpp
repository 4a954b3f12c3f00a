// SPDX-License-Identifier: Apache-2.0
//
// The sample with OpenCL behind Vulkan, on one memory: the picture is what the CPU makes of the one without
// OpenCL.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "samples/picture.hpp"
#include "samples/run_program.hpp"

namespace causeway::test {
namespace {

struct Run {
  Ended ended;
  Picture picture;
  nlohmann::json report;
};

Run run(const std::string& size, const std::vector<std::string>& more) {
  const TempFolder folder;
  std::vector<std::string> args{
      "--size", size, "--frames", "5", "--out", folder.path("frame.png"), "--json", folder.path("r.json")};
  args.insert(args.end(), more.begin(), more.end());
  Run made;
  made.ended = Program(CAMERA_TO_GPU, args).wait();
  made.picture = read_png(folder.path("frame.png"));
  std::ifstream file(folder.path("r.json"));
  made.report = nlohmann::json::parse(file, nullptr, false);
  return made;
}

/// The histogram that histogram.cpp describes, drawn into a picture by the CPU.
Picture with_histogram(Picture picture) {
  std::array<std::array<int, 256>, 3> bins{};
  for (const auto& pixel : picture.pixels) {
    ++bins[0].at(static_cast<std::size_t>(pixel.r));
    ++bins[1].at(static_cast<std::size_t>(pixel.g));
    ++bins[2].at(static_cast<std::size_t>(pixel.b));
  }
  int most = 0;
  for (const auto& channel : bins) {
    most = std::max(most, *std::max_element(channel.begin(), channel.end()));
  }
  const int box_width = std::min(picture.width, 256);
  const int box_height = std::max(picture.height / 4, 1);
  for (int up = 0; up < box_height; ++up) {
    for (int x = 0; x < box_width; ++x) {
      const auto bin = static_cast<std::size_t>(x * 256 / box_width);
      const auto drawn = [&](std::size_t channel, int before) {
        const auto height = std::int64_t{bins.at(channel).at(bin)} * box_height / most;
        return up < height ? 255 : before / 4;
      };
      auto& pixel = picture.pixels.at(static_cast<std::size_t>(picture.height - 1 - up) *
                                          static_cast<std::size_t>(picture.width) +
                                      static_cast<std::size_t>(x));
      pixel = {drawn(0, pixel.r), drawn(1, pixel.g), drawn(2, pixel.b)};
    }
  }
  return picture;
}

class ThenOpencl : public ::testing::TestWithParam<const char*> {};

TEST_P(ThenOpencl, DrawsTheHistogramThatTheCpuComputes) {
  const auto plain = run(GetParam(), {});
  ASSERT_EQ(plain.ended.exit_code, 0) << plain.ended.err;
  EXPECT_FALSE(plain.report.contains("then"));
  const auto both = run(GetParam(), {"--then", "opencl"});
  ASSERT_EQ(both.ended.exit_code, 0) << both.ended.err;
  ASSERT_FALSE(plain.picture.pixels.empty());
  EXPECT_NE(difference(both.picture, plain.picture), "") << "there is something to see";
  EXPECT_EQ(difference(both.picture, with_histogram(plain.picture)), "");

  const auto& then = both.report.at("then");
  EXPECT_EQ(then.at("counted_pixels"), plain.picture.width * plain.picture.height);
  EXPECT_FALSE(then.at("device").get<std::string>().empty());
  EXPECT_EQ(both.report.at("copied_bytes_per_frame"), 0);
  // The input of Vulkan; the output of Vulkan and of OpenCL.
  ASSERT_EQ(both.report.at("verdicts").size(), 3U);
  for (const auto& verdict : both.report.at("verdicts")) {
    EXPECT_EQ(verdict.at("verdict"), "Aliased") << verdict;
  }
  EXPECT_EQ(both.report.at("verdicts").at(2).at("backend"), "opencl");
  EXPECT_NE(both.ended.out.find(" pixels and drew their histogram"), std::string::npos) << both.ended.out;
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThenOpencl, ::testing::Values("320x240", "1280x720", "130x34", "2x2"));

TEST(ThenOpenclArguments, AreRefusedWithAReason) {
  const auto compared = run("64x64", {"--then", "opencl", "--compare"});
  EXPECT_EQ(compared.ended.exit_code, 2);
  EXPECT_NE(compared.ended.err.find("excludes"), std::string::npos) << compared.ended.err;
  const auto other = run("64x64", {"--then", "cuda"});
  EXPECT_EQ(other.ended.exit_code, 2);
  EXPECT_NE(other.ended.err.find("cuda not in"), std::string::npos) << other.ended.err;
}

}  // namespace
}  // namespace causeway::test
