// SPDX-License-Identifier: Apache-2.0
//
// The sample on real cameras of the kernel's vivid driver, with real dma-bufs: /dev/video0 speaks the
// single-planar API, /dev/video1 the multi-planar one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "samples/picture.hpp"
#include "samples/run_program.hpp"

namespace causeway::test {
namespace {

constexpr auto kSize = "640x480";
constexpr int kBarWidth = 80;

// vivid's bars as it sends them (BT.601, limited range): grey, yellow, cyan, green, magenta, red, blue,
// black.
constexpr std::array<Ycc, 8> kBars{{{179, 128, 128},
                                    {160, 44, 141},
                                    {130, 156, 44},
                                    {111, 72, 58},
                                    {83, 183, 197},
                                    {64, 99, 211},
                                    {34, 211, 114},
                                    {16, 128, 128}}};

void show_bars_alone(const char* camera) {
  const auto ended = Program("/usr/bin/v4l2-ctl", {"-d", camera, "--set-ctrl=osd_text_mode=2"}).wait();
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
}

// Bars and their centres alone: between them edges are marked, and chroma is shared.
void expect_bars(const Picture& picture) {
  ASSERT_EQ(picture.width, 640);
  ASSERT_EQ(picture.height, 480);
  for (int bar = 0; bar < 8; ++bar) {
    const auto expected = to_rgb(kBars.at(static_cast<std::size_t>(bar)));
    for (const int y : {3, 120, 240, 360, 476}) {
      const auto seen = picture.at(bar * kBarWidth + kBarWidth / 2, y);
      const auto off = std::max(
          {std::abs(seen.r - expected.r), std::abs(seen.g - expected.g), std::abs(seen.b - expected.b)});
      EXPECT_LE(off, 5) << "bar " << bar << ", row " << y << ": " << seen << " instead of " << expected;
    }
  }
}

nlohmann::json read_json(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file, nullptr, false);
}

struct Case {
  const char* camera;
  const char* exporter;
  const char* format;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.camera << " " << c.exporter << " " << c.format;
}

class Camera : public ::testing::TestWithParam<Case> {};

TEST_P(Camera, FillsWhatTheGpuReads) {
  const auto [camera, exporter, format] = GetParam();
  show_bars_alone(camera);
  const TempFolder folder;
  const auto ended = Program(CAMERA_TO_GPU, {"--source", camera, "--size", kSize, "--format", format,
                                             "--exporter", exporter, "--frames", "5", "--out",
                                             folder.path("frame.png"), "--json", folder.path("r.json")})
                         .wait();
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = read_json(folder.path("r.json"));
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json.at("exporter"), exporter);
  EXPECT_EQ(json.at("frames"), 5);
  EXPECT_EQ(json.at("copied_bytes_per_frame"), 0);
  EXPECT_EQ(json.at("cpu_waits_per_frame"), 0.0);
  EXPECT_EQ(json.at("verdicts").size(),
            3U);  // the camera's and the GPU's of the frames, the GPU's of the output
  for (const auto& verdict : json.at("verdicts")) {
    EXPECT_EQ(verdict.at("verdict"), "Aliased") << verdict;
  }
  expect_bars(read_png(folder.path("frame.png")));
}

INSTANTIATE_TEST_SUITE_P(
    Vivid, Camera,
    ::testing::Values(Case{"/dev/video0", "udmabuf", "YUYV"}, Case{"/dev/video0", "udmabuf", "NV12"},
                      Case{"/dev/video0", "udmabuf", "RGB32"}, Case{"/dev/video0", "udmabuf", "BX24"},
                      Case{"/dev/video0", "dma_heap:system", "YUYV"},
                      Case{"/dev/video0", "dma_heap:system", "NV12"},
                      Case{"/dev/video0", "dma_heap:system", "RGB32"}, Case{"/dev/video1", "udmabuf", "NV12"},
                      Case{"/dev/video1", "dma_heap:system", "UYVY"}));

TEST(CameraCompared, TakesTurnsWithItsOwnBuffers) {
  for (const auto* camera : {"/dev/video0", "/dev/video1"}) {
    SCOPED_TRACE(camera);
    const TempFolder folder;
    const auto ended = Program(CAMERA_TO_GPU, {"--source", camera, "--size", kSize, "--format", "NV12",
                                               "--frames", "7", "--compare", "--json", folder.path("r.json")})
                           .wait();
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    const auto json = read_json(folder.path("r.json"));
    EXPECT_EQ(json.at("copied_bytes_per_frame"), 0);
    EXPECT_EQ(json.at("copying").at("copied_bytes_per_frame"), 640 * 480 * 3 / 2);
    // Not how long it takes: this GPU is the CPU, and computes on one frame while the next is handed over.
    EXPECT_EQ(json.at("cpu_waits_per_frame"), 0.0);
    EXPECT_EQ(json.at("copying").at("cpu_waits_per_frame"), 2.0);
  }
}

// The camera fills, Vulkan converts, OpenCL draws into what Vulkan wrote: dma-bufs all the way.
TEST(CameraThenOpencl, IsOneMemoryForAllThree) {
  show_bars_alone("/dev/video0");
  const TempFolder folder;
  const auto ended =
      Program(CAMERA_TO_GPU, {"--source", "/dev/video0", "--size", kSize, "--format", "YUYV", "--frames", "4",
                              "--then", "opencl", "--exporter", "udmabuf", "--out", folder.path("frame.png"),
                              "--json", folder.path("r.json")})
          .wait(std::chrono::seconds(250));
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = read_json(folder.path("r.json"));
  EXPECT_EQ(json.at("copied_bytes_per_frame"), 0);
  EXPECT_EQ(json.at("then").at("counted_pixels"), 640 * 480);
  EXPECT_EQ(json.at("verdicts").size(), 4U) << "two of the frames, two of the output";
  for (const auto& verdict : json.at("verdicts")) {
    EXPECT_EQ(verdict.at("verdict"), "Aliased") << verdict;
  }
  const auto picture = read_png(folder.path("frame.png"));
  ASSERT_EQ(picture.height, 480);
  for (int bar = 0; bar < 8; ++bar) {  // above the histogram
    EXPECT_NEAR(picture.at(bar * kBarWidth + 40, 120).g, to_rgb(kBars.at(static_cast<std::size_t>(bar))).g,
                5);
  }
  int full = 0;
  for (int y = 360; y < 480; ++y) {
    for (int x = 0; x < 256; ++x) {
      full += picture.at(x, y).r == 255 ? 1 : 0;
    }
  }
  EXPECT_GT(full, 100) << "the most frequent red reaches the top of the box";
}

struct Bad {
  const char* name;
  std::vector<std::string> args;
  const char* says;
};

class BadCamera : public ::testing::TestWithParam<Bad> {};

TEST_P(BadCamera, EndsInOneSentence) {
  const TempFolder folder;
  auto args = GetParam().args;
  args.insert(args.end(), {"--out", folder.path("frame.png"), "--frames", "3"});
  const auto ended = Program(CAMERA_TO_GPU, args).wait();
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  EXPECT_NE(ended.err.find(GetParam().says), std::string::npos) << ended.err;
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  EXPECT_TRUE(folder.files().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Vivid, BadCamera,
    ::testing::Values(Bad{"NoSuchCamera", {"--source", "/dev/video7"}, "/dev/video0"},
                      Bad{"SizeNotOffered", {"--source", "/dev/video0", "--size", "642x482"}, "642x482"},
                      Bad{"MemfdIsNoDmaBuf", {"--source", "/dev/video0", "--exporter", "memfd"}, "memfd"},
                      Bad{"TooLargeForUdmabuf",
                          {"--source", "pattern", "--size", "7680x4320", "--exporter", "udmabuf"},
                          "64 MB"}),
    [](const auto& info) { return info.param.name; });

// How many dma-bufs of the program bear the name of the input frames.
std::size_t frames_of(pid_t pid) {
  std::size_t count = 0;
  std::error_code gone;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fdinfo", gone)) {
    std::ifstream info(entry.path());
    for (std::string line; std::getline(info, line);) {
      count += line.find("camera_to_gpu input") != std::string::npos ? 1U : 0U;
    }
  }
  return count;
}

TEST(CameraUnplugged, EndsTheRunInOneSentence) {
  const TempFolder folder;
  {
    Program program(CAMERA_TO_GPU, {"--source", "/dev/video0", "--size", kSize, "--frames", "1000000",
                                    "--out", folder.path("frame.png")});
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (frames_of(program.pid()) < 4 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ASSERT_GE(frames_of(program.pid()), 4U) << "it never came to streaming";
    std::this_thread::sleep_for(std::chrono::seconds(2));
    std::ofstream("/sys/bus/platform/drivers/vivid/unbind") << "vivid.0" << std::flush;
    const auto ended = program.wait(std::chrono::seconds(60));
    EXPECT_EQ(ended.exit_code, 1) << ended.err;
    EXPECT_NE(ended.err.find("/dev/video0"), std::string::npos) << ended.err;
    EXPECT_NE(ended.err.find("ENODEV"), std::string::npos) << ended.err;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_TRUE(folder.files().empty());
  }
  std::ofstream("/sys/bus/platform/drivers/vivid/bind") << "vivid.0" << std::flush;
  const auto again =
      Program(CAMERA_TO_GPU, {"--source", "/dev/video0", "--size", kSize, "--frames", "2"}).wait();
  EXPECT_EQ(again.exit_code, 0) << again.err;
}

}  // namespace
}  // namespace causeway::test
