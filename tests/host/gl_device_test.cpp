// SPDX-License-Identifier: Apache-2.0
// Opening, adopting, refusing; and that devices and frames leave nothing behind.
#include <gmock/gmock.h>

#include <fstream>
#include <thread>

#include "host/gl_harness.hpp"
#include "support/backend_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;

Frame make_frame(Runtime& runtime, FrameLayout layout, std::uint64_t size) {
  return must(Frame::create(std::move(layout), {must(runtime.allocate(size))}));
}
FrameLayout rgba(std::uint32_t width, std::uint32_t height, std::uint32_t stride, std::uint64_t offset = 0) {
  return {.format = formats::kABGR8888,
          .width = width,
          .height = height,
          .planes = {{.stride = stride, .offset = offset}}};
}

TEST(GlDevice, OfTheMachineAreListedWithoutStartingThem) {
  auto runtime = must(Runtime::create());
  const auto devices = must(runtime.devices("gl"));
  ASSERT_FALSE(devices.empty()) << "Mesa has llvmpipe everywhere";
  const auto software = std::find_if(devices.begin(), devices.end(), [](const auto& device) {
    return device.name.find("(software)") != std::string::npos;
  });
  ASSERT_NE(software, devices.end());
}

TEST(GlDevice, IsTheSoftwareOneWhereNoneIsBetter) {
  auto runtime = must(Runtime::create());
  auto device = must(gl::open(runtime));
  if (device.name().find("llvmpipe") == std::string::npos) {
    GTEST_SKIP() << "this machine has a GPU, " << device.name();
  }
  EXPECT_TRUE(device.has(Capability::AccessesViaCpu));
  EXPECT_TRUE(device.has(Capability::ImportsDmaBuf));
  const auto handles = must(gl::handles(device));
  EXPECT_NE(handles.display, EGL_NO_DISPLAY);
  const CurrentContext current(device);
  EXPECT_THAT(reinterpret_cast<const char*>(glGetString(GL_RENDERER)), HasSubstr("llvmpipe"));
}

TEST(GlDevice, OfAnotherNameIsNotFound) {
  auto runtime = must(Runtime::create());
  const auto refused = gl::open(runtime, "no such device");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::NotFound);
  EXPECT_THAT(refused.error().message(), HasSubstr("(software)"));
}

TEST(GlDevice, IsAdoptedAndStaysTheCallers) {
  const CallerContext caller;
  auto runtime = must(Runtime::create());
  {
    auto device = must(gl::adopt(runtime, {.display = caller.display(), .context = caller.context()}));
    EXPECT_EQ(device.id(), "adopted");
    EXPECT_EQ(must(gl::handles(device)).context, caller.context());
    const GlFrame made(runtime, device, "memfd", {.format = formats::kABGR8888, .width = 32, .height = 32},
                       Usage::Render | Usage::Sampled);
    EXPECT_EQ(made.view().context, caller.context());
    const CurrentContext current(caller.display(), caller.context());
    EXPECT_EQ(glIsTexture(made.view().texture), GL_TRUE) << "textures are shared with the caller's context";
  }
  const CurrentContext current(caller.display(), caller.context());
  const Canvas canvas(8, 8);
  canvas.draw("vec4 colour(vec2 at) { return vec4(0.0, 1.0, 0.0, 1.0); }");
  EXPECT_EQ(canvas.read().at(3, 3)[1], 255) << "display and context still work";
}

TEST(GlDevice, LeavesAloneWhatIsCurrentAndBound) {
  const CallerContext caller;
  auto runtime = must(Runtime::create());
  const CurrentContext current(caller.display(), caller.context());
  const Canvas canvas(8, 8);
  GLuint texture = 0;
  glGenTextures(1, &texture);
  glBindTexture(GL_TEXTURE_2D, texture);
  GLint framebuffer_before = 0;
  glGetIntegerv(GL_FRAMEBUFFER_BINDING, &framebuffer_before);
  auto device = must(gl::adopt(runtime, {.display = caller.display(), .context = caller.context()}));
  const GlFrame made(runtime, device, "memfd", {.format = formats::kABGR8888, .width = 32, .height = 32},
                     Usage::Render);
  auto turn = must(made.mapping().begin_access(Usage::Write, soon()));
  must(turn.end());
  EXPECT_EQ(eglGetCurrentContext(), caller.context());
  GLint bound = 0;
  glGetIntegerv(GL_TEXTURE_BINDING_2D, &bound);
  EXPECT_EQ(static_cast<GLuint>(bound), texture);
  glGetIntegerv(GL_FRAMEBUFFER_BINDING, &bound);
  EXPECT_EQ(bound, framebuffer_before);
  EXPECT_EQ(glIsEnabled(GL_SCISSOR_TEST), GL_FALSE);
  EXPECT_EQ(glGetError(), GLenum{GL_NO_ERROR});
  glDeleteTextures(1, &texture);
}

TEST(GlDevice, WithAWrongHandleIsNotAdopted) {
  const CallerContext caller;
  auto runtime = must(Runtime::create());
  const auto no_display = gl::adopt(runtime, {.context = caller.context()});
  ASSERT_FALSE(no_display);
  EXPECT_EQ(no_display.error().code(), Errc::InvalidArgument);
  EXPECT_THAT(no_display.error().message(), HasSubstr("display is null"));
  const auto no_context = gl::adopt(runtime, {.display = caller.display()});
  ASSERT_FALSE(no_context);
  EXPECT_THAT(no_context.error().message(), HasSubstr("context is null"));
  int nothing = 0;
  const auto foreign = gl::adopt(runtime, {.display = caller.display(), .context = &nothing});
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code(), Errc::InvalidArgument);
  EXPECT_THAT(foreign.error().message(), HasSubstr("EGL_BAD_CONTEXT"));
  const CallerContext desktop(EGL_OPENGL_API);
  const auto other_api = gl::adopt(runtime, {.display = desktop.display(), .context = desktop.context()});
  ASSERT_FALSE(other_api);
  EXPECT_EQ(other_api.error().code(), Errc::Unsupported);
  EXPECT_THAT(other_api.error().message(), HasSubstr("desktop OpenGL"));
}

TEST(GlDevice, WhoseContextIsAtWorkOnAnotherThreadSaysSo) {
  auto runtime = must(Runtime::create());
  auto device = must(gl::open(runtime, kSoftware));
  const GlFrame made(runtime, device, "memfd", {.format = formats::kABGR8888, .width = 32, .height = 32},
                     Usage::Render);
  const CurrentContext current(device);
  std::thread([&] {
    auto turn = must(made.mapping().begin_access(Usage::Write, soon()));
    const auto ended = turn.end();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code(), Errc::Busy);
    EXPECT_THAT(ended.error().message(), HasSubstr("the context is current on another thread"));
  }).join();
}

TEST(GlDevice, TakesImagesAlone) {
  auto runtime = must(Runtime::create());
  auto device = must(gl::open(runtime, kSoftware));
  const auto bytes = must(runtime.allocate(4096)).attach(device, Usage::Read);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code(), Errc::Unsupported);
  EXPECT_THAT(bytes.error().message(), HasSubstr("imports images alone, and plain bytes were asked for"));
  const auto as_buffer =
      make_frame(runtime, rgba(16, 16, 64), 4096).attach(device, Usage::AsBuffer | Usage::Read);
  ASSERT_FALSE(as_buffer);
  EXPECT_THAT(as_buffer.error().message(), HasSubstr("Usage::AsBuffer was asked for"));
}

// llvmpipe takes such an image, and crashes when it draws into the last rows.
TEST(GlDevice, RefusesAnImageWhoseLastBlocksReachPastItsMemory) {
  auto runtime = must(Runtime::create());
  auto device = must(gl::open(runtime, kSoftware));
  const auto refused = make_frame(runtime, rgba(1024, 5, 4096), 5 * 4096).attach(device, Usage::Render);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::Unsupported);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("plane 0 needs 32768 bytes from offset 0 on, and object 0 has 20480"));
  EXPECT_TRUE(make_frame(runtime, rgba(1024, 5, 4096), 8 * 4096).attach(device, Usage::Render));
  // Negotiated frames have that room.
  const GlFrame made(runtime, device, "memfd", {.format = formats::kABGR8888, .width = 1024, .height = 5},
                     Usage::Render);
  auto turn = must(made.mapping().begin_access(Usage::Write, soon()));
  {
    const CurrentContext current(device);
    Canvas(made.view().texture, 1024, 5).draw("vec4 colour(vec2 at) { return vec4(1.0); }");
  }
  must(turn.end());
  auto access = must(made.frame().begin_cpu_access(Usage::Read, soon()));
  EXPECT_EQ(access.plane(0)[std::size_t{access.stride(0)} * 4 + 4095], std::byte{255});
  must(access.end());
}

TEST(GlDevice, NamesTheModifiersThatItTakes) {
  auto runtime = must(Runtime::create());
  auto device = must(gl::open(runtime, kSoftware));
  auto layout = rgba(64, 64, 256);
  layout.modifier = Modifier{0x0100'0000'0000'0001ULL};
  const auto refused = make_frame(runtime, layout, 64 * 256).attach(device, Usage::Sampled);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::Unsupported);
  EXPECT_THAT(refused.error().message(), HasSubstr("it imports: LINEAR"));
}

TEST(GlDevice, CannotDrawIntoWhatItOnlySamples) {
  auto runtime = must(Runtime::create());
  auto device = must(gl::open(runtime, kSoftware));
  const auto refused =
      make_frame(runtime, {.format = formats::kYUYV, .width = 64, .height = 64, .planes = {{.stride = 128}}},
                 64 * 128)
          .attach(device, Usage::Render);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::Unsupported);
  EXPECT_THAT(refused.error().message(), HasSubstr("samples from YUYV, and cannot draw into it"));
}

[[maybe_unused]] std::uint64_t resident_pages() {
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident;
}

TEST(GlDevice, LeavesNothingBehindInManyRounds) {
  auto runtime = must(Runtime::create());
  auto device = must(gl::open(runtime, kSoftware));
  const auto frame = make_frame(runtime, rgba(64, 64, 256), 64 * 256);
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      must(frame.attach(device, Usage::Sampled));
    }
  };
  rounds(1000);
  const auto descriptors = open_descriptors().size();
  [[maybe_unused]] const auto pages = resident_pages();
  rounds(100'000);
  EXPECT_EQ(open_descriptors().size(), descriptors);
#ifndef __SANITIZE_ADDRESS__  // which keeps 256 MiB of what was freed
  EXPECT_LT(resident_pages(), pages + 2048) << "8 MiB, where 100 000 leaked pages would be 400";
#endif
}

}  // namespace
}  // namespace causeway::test
