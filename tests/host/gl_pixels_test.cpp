// SPDX-License-Identifier: Apache-2.0
// Frames that OpenGL ES draws into and samples from, compared pixel by pixel with what the CPU sees and
// expects.
#include <algorithm>
#include <cmath>

#include "host/gl_harness.hpp"

namespace causeway::test {
namespace {

constexpr std::uint32_t kWidth = 62;  // neither whole blocks of llvmpipe's nor a power of two
constexpr std::uint32_t kHeight = 45;

class GlPixels : public ::testing::TestWithParam<std::string> {
protected:
  [[nodiscard]] GlFrame frame(Format format, Usage usage, std::uint32_t width = kWidth,
                              std::uint32_t height = kHeight) {
    return {runtime, device, GetParam(), {.format = format, .width = width, .height = height}, usage};
  }
  /// Writes the first channels of the expected picture into a plane, as the CPU.
  static void paint(const Frame& frame, std::uint32_t plane, std::uint32_t width, std::uint32_t height,
                    std::uint32_t channels) {
    auto access = must(frame.begin_cpu_access(Usage::Write, soon()));
    for (std::uint32_t y = 0; y < height; ++y) {
      for (std::uint32_t x = 0; x < width * channels; ++x) {
        access.plane(plane)[std::size_t{y} * access.stride(plane) + x] =
            static_cast<std::byte>(expected_byte(x / channels, y, x % channels));
      }
    }
    must(access.end());
  }

  Runtime runtime = must(Runtime::create());
  Device device = must(gl::open(runtime, kSoftware));
};

TEST_P(GlPixels, AreProvedToBeTheSameBytes) {
  const auto made = frame(formats::kABGR8888, Usage::Render | Usage::Sampled);
  const auto& report = made.pool().report();
  EXPECT_EQ(report.exporter, GetParam());
  ASSERT_EQ(report.imports.size(), 1U);
  EXPECT_EQ(report.imports[0].backend, "gl");
  EXPECT_EQ(report.imports[0].import_path, "dma-buf");
  EXPECT_EQ(report.imports[0].verdict, AliasVerdict::Aliased);
  EXPECT_EQ(report.imports[0].imported_as, ImportedAs::ImagesApart) << "proofs have EGLImages of their own";
  EXPECT_EQ(made.view().target, std::uint32_t{GL_TEXTURE_2D});
}

TEST_P(GlPixels, DrawnByTheDeviceAreSeenByTheCpu) {
  const auto made = frame(formats::kABGR8888, Usage::Render);
  auto turn = must(made.mapping().begin_access(Usage::Write, soon()));
  {
    const CurrentContext current(device);
    const Canvas canvas(made.view().texture, kWidth, kHeight);
    canvas.draw(R"(
      float expected(float channel, vec2 p) {
        return mod(p.x * 7.0 + p.y * 13.0 + channel * 59.0 + floor(p.x * p.y / 5.0 + 0.01), 256.0) / 255.0;
      }
      vec4 colour(vec2 at) {
        vec2 p = floor(at);
        return vec4(expected(0.0, p), expected(1.0, p), expected(2.0, p), expected(3.0, p));
      })");
    must(turn.end());
  }
  auto access = must(made.frame().begin_cpu_access(Usage::Read, soon()));
  std::size_t wrong = 0;
  for (std::uint32_t y = 0; y < kHeight; ++y) {
    for (std::uint32_t x = 0; x < kWidth * 4; ++x) {
      const auto seen = std::to_integer<std::uint8_t>(access.plane(0)[std::size_t{y} * access.stride(0) + x]);
      wrong += seen != expected_byte(x / 4, y, x % 4) ? 1U : 0U;
    }
  }
  EXPECT_EQ(wrong, 0U);
  must(access.end());
}

TEST_P(GlPixels, WrittenByTheCpuAreSampled) {
  const auto made = frame(formats::kABGR8888, Usage::Sampled);
  const CurrentContext current(device);
  const Canvas canvas(kWidth, kHeight);
  paint(made.frame(), 0, kWidth, kHeight, 4);
  auto turn = must(made.mapping().begin_access(Usage::Read, soon()));
  bind(0, GL_TEXTURE_2D, made.view().texture);
  canvas.draw("vec4 colour(vec2 at) { return texture2D(t0, at / vec2(62.0, 45.0)); }",
              "uniform highp sampler2D t0;");
  must(turn.end());
  const auto seen = canvas.read();
  std::size_t wrong = 0;
  for (std::uint32_t y = 0; y < kHeight; ++y) {
    for (std::uint32_t x = 0; x < kWidth; ++x) {
      for (std::uint32_t c = 0; c < 4; ++c) {
        wrong += seen.at(x, y)[c] != expected_byte(x, y, c) ? 1U : 0U;
      }
    }
  }
  EXPECT_EQ(wrong, 0U);
}

TEST_P(GlPixels, OfOtherOrdersOfChannelsAreRight) {
  const auto made = frame(formats::kXRGB8888, Usage::Sampled);  // memory order B G R X
  const CurrentContext current(device);
  const Canvas canvas(kWidth, kHeight);
  paint(made.frame(), 0, kWidth, kHeight, 4);
  auto turn = must(made.mapping().begin_access(Usage::Read, soon()));
  bind(0, GL_TEXTURE_2D, made.view().texture);
  canvas.draw("vec4 colour(vec2 at) { return texture2D(t0, at / vec2(62.0, 45.0)); }",
              "uniform highp sampler2D t0;");
  must(turn.end());
  const auto seen = canvas.read();
  for (const auto& [x, y] : {std::pair{0U, 0U}, {61U, 44U}, {17U, 31U}}) {
    EXPECT_EQ(seen.at(x, y)[0], expected_byte(x, y, 2));
    EXPECT_EQ(seen.at(x, y)[1], expected_byte(x, y, 1));
    EXPECT_EQ(seen.at(x, y)[2], expected_byte(x, y, 0));
    EXPECT_EQ(seen.at(x, y)[3], 255);
  }
}

TEST_P(GlPixels, OfNv12AreThereAsTwoPlanes) {
  constexpr std::uint32_t kW = 64;
  constexpr std::uint32_t kH = 46;
  const auto made = frame(formats::kNV12, Usage::Sampled, kW, kH);
  ASSERT_NE(made.view().plane_textures[0], 0U);
  ASSERT_NE(made.view().plane_textures[1], 0U);
  EXPECT_EQ(made.view().plane_widths[1], kW / 2);
  EXPECT_EQ(made.view().plane_heights[1], kH / 2);
  const CurrentContext current(device);
  const Canvas canvas(kW, kH);
  paint(made.frame(), 0, kW, kH, 1);
  paint(made.frame(), 1, kW / 2, kH / 2, 2);
  auto turn = must(made.mapping().begin_access(Usage::Read, soon()));
  bind(1, GL_TEXTURE_2D, made.view().plane_textures[1]);
  bind(0, GL_TEXTURE_2D, made.view().plane_textures[0]);
  canvas.draw(R"(
    vec4 colour(vec2 at) {
      vec2 p = at / vec2(64.0, 46.0);
      return vec4(texture2D(t0, p).r, texture2D(t1, p).rg, 1);
    })",
              "uniform highp sampler2D t0; uniform highp sampler2D t1;");
  must(turn.end());
  const auto seen = canvas.read();
  std::size_t wrong = 0;
  for (std::uint32_t y = 0; y < kH; ++y) {
    for (std::uint32_t x = 0; x < kW; ++x) {
      wrong += seen.at(x, y)[0] != expected_byte(x, y, 0) ? 1U : 0U;
      wrong += seen.at(x, y)[1] != expected_byte(x / 2, y / 2, 0) ? 1U : 0U;
      wrong += seen.at(x, y)[2] != expected_byte(x / 2, y / 2, 1) ? 1U : 0U;
    }
  }
  EXPECT_EQ(wrong, 0U);
}

/// The matrix and range that a frame says, in numbers (ITU-R BT.601 and BT.709).
struct Conversion {
  Color color;
  double luma;
  int black;
  double red;
  double green_blue;
  double green_red;
  double blue;
};
const std::array kConversions{
    Conversion{{}, 1.164384, 16, 1.596027, 0.391762, 0.812968, 2.017232},  // EGL's default: 601, limited
    Conversion{{.encoding = ColorEncoding::Bt601, .range = ColorRange::Full},
               1.0,
               0,
               1.402,
               0.344136,
               0.714136,
               1.772},
    Conversion{{.encoding = ColorEncoding::Bt709, .range = ColorRange::Limited},
               1.164384,
               16,
               1.792741,
               0.213249,
               0.532909,
               2.112402}};

std::array<int, 3> to_rgb(const Conversion& by, int y, int cb, int cr) {
  const double luma = by.luma * (y - by.black);
  const auto channel = [](double value) {
    return static_cast<int>(std::lround(std::clamp(value, 0.0, 255.0)));
  };
  return {channel(luma + by.red * (cr - 128)),
          channel(luma - by.green_blue * (cb - 128) - by.green_red * (cr - 128)),
          channel(luma + by.blue * (cb - 128))};
}

constexpr std::uint32_t kYuyvWidth = 64;
constexpr std::uint32_t kYuyvHeight = 32;
int luma_at(std::uint32_t x, std::uint32_t y) {
  return static_cast<int>(60 + x * 2 + y);
}
int blue_at(std::uint32_t x) {
  return static_cast<int>(110 + x / 2);
}
int red_at(std::uint32_t y) {
  return static_cast<int>(112 + y);
}

TEST_P(GlPixels, OfYuyvAreConvertedAsTheFrameSays) {
  for (const auto& conversion : kConversions) {
    const GlFrame made(
        runtime, device, GetParam(),
        {.format = formats::kYUYV, .width = kYuyvWidth, .height = kYuyvHeight, .color = conversion.color},
        Usage::Sampled);
    ASSERT_EQ(made.view().target, std::uint32_t{GL_TEXTURE_EXTERNAL_OES});
    {
      auto access = must(made.frame().begin_cpu_access(Usage::Write, soon()));
      for (std::uint32_t y = 0; y < kYuyvHeight; ++y) {
        for (std::uint32_t x = 0; x < kYuyvWidth; ++x) {
          const std::size_t at = std::size_t{y} * access.stride(0) + std::size_t{x} * 2;
          access.plane(0)[at] = static_cast<std::byte>(luma_at(x, y));
          access.plane(0)[at + 1] = static_cast<std::byte>(x % 2 == 0 ? blue_at(x) : red_at(y));
        }
      }
      must(access.end());
    }
    const CurrentContext current(device);
    const Canvas canvas(kYuyvWidth, kYuyvHeight);
    auto turn = must(made.mapping().begin_access(Usage::Read, soon()));
    bind(0, GL_TEXTURE_EXTERNAL_OES, made.view().texture);
    canvas.draw("vec4 colour(vec2 at) { return texture2D(t0, at / vec2(64.0, 32.0)); }",
                "#extension GL_OES_EGL_image_external : require\nuniform samplerExternalOES t0;");
    must(turn.end());
    const auto seen = canvas.read();
    int worst = 0;
    for (std::uint32_t y = 0; y < kYuyvHeight; ++y) {
      for (std::uint32_t x = 0; x < kYuyvWidth; ++x) {
        const auto expected = to_rgb(conversion, luma_at(x, y), blue_at(x), red_at(y));
        for (std::uint32_t c = 0; c < 3; ++c) {
          worst = std::max(worst, std::abs(int{seen.at(x, y)[c]} - expected.at(c)));
        }
      }
    }
    EXPECT_LE(worst, 2) << "in steps of 255, of conversion " << &conversion - kConversions.data();
  }
}

TEST_P(GlPixels, AreThereInTheFormThatWasAskedFor) {
  const auto planes = frame(formats::kYUYV, Usage::Sampled | Usage::AsPlanes, 64, 32);
  EXPECT_EQ(planes.view().texture, 0U);
  EXPECT_NE(planes.view().plane_textures[0], 0U);
  EXPECT_EQ(planes.view().plane_widths[0], 32U) << "two pixels are one of AB24";
  const auto image = frame(formats::kYUYV, Usage::Sampled | Usage::AsImage, 64, 32);
  EXPECT_NE(image.view().texture, 0U);
  EXPECT_EQ(image.view().plane_textures[0], 0U);
}

TEST_P(GlPixels, OfEveryFrameOfAPoolAreItsOwn) {
  auto pool = must(runtime.negotiate({.format = formats::kABGR8888, .width = 16, .height = 16})
                       .with(device, Usage::Render)
                       .exporter(GetParam())
                       .allocate(4));
  const CurrentContext current(device);
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    const auto& mapping = pool.frame(i).on(device);
    auto turn = must(mapping.begin_access(Usage::Write, soon()));
    const Canvas canvas(must(gl::view(mapping))->texture, 16, 16);
    canvas.draw("vec4 colour(vec2 at) { return vec4(" + std::to_string(i) + ".0 / 255.0); }");
    must(turn.end());
  }
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    auto access = must(pool.frame(i).frame().begin_cpu_access(Usage::Read, soon()));
    EXPECT_EQ(access.plane(0)[0], static_cast<std::byte>(i));
    must(access.end());
  }
}

INSTANTIATE_TEST_SUITE_P(Of, GlPixels, ::testing::ValuesIn(allocators_here()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), ':', '_');
  return name;
});

}  // namespace
}  // namespace causeway::test
