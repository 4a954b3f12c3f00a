// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tests on vivid share: the fixture, vivid's own controls and its colour bars. vivid is single-planar at
// /dev/video0 and multi-planar at /dev/video1 (tests/guest/inside.sh).

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <causeway/runtime.hpp>
#include <causeway/v4l2.hpp>
#include <fstream>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace causeway::test {

using namespace std::chrono_literals;  // NOLINT: of tests alone

inline constexpr const char* kSinglePlanar = "/dev/video0";
inline constexpr const char* kMultiPlanar = "/dev/video1";
inline constexpr const char* kUdmabuf = "udmabuf";
inline constexpr const char* kHeap = "dma_heap:system";
inline constexpr std::uint32_t kWidth = 640;
inline constexpr std::uint32_t kHeight = 480;

using Pixel = std::array<int, 3>;
/// White, yellow, cyan, green, magenta, red, blue, black at 75 %; Y, Cb, Cr in limited range of BT.601.
inline constexpr std::array<Pixel, 8> kYcbcrBars{{{179, 128, 128},
                                                  {160, 44, 141},
                                                  {130, 156, 44},
                                                  {111, 72, 58},
                                                  {83, 183, 197},
                                                  {64, 99, 211},
                                                  {34, 211, 114},
                                                  {16, 128, 128}}};
/// The same as R, G, B.
inline constexpr std::array<Pixel, 8> kRgbBars{{{191, 191, 191},
                                                {191, 191, 0},
                                                {0, 191, 191},
                                                {0, 191, 0},
                                                {191, 0, 191},
                                                {191, 0, 0},
                                                {0, 0, 191},
                                                {0, 0, 0}}};

inline std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) {
    ++count;
  }
  ::closedir(folder);
  return count;
}

inline bool write_file(const char* path, const char* text) {
  std::ofstream file(path);
  file << text << std::flush;
  return file.good();
}

/// Sets one of vivid's own controls, by its name.
inline bool set_control(const char* path, std::string_view name, int value) {
  const UniqueFd node(::open(path, O_RDWR | O_CLOEXEC));
  v4l2_queryctrl query{};
  query.id = V4L2_CTRL_FLAG_NEXT_CTRL;
  while (::ioctl(node.get(), VIDIOC_QUERYCTRL, &query) == 0) {
    if (name == reinterpret_cast<const char*>(query.name)) {
      v4l2_control control{.id = query.id, .value = value};
      return ::ioctl(node.get(), VIDIOC_S_CTRL, &control) == 0;
    }
    query.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
  }
  return false;
}

/// The pixel in the middle of bar b, in the middle of the image.
inline Pixel pixel_of(const CpuAccess& access, const FrameLayout& layout, std::size_t b) {
  const Format format = layout.format;
  const std::size_t x = (layout.width / 8 * b + layout.width / 16) & ~std::size_t{1};
  const std::size_t y = layout.height / 2;
  const auto at = [&](std::uint32_t plane, std::size_t row, std::size_t byte) {
    return std::to_integer<int>(access.plane(plane)[row * access.stride(plane) + byte]);
  };
  if (format == formats::kYUYV) {
    return {at(0, y, x * 2), at(0, y, x * 2 + 1), at(0, y, x * 2 + 3)};
  }
  if (format == formats::kNV12) {
    return {at(0, y, x), at(1, y / 2, x), at(1, y / 2, x + 1)};
  }
  return {at(0, y, x * 4 + 2), at(0, y, x * 4 + 1), at(0, y, x * 4)};  // XRGB8888: B G R X
}

inline void expect_bars(const v4l2::Captured& captured) {
  const auto& frame = captured.frame().frame();
  auto access = frame.begin_cpu_access(Usage::Read, Deadline::in(5s));
  ASSERT_TRUE(access) << access.error().message();
  const auto& layout = frame.layout();
  const auto& expected = layout.format == formats::kXRGB8888 ? kRgbBars : kYcbcrBars;
  for (std::size_t b = 0; b < expected.size(); ++b) {
    const Pixel pixel = pixel_of(*access, layout, b);
    for (std::size_t c = 0; c < pixel.size(); ++c) {
      EXPECT_NEAR(pixel.at(c), expected.at(b).at(c), 1) << "bar " << b << ", component " << c;
    }
  }
  EXPECT_TRUE(access->end());
}

class V4l2Guest : public ::testing::Test {
protected:
  void SetUp() override {
    if (::access(kSinglePlanar, F_OK) != 0 || ::access(kMultiPlanar, F_OK) != 0) {
      GTEST_SKIP() << "there are no cameras at " << kSinglePlanar << " and " << kMultiPlanar;
    }
    descriptors_ = open_descriptors();
    auto made = Runtime::create(options());
    ASSERT_TRUE(made) << made.error().message();
    runtime.emplace(std::move(*made));
    if (::access(kSinglePlanar, R_OK | W_OK) != 0) {
      expect_refusal();
      GTEST_SKIP() << "this user may not open " << kSinglePlanar;
    }
    for (const char* path : {kSinglePlanar, kMultiPlanar}) {
      ASSERT_TRUE(set_control(path, "OSD Text Mode", 2)) << path << " is no vivid";
    }
  }
  void TearDown() override {
    runtime.reset();
    if (!IsSkipped() && !HasFatalFailure()) {
      EXPECT_EQ(open_descriptors(), descriptors_) << "descriptors leaked";
    }
  }
  /// Of the runtime.
  [[nodiscard]] virtual RuntimeOptions options() const { return {}; }
  void expect_refusal() {
    const auto camera = v4l2::open(*runtime, kSinglePlanar);
    ASSERT_FALSE(camera);
    EXPECT_EQ(camera.error().code(), Errc::Permission);
    EXPECT_THAT(camera.error().message(), ::testing::HasSubstr("group"));
  }
  /// Why this machine or this user has no such exporter; empty if it is there.
  std::optional<std::string> why_no(const std::string& exporter) {
    for (const auto& info : runtime->exporters()) {
      if (info.name == exporter) {
        return info.available ? std::nullopt : std::optional(info.explanation);
      }
    }
    return exporter + " is not on this machine";
  }
  Result<FramePool> allocate(const Device& camera, Format format, std::uint32_t count = 4,
                             const std::string& exporter = "dma_heap:system") {
    auto pool = runtime->negotiate({.format = format, .width = kWidth, .height = kHeight})
                    .with(camera, Usage::Capture)
                    .exporter(exporter)
                    .allocate(count);
    if (pool) {
      // Faster than its default of 1/5 s, but not by much: on a busy machine vivid's thread falls behind a
      // short interval and then calls schedule_timeout() with a negative time, which the kernel log complains
      // about.
      EXPECT_TRUE(v4l2::set_interval(camera, {1, 10}));
    }
    return pool;
  }

  std::optional<Runtime> runtime;

private:
  std::size_t descriptors_ = 0;
};

}  // namespace causeway::test
