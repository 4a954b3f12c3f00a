// SPDX-License-Identifier: Apache-2.0
//
// drm_dumb and gbm on real drivers: vgem at /dev/dri/card0, virtio-gpu at card1.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "guest/exporters_guest.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ExportersDumb : public ExportersGuest, public ::testing::WithParamInterface<const char*> {
protected:
  void SetUp() override {
    ExportersGuest::SetUp();
    exporter = std::string("drm_dumb:") + GetParam();
    ASSERT_TRUE(has(exporter));
  }
  std::string exporter;
};

TEST_P(ExportersDumb, GivesBytesThatAllSee) {
  constexpr std::uint64_t kSize = (3U << 20U) + 4096;
  auto buffer = runtime->allocate(kSize, exporter);
  ASSERT_TRUE(buffer) << buffer.error().message();
  EXPECT_GE(buffer->size(), kSize);
  EXPECT_TRUE(buffer->is_dma_buf());
  EXPECT_FALSE(buffer->read_only());
  EXPECT_EQ(buffer->exporter(), exporter);
  expect_bytes_stay(*buffer);
  expect_aliased_on_null_device(*buffer);
}

TEST_P(ExportersDumb, KeepsNothing) {
  expect_no_descriptor_kept([&] { EXPECT_TRUE(runtime->allocate(65536, exporter)); });
}

TEST_P(ExportersDumb, ServesANegotiation) {
  auto device = runtime->open_device("null");
  ASSERT_TRUE(device);
  auto pool = runtime->negotiate({.format = formats::kNV12, .width = 640, .height = 480})
                  .with(*device, Usage::ReadWrite)
                  .exporter(exporter)
                  .allocate(3);
  ASSERT_TRUE(pool) << pool.error().message();
  EXPECT_EQ(pool->report().exporter, exporter);
}

INSTANTIATE_TEST_SUITE_P(Cards, ExportersDumb, ::testing::Values("/dev/dri/card0", "/dev/dri/card1"),
                         [](const auto& card) { return std::string(card.param + 9); });

class ExportersGbm : public ExportersGuest, public ::testing::WithParamInterface<const char*> {
protected:
  void SetUp() override {
    ExportersGuest::SetUp();
    exporter = std::string("gbm:") + GetParam();
    if (!has(exporter)) {
      GTEST_SKIP() << "built without libgbm's header";
    }
  }
  static FrameDesc image(Format format = formats::kXRGB8888) {
    return {
        .format = format, .width = 640, .height = 480, .modifiers = {Modifier::kLinear, Modifier::kInvalid}};
  }
  std::string exporter;
};

TEST_P(ExportersGbm, GivesAnImage) {
  auto frame = runtime->allocate_frame(image(), Usage::ReadWrite, exporter, "picture");
  ASSERT_TRUE(frame) << frame.error().message();
  const auto& layout = frame->layout();
  RecordProperty("modifier", layout.modifier.to_string());
  std::printf("%s: modifier %s, stride %u, %zu object(s)\n", exporter.c_str(),
              layout.modifier.to_string().c_str(), layout.planes[0].stride, frame->objects().size());
  EXPECT_TRUE(layout.modifier == Modifier::kLinear || layout.modifier == Modifier::kInvalid);
  EXPECT_GE(layout.planes[0].stride, 2560U);
  ASSERT_EQ(frame->objects().size(), 1U);
  EXPECT_EQ(frame->objects()[0].exporter(), exporter);
  EXPECT_FALSE(frame->objects()[0].read_only());
  expect_bytes_stay(frame->objects()[0]);
  expect_aliased_on_null_device(*frame);
}

TEST_P(ExportersGbm, GivesALinearImageIfAsked) {
  auto desc = image();
  desc.modifiers.clear();
  auto frame = runtime->allocate_frame(desc, Usage::ReadWrite, exporter);
  if (frame) {
    EXPECT_EQ(frame->layout().modifier, Modifier::kLinear);
  } else {
    EXPECT_THAT(frame.error().message(), HasSubstr("states no modifiers"));
  }
}

TEST_P(ExportersGbm, GivesPlainBytes) {
  auto buffer = runtime->allocate(100'000, exporter);
  ASSERT_TRUE(buffer) << buffer.error().message();
  EXPECT_GE(buffer->size(), 100'000U);
  expect_bytes_stay(*buffer);
}

TEST_P(ExportersGbm, RefusesNv12WithTheReason) {
  const auto frame = runtime->allocate_frame(image(formats::kNV12), Usage::Read, exporter);
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().code(), Errc::Unsupported);
  EXPECT_THAT(frame.error().message(), HasSubstr("NV12"));
  EXPECT_THAT(frame.error().message(), HasSubstr("2 planes"));
}

TEST_P(ExportersGbm, KeepsNothing) {
  expect_no_descriptor_kept(
      [&] { EXPECT_TRUE(runtime->allocate_frame(image(), Usage::ReadWrite, exporter)); });
}

INSTANTIATE_TEST_SUITE_P(Cards, ExportersGbm, ::testing::Values("/dev/dri/card0", "/dev/dri/card1"),
                         [](const auto& card) { return std::string(card.param + 9); });

// Without a 3D driver a render node allocates nothing, and says so; a prefix falls back to the next node.
TEST_F(ExportersGuest, GbmIsSelectedByItsPrefix) {
  for (const auto& one : runtime->exporters()) {
    std::printf("%s %s: %s\n", one.available ? "+" : "-", one.name.c_str(), one.explanation.c_str());
  }
  if (!has("gbm:/dev/dri/card0")) {
    GTEST_SKIP() << "built without libgbm's header";
  }
  auto frame = runtime->allocate_frame({.format = formats::kARGB8888,
                                        .width = 64,
                                        .height = 64,
                                        .modifiers = {Modifier::kLinear, Modifier::kInvalid}},
                                       Usage::ReadWrite, "gbm");
  ASSERT_TRUE(frame) << frame.error().message();
  EXPECT_THAT(frame->objects()[0].exporter(), StartsWith("gbm:/dev/dri/card"));
}

TEST_F(ExportersGuest, DumbIsSelectedByItsPrefix) {
  auto buffer = runtime->allocate(4096, "drm_dumb");
  ASSERT_TRUE(buffer) << buffer.error().message();
  EXPECT_EQ(buffer->exporter(), "drm_dumb:/dev/dri/card0");
}

}  // namespace
}  // namespace causeway::test
