// SPDX-License-Identifier: Apache-2.0
//
// The sample on Y4M files: sound ones give their picture, the others one sentence.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "samples/picture.hpp"
#include "samples/run_program.hpp"

namespace causeway::test {
namespace {

constexpr int kWidth = 36;
constexpr int kHeight = 20;

// A gentle ramp, so that hardly an edge hides a mistake; different in each picture. Chroma is equal in blocks
// of two by two pixels, as 4:2:0 has it.
Ycc ramp(int x, int y, int number) {
  return {.y = 40 + 3 * x + 2 * y + 5 * number, .cb = 90 + 2 * (x / 2), .cr = 160 - 3 * (y / 2)};
}

std::string picture_bytes(int number) {
  std::string bytes;
  const auto plane = [&](int step, const std::function<int(const Ycc&)>& part) {
    for (int y = 0; y < kHeight; y += step) {
      for (int x = 0; x < kWidth; x += step) {
        bytes += static_cast<char>(part(ramp(x, y, number)));
      }
    }
  };
  plane(1, [](const Ycc& c) { return c.y; });
  plane(2, [](const Ycc& c) { return c.cb; });
  plane(2, [](const Ycc& c) { return c.cr; });
  return bytes;
}

const std::string kGoodHeader = "YUV4MPEG2 W36 H20 F25:1 Ip A1:1 C420jpeg XCOMMENT\n";

std::string good_file(int pictures, const std::string& header = kGoodHeader) {
  std::string bytes = header;
  for (int i = 0; i < pictures; ++i) {
    bytes += (i == 1 ? "FRAME Ip\n" : "FRAME\n") + picture_bytes(i);
  }
  return bytes;
}

Ended run_on(const TempFolder& folder, const std::string& bytes, std::vector<std::string> more = {}) {
  std::ofstream(folder.path("in.y4m"), std::ios::binary) << bytes;
  more.insert(more.end(), {"--source", folder.path("in.y4m"), "--out", folder.path("frame.png")});
  return Program(CAMERA_TO_GPU, more).wait();
}

TEST(Y4m, GivesItsLastPicture) {
  const TempFolder folder;
  const auto ended = run_on(folder, good_file(3));
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_NE(ended.out.find("3 frames"), std::string::npos) << ended.out;
  const auto expected = expected_picture(
      kWidth, kHeight, [](int x, int y) { return ramp(x, y, 2); }, false);
  EXPECT_EQ(difference(read_png(folder.path("frame.png")), expected), "");
}

TEST(Y4m, StartsAgainWhenMoreFramesAreAskedForThanItHas) {
  const TempFolder folder;
  const auto ended = run_on(folder, good_file(3, "YUV4MPEG2 W36 H20\n"), {"--frames", "5", "--compare"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_NE(ended.out.find("the same picture"), std::string::npos) << ended.out;
  const auto expected = expected_picture(
      kWidth, kHeight, [](int x, int y) { return ramp(x, y, 1); }, false);
  EXPECT_EQ(difference(read_png(folder.path("frame.png")), expected), "");
}

struct Bad {
  const char* name;
  std::string bytes;
  const char* says;
};

class BadFile : public ::testing::TestWithParam<Bad> {};

TEST_P(BadFile, IsRefusedInOneSentence) {
  const TempFolder folder;
  const auto ended = run_on(folder, GetParam().bytes);
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  EXPECT_NE(ended.err.find(GetParam().says), std::string::npos) << ended.err;
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  EXPECT_EQ(folder.files(), std::vector<std::string>{"in.y4m"});
}

std::string with_header(const std::string& header) {
  return good_file(2, header);
}

INSTANTIATE_TEST_SUITE_P(
    Y4m, BadFile,
    ::testing::Values(
        Bad{"Empty", "", "not a Y4M file"}, Bad{"OtherMagic", "RIFF....AVI LIST\n", "not a Y4M file"},
        Bad{"Binary", std::string("YUV4\0\x1b[2J", 9), "not a Y4M file"},
        Bad{"HeaderWithoutEnd", "YUV4MPEG2 W36 H20 " + std::string(5000, 'X'), "does not end within"},
        Bad{"NoPicture", kGoodHeader, "no picture"},
        Bad{"NoWidth", with_header("YUV4MPEG2 H20\n"), "lacks the width"},
        Bad{"NoHeight", with_header("YUV4MPEG2 W36\n"), "lacks the height"},
        Bad{"ZeroWidth", with_header("YUV4MPEG2 W0 H20\n"), "\"W0\""},
        Bad{"NegativeWidth", with_header("YUV4MPEG2 W-36 H20\n"), "\"W-36\""},
        Bad{"WidthWithRest", with_header("YUV4MPEG2 W36a H20\n"), "\"W36a\""},
        Bad{"EnormousWidth", with_header("YUV4MPEG2 W99999999999999999999 H20\n"), "a side is from 2 to"},
        Bad{"LargeWidth", with_header("YUV4MPEG2 W4294967295 H4294967295\n"), "a side is from 2 to"},
        Bad{"WidthTwice", with_header("YUV4MPEG2 W36 W36 H20\n"), "twice"},
        Bad{"OddWidth", with_header("YUV4MPEG2 W35 H20\n"), "both sides even"},
        Bad{"OddHeight", with_header("YUV4MPEG2 W36 H19\n"), "both sides even"},
        Bad{"ColourSpace422", with_header("YUV4MPEG2 W36 H20 C422\n"), "\"422\"; possible are 420"},
        Bad{"ColourSpace10Bit", with_header("YUV4MPEG2 W36 H20 C420p10\n"), "\"420p10\""},
        Bad{"ColourSpaceUnknown", with_header("YUV4MPEG2 W36 H20 C\x01\x02\n"), "\"\?\?\""},
        Bad{"Interlaced", with_header("YUV4MPEG2 W36 H20 It\n"), "interlaced"},
        Bad{"BadRatio", with_header("YUV4MPEG2 W36 H20 F25\n"), "a ratio"},
        Bad{"UnknownField", with_header("YUV4MPEG2 W36 H20 Z1\n"), "does not know"},
        Bad{"TwoSpaces", with_header("YUV4MPEG2 W36  H20\n"), "does not know"},
        Bad{"NoSpace", with_header("YUV4MPEG2W36 H20\n"), "not separated"},
        Bad{"Truncated", good_file(2).substr(0, good_file(2).size() - 1), "truncated: picture 1"},
        Bad{"TruncatedInFrameLine", good_file(1) + "FRA", "a line \"FRAME\" is due for picture 1"},
        Bad{"LyingWidth", with_header("YUV4MPEG2 W34 H20\n"), "lies about the size, 34x20"},
        Bad{"LyingLarger", with_header("YUV4MPEG2 W360 H200\n"), "truncated: picture 0"},
        Bad{"RubbishBehind", good_file(2) + "rubbish", "for picture 2"}),
    [](const auto& info) { return info.param.name; });

TEST(Y4m, OtherSizesAndFormatsAreNotPossible) {
  const TempFolder folder;
  EXPECT_NE(run_on(folder, good_file(1), {"--size", "40x20"}).err.find("pictures are 36x20"),
            std::string::npos);
  EXPECT_NE(run_on(folder, good_file(1), {"--format", "YUYV"}).err.find("read as NV12"), std::string::npos);
}

TEST(Y4m, AFileThatShrinksWhileItIsReadEndsTheRun) {
  const TempFolder folder;
  const auto file = folder.path("in.y4m");
  std::ofstream(file, std::ios::binary) << good_file(3);
  Program program(CAMERA_TO_GPU,
                  {"--source", file, "--frames", "1000000", "--out", folder.path("frame.png")});
  ::usleep(2'000'000);
  std::filesystem::resize_file(file, kGoodHeader.size() + 100);
  const auto ended = program.wait();
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(ended.err.find("shrank") != std::string::npos ||
              ended.err.find("truncated") != std::string::npos)
      << ended.err;
  EXPECT_EQ(folder.files(), std::vector<std::string>{"in.y4m"});
}

}  // namespace
}  // namespace causeway::test
