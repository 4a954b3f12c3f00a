// SPDX-License-Identifier: Apache-2.0
//
// camera_fpga_gpu: every pixel is what the CPU computes, on the pattern with whatever memory this machine
// makes; in the guest on a real camera driver, too.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "samples/fpga_picture.hpp"
#include "samples/run_program.hpp"

namespace causeway::test {
namespace {

bool in_guest() {
  const char* tier = std::getenv("CAUSEWAY_TEST_TIER");
  return tier != nullptr && std::string_view(tier) == "guest";
}

struct Case {
  int bits;
  int width;
  int height;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.bits << " bits, " << c.width << "x" << c.height;
}

class CameraFpgaGpu : public ::testing::TestWithParam<Case> {};

TEST_P(CameraFpgaGpu, GivesThePictureThatTheCpuComputes) {
  const auto [bits, width, height] = GetParam();
  const TempFolder folder;
  Program program(CAMERA_FPGA_GPU, {"--size", std::to_string(width) + "x" + std::to_string(height), "--bits",
                                    std::to_string(bits), "--frames", "6", "--out", folder.path("frame.png"),
                                    "--json", folder.path("r.json")});
  const auto ended = program.wait();
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  EXPECT_EQ(difference(read_png(folder.path("frame.png")), overlaid(sobel, width, height, 5)), "");

  const auto json = read_json(folder.path("r.json"));
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json.at("frames"), 6);
  EXPECT_EQ(json.at("copied_bytes"), 0);
  EXPECT_EQ(json.at("exporter"), in_guest() ? "udmabuf" : "memfd");
  ASSERT_EQ(json.at("verdicts").size(), 5U);  // FPGA and GPU of frames and edges, the GPU of the picture
  for (const auto& verdict : json.at("verdicts")) {
    EXPECT_EQ(verdict.at("verdict"), "Aliased") << verdict;
  }
  EXPECT_EQ(json.at("cpu_waits").at("fpga"), 0) << "the FPGA's stage waits for nothing on the CPU";
  EXPECT_EQ(json.at("cpu_waits").at("gpu"), 0) << "the GPU waits for the FPGA by itself";
  for (const auto* stage : {"fill", "fpga", "gpu"}) {
    EXPECT_GT(json.at("median_ms").at(stage).get<double>(), 0) << stage;
  }
  EXPECT_GT(json.at("ms_a_frame").get<double>(), 0);
}

INSTANTIATE_TEST_SUITE_P(Sizes, CameraFpgaGpu,
                         ::testing::Values(Case{512, 320, 240}, Case{64, 320, 240}, Case{512, 130, 34},
                                           Case{64, 130, 34}, Case{512, 642, 50}));

TEST(CameraFpgaGpuSources, ACameraOfTheKernel) {
  if (!in_guest()) {
    GTEST_SKIP() << "the kernel's test camera is in the guest alone";
  }
  const auto quiet = Program("/usr/bin/v4l2-ctl", {"-d", "/dev/video0", "--set-ctrl=osd_text_mode=2"}).wait();
  ASSERT_EQ(quiet.exit_code, 0) << quiet.err;
  const TempFolder folder;
  const auto ended =
      Program(CAMERA_FPGA_GPU, {"--source", "/dev/video0", "--size", "640x480", "--frames", "4", "--out",
                                folder.path("frame.png"), "--json", folder.path("r.json")})
          .wait();
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = read_json(folder.path("r.json"));
  EXPECT_EQ(json.at("copied_bytes"), 0);
  EXPECT_EQ(json.at("exporter"), "udmabuf");
  EXPECT_EQ(json.at("verdicts").size(), 6U);  // the camera's, too
  for (const auto& verdict : json.at("verdicts")) {
    EXPECT_EQ(verdict.at("verdict"), "Aliased") << verdict;
  }
  // vivid's bars (BT.601, limited range), 80 pixels each: their centres, and the edges between them.
  constexpr std::array<Ycc, 8> kBars{{{179, 128, 128},
                                      {160, 44, 141},
                                      {130, 156, 44},
                                      {111, 72, 58},
                                      {83, 183, 197},
                                      {64, 99, 211},
                                      {34, 211, 114},
                                      {16, 128, 128}}};
  const auto picture = read_png(folder.path("frame.png"));
  ASSERT_EQ(picture.width, 640);
  for (int bar = 0; bar < 8; ++bar) {
    const auto expected = to_rgb(kBars.at(static_cast<std::size_t>(bar)));
    for (const int y : {3, 240, 476}) {
      const auto seen = picture.at(bar * 80 + 40, y);
      const auto off = std::max(
          {std::abs(seen.r - expected.r), std::abs(seen.g - expected.g), std::abs(seen.b - expected.b)});
      EXPECT_LE(off, 5) << "bar " << bar << ", row " << y << ": " << seen << " instead of " << expected;
      if (bar > 0) {
        EXPECT_EQ(picture.at(bar * 80, y), (Rgb{255, 96, 0}))
            << "no edge before bar " << bar << ", row " << y;
      }
    }
  }
}

TEST(CameraFpgaGpuSources, OneThatIsNone) {
  const auto ended = Program(CAMERA_FPGA_GPU, {"--source", "/nowhere"}).wait();
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.err.find("possible are a camera"), std::string::npos) << ended.err;
  EXPECT_EQ(ended.out, "");
}

}  // namespace
}  // namespace causeway::test
