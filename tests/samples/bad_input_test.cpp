// SPDX-License-Identifier: Apache-2.0
//
// What the sample is asked for and cannot do ends in one sentence and the right exit code, and leaves no
// file.
#include <gtest/gtest.h>

#include <algorithm>

#include "samples/run_program.hpp"

namespace causeway::test {
namespace {

struct Bad {
  const char* name;
  std::vector<std::string> args;
  int exit_code;
  const char* says;
};

class BadInput : public ::testing::TestWithParam<Bad> {};

TEST_P(BadInput, EndsInOneSentence) {
  const TempFolder folder;
  auto args = GetParam().args;
  if (std::find(args.begin(), args.end(), "--out") == args.end()) {
    args.insert(args.end(), {"--out", folder.path("frame.png")});
  }
  const auto ended = Program(CAMERA_TO_GPU, args).wait();
  EXPECT_EQ(ended.exit_code, GetParam().exit_code) << ended.err;
  EXPECT_NE(ended.err.find(GetParam().says), std::string::npos) << ended.err;
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  EXPECT_EQ(ended.out, "");
  EXPECT_TRUE(folder.files().empty());
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, BadInput,
    ::testing::Values(Bad{"UnknownOption", {"--bogus"}, 2, "--bogus"},
                      Bad{"ZeroSize", {"--size", "0x0"}, 2, "0x0 is not possible"},
                      Bad{"EnormousSize", {"--size", "100000x100000"}, 2, "from 2 to 16384"},
                      Bad{"OverflowingSize", {"--size", "4294967298x2"}, 2, "not a size"},
                      Bad{"NegativeSize", {"--size", "-4x4"}, 2, "not a size"},
                      Bad{"HalfASize", {"--size", "640x"}, 2, "not a size"},
                      Bad{"SizeWithRest", {"--size", "640x480p"}, 2, "not a size"},
                      Bad{"NoFrames", {"--frames", "0"}, 2, "--frames"},
                      Bad{"NegativeFrames", {"--frames", "-1"}, 2, "--frames"},
                      Bad{"UnknownFormat", {"--format", "MJPG"}, 2, "it takes NV12"},
                      Bad{"NoFile", {"--out", ""}, 2, "--out"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Machine, BadInput,
    ::testing::Values(Bad{"OddNv12", {"--size", "101x100"}, 1, "both sides must be even"},
                      Bad{"OddYuyv", {"--size", "101x100", "--format", "YUYV"}, 1, "the width must be even"},
                      Bad{"LargerThanTheGpuTakes", {"--size", "16384x16384"}, 1, "1073741824 bytes"},
                      Bad{"NoSuchCamera", {"--source", "/dev/video99"}, 1, "/dev/video99"},
                      Bad{"NoCamera", {"--source", "/dev/null"}, 1, "/dev/null"},
                      Bad{"NoSuchFile", {"--source", "/no/such/file.y4m"}, 1, "possible are a camera"},
                      Bad{"AFolder", {"--source", "/"}, 1, "possible are a camera"},
                      Bad{"NoSuchGpu", {"--device", "no such GPU"}, 1, "no such GPU"},
                      Bad{"NoSuchExporter", {"--exporter", "nobody"}, 1, "nobody"},
                      Bad{"NoSuchHeap", {"--exporter", "dma_heap:nobody"}, 1, "dma_heap:nobody"},
                      Bad{"NoSuchFolder", {"--out", "/no/such/folder/frame.png"}, 1, "cannot be created"},
                      Bad{"OutIsAFolder", {"--out", "/"}, 1, "folder"},
                      Bad{"OutIsADevice", {"--out", "/dev/full"}, 1, "not an ordinary file"},
                      Bad{"NoSuchJsonFolder", {"--json", "/no/such/folder/r.json"}, 1, "cannot be created"},
                      Bad{"OutInProc", {"--out", "/proc/frame.png"}, 1, "cannot be created"}),
    [](const auto& info) { return info.param.name; });

TEST(Help, GoesToStdoutAndIsNoFailure) {
  const auto ended = Program(CAMERA_TO_GPU, {"--help"}).wait();
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_NE(ended.out.find("--source"), std::string::npos);
  EXPECT_EQ(ended.err, "");
}

// From a table that can hold next to nothing to one that suffices: each limit ends in a picture or a
// sentence.
TEST(FewDescriptors, NeverCrash) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own start needs descriptors and aborts without them";
#endif
  int pictures = 0;
  for (unsigned limit = 4; limit <= 64 && pictures < 3; ++limit) {
    SCOPED_TRACE("ulimit -n " + std::to_string(limit));
    const TempFolder folder;
    const auto ended = Program(CAMERA_TO_GPU,
                               {"--size", "16x16", "--frames", "2", "--out", folder.path("frame.png"),
                                "--json", folder.path("r.json")},
                               limit)
                           .wait();
    EXPECT_EQ(ended.signal, 0);
    if (ended.exit_code == 0) {
      ++pictures;
      EXPECT_EQ(folder.files().size(), 2U);
    } else {
      // Below some limit it is the dynamic linker that speaks, with a code of its own.
      const bool linker = ended.exit_code == 127;
      EXPECT_TRUE(ended.exit_code == 1 || linker) << ended.exit_code;
      EXPECT_FALSE(ended.err.empty());
      EXPECT_TRUE(folder.files().empty());
    }
  }
  EXPECT_EQ(pictures, 3) << "64 descriptors must be enough";
}

}  // namespace
}  // namespace causeway::test
