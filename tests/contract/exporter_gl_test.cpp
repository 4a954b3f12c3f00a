// SPDX-License-Identifier: Apache-2.0
//
// The contract of exporters, seen by OpenGL ES: an image over the memory, drawn into and read back by the
// proof.
#include <causeway/gl.hpp>

#include "contract/exporter_contract.hpp"

namespace causeway::test {
namespace {

/// EGL's displays, and llvmpipe's descriptors behind them, are there once for the process: before any test
/// counts.
class OpenGlOnce : public ::testing::Environment {
public:
  void SetUp() override {
    if (on_real_kernel()) {
      auto runtime = must(Runtime::create());
      must(gl::open(runtime, "software"));
    }
  }
};
// GoogleTest owns it.
[[maybe_unused]] const auto* const kOpenGlOnce = ::testing::AddGlobalTestEnvironment(new OpenGlOnce);

TEST_P(ExporterContract, IsDrawnIntoByOpenGl) {
  if (!on_real_kernel()) {
    refused_by_design("OpenGL ES maps the memory itself, and the fake kernel's is none that it could map");
    return;
  }
  constexpr std::uint32_t kSide = 32;
  const auto made = buffer(4 * kPage);
  const auto device = must(gl::open(runtime(), "software"));
  const auto frame = must(Frame::create(
      {.format = formats::kABGR8888, .width = kSide, .height = kSide, .planes = {{.stride = 256}}}, {made}));
  auto attachment = must(frame.attach(device, Usage::Render | Usage::Sampled));
  const auto mapping = must(attachment.map(Direction::Bidirectional));
  EXPECT_EQ(mapping.verdict(), AliasVerdict::Aliased);
  EXPECT_NE(must(gl::view(mapping))->texture, 0U);
}

}  // namespace
}  // namespace causeway::test
