// SPDX-License-Identifier: Apache-2.0
// A driver that fails: what the errors say, and that nothing is left behind.
#include <gmock/gmock.h>

#include <optional>

#include "host/gl_faults.hpp"
#include "host/gl_harness.hpp"
#include "support/backend_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t kSide = 64;

class GlFaults : public ::testing::Test {
protected:
  void SetUp() override { FaultyGl::reset(); }
  void TearDown() override {
    device.reset();
    EXPECT_EQ(FaultyGl::books().images, 0);
    EXPECT_EQ(FaultyGl::books().textures, 0);
    EXPECT_EQ(FaultyGl::books().syncs, 0);
    EXPECT_EQ(FaultyGl::books().contexts, 0);
  }
  Result<Device> adopt() {
    return gl::adopt(
        runtime,
        {.display = caller.display(), .context = caller.context(), .get_proc_address = &FaultyGl::get});
  }
  void open() { device = must(adopt()); }
  /// All that an application does with a device and a frame, as far as it goes.
  void use_once(const Frame& made) {
    auto opened = adopt();
    auto attachment = opened ? made.attach(*opened, Usage::Sampled) : Result<Attachment>(opened.error());
    auto mapping =
        attachment ? attachment->map(Direction::Bidirectional) : Result<Mapping>(attachment.error());
    if (mapping) {
      if (auto turn = mapping->begin_access(Usage::ReadWrite, soon())) {
        static_cast<void>(turn->end());
      }
    }
  }
  [[nodiscard]] Frame frame() {
    auto memory = must(runtime.allocate(std::uint64_t{kSide} * kSide * 4));
    return must(Frame::create(
        {.format = formats::kABGR8888, .width = kSide, .height = kSide, .planes = {{.stride = kSide * 4}}},
        {memory}));
  }

  CallerContext caller;
  Runtime runtime = must(Runtime::create());
  std::optional<Device> device;
};

TEST_F(GlFaults, TheDriversErrorsAreWholeSentences) {
  open();
  const auto made = frame();
  const std::pair<EGLint, const char*> cases[] = {
      {EGL_BAD_MATCH, "EGL_BAD_MATCH (format, modifier, planes or target are not supported together)"},
      {EGL_BAD_ACCESS, "EGL_BAD_ACCESS (stride or offset do not suit it)"},
      {EGL_BAD_ALLOC, "EGL_BAD_ALLOC (it ran out of memory, or the driver cannot take this memory)"},
      {EGL_BAD_PARAMETER, "EGL_BAD_PARAMETER (an attribute is missing or wrong)"},
      {EGL_BAD_ATTRIBUTE, "EGL_BAD_ATTRIBUTE (it does not know an attribute)"}};
  for (const auto& [code, text] : cases) {
    FaultyGl::fail("eglCreateImageKHR", static_cast<std::uint32_t>(code));
    const auto refused = made.attach(*device, Usage::Sampled);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::Unsupported);
    EXPECT_EQ(refused.error().operation(), "eglCreateImageKHR");
    EXPECT_THAT(refused.error().message(), HasSubstr(text));
    EXPECT_THAT(refused.error().message(),
                HasSubstr("64 x 64 pixels of AB24 in 1 plane(s), the first with stride 256"));
  }
  EXPECT_TRUE(made.attach(*device, Usage::Sampled)) << "the device itself is as good as before";
}

TEST_F(GlFaults, ALostContextIsALostDeviceAndNobodyElses) {
  open();
  const auto made = frame();
  auto other = must(gl::open(runtime, kSoftware));
  FaultyGl::fail("eglCreateImageKHR", EGL_CONTEXT_LOST);
  const auto lost = made.attach(*device, Usage::Sampled);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), Errc::DeviceLost) << lost.error().message();
  const auto later = made.attach(*device, Usage::Sampled);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code(), Errc::DeviceLost);
  EXPECT_THAT(later.error().message(), HasSubstr("open it anew"));
  auto attachment = must(made.attach(other, Usage::Sampled));
  EXPECT_EQ(must(attachment.map(Direction::ToDevice)).verdict(), AliasVerdict::Aliased);
}

TEST_F(GlFaults, EachCallMayFailOnce) {
  const auto made = frame();
  use_once(made);  // the memory is mapped, and the driver has its caches
  const auto descriptors = open_descriptors();
  const std::pair<const char*, std::uint32_t> calls[] = {
      {"eglCreateContext", EGL_BAD_ALLOC},         {"eglMakeCurrent", EGL_BAD_ALLOC},
      {"eglCreateImageKHR", EGL_BAD_ALLOC},        {"eglCreateSyncKHR", EGL_BAD_ALLOC},
      {"eglClientWaitSyncKHR", EGL_BAD_PARAMETER}, {"glEGLImageTargetTexture2DOES", GL_OUT_OF_MEMORY}};
  for (const auto& [function, code] : calls) {
    int came = 0;
    for (int after = 0; after < 200; ++after) {
      FaultyGl::fail(function, code, after);
      use_once(made);
      EXPECT_EQ(open_descriptors(), descriptors) << function << ", call " << after;
      if (!FaultyGl::failed()) {
        break;
      }
      ++came;
    }
    EXPECT_GT(came, 0) << function << " is never called";
    EXPECT_EQ(FaultyGl::books().images, 0) << function;
    EXPECT_EQ(FaultyGl::books().textures, 0) << function;
    EXPECT_EQ(FaultyGl::books().syncs, 0) << function;
    EXPECT_EQ(FaultyGl::books().contexts, 0) << function;
  }
  FaultyGl::reset();
  open();
  auto attachment = must(made.attach(*device, Usage::Sampled));
  EXPECT_EQ(must(attachment.map(Direction::Bidirectional)).verdict(), AliasVerdict::Aliased);
}

TEST_F(GlFaults, AnEndWithoutFencesIsACountedWait) {
  for (const bool hidden : {true, false}) {
    FaultyGl::reset();
    if (hidden) {
      FaultyGl::hide("EGL_KHR_fence_sync");
    }
    open();
    const auto made = frame();
    auto attachment = must(made.attach(*device, Usage::Render));
    auto mapping = must(attachment.map(Direction::Bidirectional));
    auto turn = must(mapping.begin_access(Usage::Write, soon()));
    {
      const CurrentContext current(*device);
      Canvas(must(gl::view(mapping))->texture, kSide, kSide)
          .draw("vec4 colour(vec2 at) { return vec4(1.0); }");
    }
    if (!hidden) {
      FaultyGl::fail("eglCreateSyncKHR", EGL_BAD_ALLOC);
    }
    const auto before = runtime.counters();
    EXPECT_THAT(must(turn.end()), ::testing::IsEmpty());
    EXPECT_EQ((runtime.counters() - before).cpu_waits, 1U);
    auto access = must(made.begin_cpu_access(Usage::Read, soon()));
    EXPECT_EQ(access.plane(0)[5], std::byte{255});
    must(access.end());
    mapping = Mapping();
    device.reset();
  }
}

// glFinish knows no deadline, so a thread that only asks must not end up in it.
TEST_F(GlFaults, WithoutFencesTheDeviceIsNotKnownToBeIdleUntilSomebodyWaits) {
  FaultyGl::hide("EGL_KHR_fence_sync");
  open();
  const auto made = frame();
  auto attachment = must(made.attach(*device, Usage::Render));
  auto mapping = must(attachment.map(Direction::Bidirectional));
  { const auto dropped = must(mapping.begin_access(Usage::Write, soon())); }
  const auto asked = made.begin_cpu_access(Usage::Write, Deadline::now());
  ASSERT_FALSE(asked);
  EXPECT_THAT(asked.error().message(), HasSubstr("cannot be asked without waiting"));
  auto access = must(made.begin_cpu_access(Usage::Write, soon()));
  must(access.end());
}

TEST_F(GlFaults, MissingExtensionsAreNamed) {
  for (const char* needed :
       {"EGL_EXT_image_dma_buf_import", "EGL_KHR_image_base", "EGL_KHR_surfaceless_context"}) {
    FaultyGl::reset();
    FaultyGl::hide(needed);
    const auto refused = adopt();
    ASSERT_FALSE(refused) << needed;
    EXPECT_EQ(refused.error().code(), Errc::Unsupported);
    EXPECT_THAT(refused.error().message(), HasSubstr(needed));
  }
}

TEST_F(GlFaults, WithoutModifiersLinearFramesComeInAllTheSame) {
  FaultyGl::hide("EGL_EXT_image_dma_buf_import_modifiers");
  open();
  const auto made = frame();
  auto attachment = must(made.attach(*device, Usage::Sampled));
  EXPECT_EQ(must(attachment.map(Direction::Bidirectional)).verdict(), AliasVerdict::Aliased);
}

}  // namespace
}  // namespace causeway::test
