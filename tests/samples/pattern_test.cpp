// SPDX-License-Identifier: Apache-2.0
//
// The sample on its pattern: every format gives the picture that the CPU computes, nothing is copied, and the
// report is complete.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "samples/picture.hpp"
#include "samples/run_program.hpp"

namespace causeway::test {
namespace {

constexpr std::array<Ycc, 8> kBars{{{180, 128, 128},
                                    {162, 44, 142},
                                    {131, 156, 44},
                                    {112, 72, 58},
                                    {84, 184, 198},
                                    {65, 100, 212},
                                    {35, 212, 114},
                                    {16, 128, 128}}};

// The nth picture of the pattern, as source_pattern.cpp describes it.
Ycc pattern(int x, int y, int width, int height, int number) {
  const int bar = std::max(2, (width / 8) & ~1);
  if (y < ((height * 3 / 4) & ~1)) {
    return kBars.at(static_cast<std::size_t>((x + 2 * number) / bar % 8));
  }
  const int block = (number * 8 % width) & ~1;
  return x >= block && x < block + bar ? Ycc{235, 128, 128} : Ycc{};
}

nlohmann::json read_json(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file, nullptr, false);
}

struct Case {
  const char* format;
  int width;
  int height;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.format << " " << c.width << "x" << c.height;
}

class EveryFormat : public ::testing::TestWithParam<Case> {};

TEST_P(EveryFormat, GivesThePictureThatTheCpuComputes) {
  const auto [format, width, height] = GetParam();
  const TempFolder folder;
  Program program(CAMERA_TO_GPU, {"--source", "pattern", "--format", format, "--size",
                                  std::to_string(width) + "x" + std::to_string(height), "--frames", "5",
                                  "--out", folder.path("frame.png")});
  const auto ended = program.wait();
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  const std::string name = format;
  const bool rgb = name != "NV12" && name != "YUYV" && name != "UYVY";
  const auto expected = expected_picture(
      width, height,
      [&, width = width, height = height](int x, int y) { return pattern(x, y, width, height, 4); }, rgb);
  EXPECT_EQ(difference(read_png(folder.path("frame.png")), expected), "");
  EXPECT_EQ(folder.files(), std::vector<std::string>{"frame.png"});
}

INSTANTIATE_TEST_SUITE_P(Formats, EveryFormat,
                         ::testing::Values(Case{"NV12", 64, 48}, Case{"YUYV", 64, 48}, Case{"UYVY", 64, 48},
                                           Case{"RGB32", 64, 48}, Case{"XR24", 64, 48}, Case{"AR24", 64, 48},
                                           Case{"XB24", 64, 48}, Case{"AB24", 64, 48}, Case{"BX24", 64, 48},
                                           Case{"BA24", 64, 48}));
// Sizes that are a multiple of nothing: the last work groups are cut off, rows start anywhere.
INSTANTIATE_TEST_SUITE_P(Sizes, EveryFormat,
                         ::testing::Values(Case{"NV12", 2, 2}, Case{"NV12", 130, 34}, Case{"YUYV", 146, 33},
                                           Case{"XR24", 37, 19}, Case{"NV12", 1922, 6}));

TEST(Report, HasAllThatWasMeasured) {
  const TempFolder folder;
  Program program(CAMERA_TO_GPU,
                  {"--size", "320x240", "--frames", "12", "--compare", "--json", folder.path("r.json")});
  const auto ended = program.wait();
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = read_json(folder.path("r.json"));
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json.at("source"), "pattern");
  EXPECT_EQ(json.at("format"), "NV12");
  EXPECT_EQ(json.at("frames"), 12);
  EXPECT_EQ(json.at("size").at("width"), 320);
  EXPECT_FALSE(json.at("device").at("name").get<std::string>().empty());
  EXPECT_FALSE(json.at("exporter").get<std::string>().empty());
  // One import of the frames, one of the output.
  ASSERT_EQ(json.at("verdicts").size(), 2U);
  for (const auto& verdict : json.at("verdicts")) {
    EXPECT_EQ(verdict.at("verdict"), "Aliased") << verdict;
  }
  EXPECT_EQ(json.at("copied_bytes_per_frame"), 0);
  EXPECT_EQ(json.at("copying").at("copied_bytes_per_frame"), 320 * 240 * 3 / 2);
  EXPECT_EQ(json.at("cpu_waits_per_frame"), 0.0);
  EXPECT_GE(json.at("cpu_access_waits_per_frame").get<double>(), 0.0);
  EXPECT_EQ(json.at("copying").at("cpu_waits_per_frame"), 2.0);
  EXPECT_NE(ended.out.find("CPU waits 0 a frame between devices"), std::string::npos) << ended.out;
  EXPECT_TRUE(json.at("same_picture").get<bool>());
  for (const auto& stages : {json.at("stages"), json.at("copying").at("stages")}) {
    for (const auto* stage : {"fill", "hand_over", "compute", "total"}) {
      EXPECT_GT(stages.at(stage).at("median_us").get<double>(), 0) << stage;
      EXPECT_GE(stages.at(stage).at("p99_us"), stages.at(stage).at("median_us")) << stage;
    }
  }
  EXPECT_GT(json.at("fps").get<double>(), 0);
  EXPECT_GT(json.at("ratio").at("hand_over").get<double>(), 0);
  EXPECT_GT(json.at("ratio").at("total").get<double>(), 0);
}

TEST(Signals, AnInterruptEndsTheRunWithAReport) {
  const TempFolder folder;
  Program program(CAMERA_TO_GPU, {"--size", "64x64", "--frames", "1000000", "--out", folder.path("frame.png"),
                                  "--json", folder.path("r.json")});
  // Once the outputs are reserved the handler is there.
  for (int i = 0; i < 2000 && folder.files().size() < 2; ++i) {
    ::usleep(5000);
  }
  ::usleep(2'000'000);
  program.signal(SIGINT);
  const auto ended = program.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_LT(read_json(folder.path("r.json")).at("frames").get<int>(), 1000000);
  EXPECT_EQ(read_png(folder.path("frame.png")).width, 64);
}

}  // namespace
}  // namespace causeway::test
