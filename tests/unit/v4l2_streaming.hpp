// SPDX-License-Identifier: Apache-2.0
#pragma once

// Streams through the Runtime, on the fake kernel with a fake camera in it.

#include <gmock/gmock.h>
#include <causeway/runtime.hpp>
#include <causeway/v4l2.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "support/fake_kernel_fixture.hpp"
#include "unit/v4l2_fake.hpp"

extern "C" const cw_backend* causeway_v4l2_backend(std::uint32_t host_version);

namespace causeway::test {

using namespace std::chrono_literals;

inline const FrameDesc kYuyv{.format = formats::kYUYV, .width = 640, .height = 480};

/// A frame's bytes as this fake camera paints them: all the same, and never what memory starts with.
inline std::byte colour(std::uint32_t sequence) {
  return static_cast<std::byte>(0x40 + sequence % 64);
}

class V4l2Stream : public FakeKernelTest {
protected:
  V4l2Stream() {
    driver.paint = [this](const std::vector<int>& planes, std::uint32_t sequence) {
      for (const int fd : planes) {
        const auto info = kernel.info(fd);
        ASSERT_TRUE(info);
        const std::vector<std::byte> bytes(info->size, colour(sequence));
        EXPECT_TRUE(kernel.device_write(fd, 0, bytes));
      }
    };
    kernel.add_device("/dev/video0",
                      {.ioctl = [this](int fd, unsigned long request,
                                       void* argument) { return driver.ioctl(fd, request, argument); },
                       .poll = [this](short asked) { return driver.poll(asked); }});
  }

  [[nodiscard]] Result<Runtime> make_runtime() {
    return Runtime::create({.syscalls = kernel.syscalls(),
                            .backends = {&causeway_v4l2_backend},
                            .builtin_backends = false,
                            .log = [](LogLevel, std::string_view) {}});
  }

  FakeCamera driver;
};

/// A runtime, its camera and a pool of frames.
class V4l2Streaming : public V4l2Stream {
protected:
  void SetUp() override {
    auto made = make_runtime();
    ASSERT_TRUE(made);
    runtime.emplace(std::move(*made));
    auto opened = v4l2::open(*runtime, "/dev/video0");
    ASSERT_TRUE(opened) << opened.error().message();
    camera.emplace(std::move(*opened));
    auto allocated = runtime->negotiate(kYuyv).with(*camera, Usage::Capture).allocate(3);
    ASSERT_TRUE(allocated) << allocated.error().message();
    pool.emplace(std::move(*allocated));
  }
  void TearDown() override {
    pool.reset();
    camera.reset();
    runtime.reset();
    V4l2Stream::TearDown();
  }
  static void expect_painted(const v4l2::Captured& captured) {
    auto access = captured.frame().frame().begin_cpu_access(Usage::Read, Deadline::in(1s));
    ASSERT_TRUE(access) << access.error().message();
    const auto bytes = access->plane(0);
    EXPECT_TRUE(std::ranges::all_of(bytes, [&](std::byte b) { return b == colour(captured.sequence()); }));
    EXPECT_TRUE(access->end());
  }

  std::optional<Runtime> runtime;
  std::optional<Device> camera;
  std::optional<FramePool> pool;
};

}  // namespace causeway::test
