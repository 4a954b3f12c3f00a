// SPDX-License-Identifier: Apache-2.0
//
// Images by libgbm, with a libgbm that is scripted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#if __has_include(<gbm.h>)

#include <drm.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <causeway/runtime.hpp>
#include <cerrno>
#include <string>
#include <vector>

#include "core/runtime_state.hpp"
#include "exporters/gbm.hpp"
#include "exporters/ladder.hpp"
#include "exporters_card.hpp"
#include "support/fake_kernel_fixture.hpp"

namespace causeway::test {
namespace {

/// What the driver behind the scripted libgbm is like, and what it has made.
struct Driver {
  FakeKernel* kernel = nullptr;
  std::vector<std::uint64_t> modifiers{Modifier::kLinear.value};  // empty: it knows none
  std::uint64_t unstated = Modifier::kInvalid.value;              // what a bo made without a list says it has
  int planes = 1;
  bool one_object = true;  // all planes in one
  bool handles = false;    // its memory has GEM handles; else it exports itself
  int bo_errno = 0;        // no bo can be made
  int fd_errno = 0;        // nothing can be exported
  bool no_device = false;
  int devices = 0;  // alive
  int bos = 0;
  std::vector<std::uint32_t> flags;  // of each attempt to make a bo
};
Driver driver;  // NOLINT: libgbm's functions have no context

}  // namespace
}  // namespace causeway::test

// The two types that gbm.h leaves open.
struct gbm_device {
  int node;
};
struct gbm_bo {
  std::uint32_t width;
  std::uint32_t height;
  std::uint64_t modifier;
  causeway::UniqueFd first;
};

namespace causeway::test {
namespace {

gbm_bo* make_bo(std::uint32_t width, std::uint32_t height, std::uint64_t modifier, std::uint32_t flags) {
  driver.flags.push_back(flags);
  if (driver.bo_errno != 0) {
    errno = driver.bo_errno;
    return nullptr;
  }
  ++driver.bos;
  return new gbm_bo{width, height, modifier, {}};
}

int export_plane(gbm_bo* bo, int /*plane*/) {
  if (driver.fd_errno != 0) {
    errno = driver.fd_errno;
    return -1;
  }
  if (driver.one_object && bo->first.valid()) {
    return ::fcntl(bo->first.get(), F_DUPFD_CLOEXEC, 0);
  }
  const std::uint64_t bytes = std::uint64_t{bo->width} * 4 * bo->height * 2;
  const int fd = driver.kernel->make_dma_buf({.size = (bytes + 4095) / 4096 * 4096, .exporter = "gbm"});
  if (driver.one_object && fd >= 0) {
    bo->first = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  }
  return fd;
}

const exporters::GbmLibrary kScripted = {
    .create_device = [](int node) -> gbm_device* {
      if (driver.no_device) {
        errno = ENODEV;
        return nullptr;
      }
      ++driver.devices;
      return new gbm_device{node};
    },
    .device_destroy =
        [](gbm_device* device) {
          --driver.devices;
          delete device;
        },
    .device_get_backend_name = [](gbm_device*) { return "scripted"; },
    .bo_create = [](gbm_device*, std::uint32_t width, std::uint32_t height, std::uint32_t,
                    std::uint32_t flags) { return make_bo(width, height, driver.unstated, flags); },
    .bo_create_with_modifiers2 = [](gbm_device*, std::uint32_t width, std::uint32_t height, std::uint32_t,
                                    const std::uint64_t* list, const unsigned count,
                                    std::uint32_t flags) -> gbm_bo* {
      const auto* best =
          std::find_first_of(list, list + count, driver.modifiers.begin(), driver.modifiers.end());
      if (best == list + count) {
        errno = ENOSYS;
        return nullptr;
      }
      return make_bo(width, height, *best, flags);
    },
    .bo_destroy =
        [](gbm_bo* bo) {
          --driver.bos;
          delete bo;
        },
    .bo_get_plane_count = [](gbm_bo*) { return driver.planes; },
    .bo_get_offset = [](gbm_bo* bo, int plane) -> std::uint32_t {
      return plane == 0 || !driver.one_object ? 0 : bo->width * 4 * bo->height;
    },
    .bo_get_stride_for_plane = [](gbm_bo* bo, int) { return bo->width * 4; },
    .bo_get_modifier = [](gbm_bo* bo) { return bo->modifier; },
    .bo_get_handle_for_plane = [](gbm_bo*, int) { return gbm_bo_handle{.s32 = driver.handles ? 77 : -1}; },
    .bo_get_fd_for_plane = &export_plane};

Result<const exporters::GbmLibrary*> load_scripted() {
  return &kScripted;
}
Result<const exporters::GbmLibrary*> load_none() {
  return Error(Errc::NotFound, "dlopen", "libgbm.so.1 cannot be opened");
}

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kNode = "/dev/dri/card0";
constexpr const char* kExporter = "gbm:/dev/dri/card0";

class ExportersGbm : public FakeKernelTest {
protected:
  ExportersGbm() {
    driver = Driver{};
    driver.kernel = &kernel;
  }
  ~ExportersGbm() override { EXPECT_EQ(driver.devices, 0); }

  [[nodiscard]] Result<Runtime> make_runtime(
      Result<const exporters::GbmLibrary*> (*load)() = &load_scripted) {
    auto runtime = Runtime::create(
        {.syscalls = kernel.syscalls(), .builtin_backends = false, .log = [](LogLevel, std::string_view) {}});
    if (!runtime) {
      return runtime;
    }
    const auto& state = runtime->state();
    std::vector<std::unique_ptr<core::Allocator>> allocators;
    allocators.push_back(exporters::make_memfd(state->kernel()));
    allocators.push_back(exporters::make_gbm(state->kernel(), kNode, load));
    state->equip(std::move(allocators), {}, {});
    return runtime;
  }
  [[nodiscard]] Result<Frame> allocate(std::vector<Modifier> modifiers, Format format = formats::kXRGB8888) {
    auto runtime = make_runtime();
    if (!runtime) {
      return std::move(runtime.error());
    }
    auto frame = runtime->allocate_frame(
        {.format = format, .width = 64, .height = 32, .modifiers = std::move(modifiers)}, Usage::ReadWrite,
        kExporter, "picture");
    EXPECT_EQ(driver.bos, 0) << "the dma-buf alone holds the memory";
    return frame;
  }
  void expect_refusal(const Result<Frame>& frame, Errc code, const std::string& part) {
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().code(), code);
    EXPECT_THAT(frame.error().message(), HasSubstr(part));
  }

  FakeCard card{kernel, kNode};
};

constexpr Modifier kTiled{0x0100000000000001ULL};

TEST_F(ExportersGbm, TakesTheDriversLayout) {
  driver.modifiers = {Modifier::kLinear.value, kTiled.value};
  const auto frame = allocate({kTiled, Modifier::kLinear});
  ASSERT_TRUE(frame) << frame.error().message();
  EXPECT_EQ(frame->layout().modifier, kTiled);
  EXPECT_EQ(frame->layout().planes[0].stride, 256U);
  ASSERT_EQ(frame->objects().size(), 1U);
  EXPECT_EQ(frame->objects()[0].exporter(), kExporter);
  EXPECT_TRUE(frame->objects()[0].is_dma_buf());
  EXPECT_THAT(driver.flags, ElementsAre(GBM_BO_USE_RENDERING));
}

TEST_F(ExportersGbm, InvalidStaysInvalid) {
  driver.modifiers.clear();
  const auto frame = allocate({Modifier::kLinear, Modifier::kInvalid});
  ASSERT_TRUE(frame) << frame.error().message();
  EXPECT_EQ(frame->layout().modifier, Modifier::kInvalid);
  EXPECT_THAT(driver.flags, ElementsAre(GBM_BO_USE_RENDERING | GBM_BO_USE_LINEAR));
  expect_refusal(allocate({}), Errc::Unsupported, "accept INVALID, too");
}

TEST_F(ExportersGbm, WithoutAListTheDriverChooses) {
  const auto frame = allocate({Modifier::kInvalid});
  ASSERT_TRUE(frame) << frame.error().message();
  EXPECT_EQ(frame->layout().modifier, Modifier::kInvalid);
  EXPECT_THAT(driver.flags, ElementsAre(GBM_BO_USE_RENDERING));
}

TEST_F(ExportersGbm, PlanesShareTheirObject) {
  driver.planes = 2;
  auto frame = allocate({Modifier::kLinear}, formats::kNV12);
  ASSERT_TRUE(frame) << frame.error().message();
  EXPECT_EQ(frame->objects().size(), 1U);
  EXPECT_EQ(frame->layout().planes[1].object, 0U);
  EXPECT_EQ(frame->layout().planes[1].offset, 8192U);
  driver.one_object = false;
  frame = allocate({Modifier::kLinear}, formats::kNV12);
  ASSERT_TRUE(frame) << frame.error().message();
  EXPECT_EQ(frame->objects().size(), 2U);
  EXPECT_EQ(frame->layout().planes[1].object, 1U);
}

TEST_F(ExportersGbm, RefusalsSayWhatToDo) {
  expect_refusal(allocate({kTiled}), Errc::Unsupported, "made no image of 64x32 pixels in XR24");
  driver.planes = 2;  // compression data beside the pixels
  expect_refusal(allocate({}), Errc::Unsupported, "takes 2 memory planes");
  driver.bo_errno = EINVAL;
  expect_refusal(allocate({}, formats::kNV12), Errc::Unsupported, "no format of 2 planes");
  driver.bo_errno = ENOMEM;
  expect_refusal(allocate({}), Errc::OutOfMemory, "");
  driver = Driver{.kernel = &kernel, .fd_errno = EMFILE};
  expect_refusal(allocate({}), Errc::OutOfFds, "plane 0 of an image");
  driver = Driver{.kernel = &kernel, .no_device = true};
  expect_refusal(allocate({}), Errc::DeviceLost, "no driver for /dev/dri/card0");
}

TEST_F(ExportersGbm, DescriptionIsCheckedFirst) {
  auto runtime = make_runtime();
  const FrameDesc image{.format = formats::kXRGB8888, .width = 0, .height = 32};
  expect_refusal(runtime->allocate_frame(image, Usage::Read, "gbm"), Errc::InvalidArgument, "0x32");
  expect_refusal(runtime->allocate_frame(image, Usage::Read, ""), Errc::InvalidArgument,
                 "no exporter was named");
  const FrameDesc sound{.format = formats::kXRGB8888, .width = 64, .height = 32};
  expect_refusal(runtime->allocate_frame(sound, Usage::Read, "gdm"), Errc::NotFound, kExporter);
  expect_refusal(runtime->allocate_frame(sound, Usage::Read, "memfd"), Errc::Unsupported, "plain bytes");
  EXPECT_TRUE(driver.flags.empty());
}

TEST_F(ExportersGbm, MissingLibraryIsAReason) {
  auto runtime = make_runtime(&load_none);
  expect_refusal(
      runtime->allocate_frame({.format = formats::kXRGB8888, .width = 64, .height = 32}, Usage::Read, "gbm"),
      Errc::NotFound, "libgbm.so.1 cannot be opened");
}

TEST_F(ExportersGbm, ForbiddenNodeNamesTheGroup) {
  kernel.fail_next("open", EACCES);
  expect_refusal(allocate({}), Errc::Permission, "join the group video");
}

TEST_F(ExportersGbm, PlainBytesAreALinearImage) {
  auto runtime = make_runtime();
  const auto buffer = runtime->allocate(100'000, kExporter);
  ASSERT_TRUE(buffer) << buffer.error().message();
  EXPECT_GE(buffer->size(), 100'000U);
  const auto vast = runtime->allocate(std::uint64_t{1} << 30, kExporter);
  ASSERT_FALSE(vast);
  EXPECT_THAT(vast.error().message(), HasSubstr("67108864 at most"));
}

// Of a driver with GEM handles we export ourselves, for some export read-only. The scripted card does not
// know handle 77, so that what is taken in the end is the driver's own export.
TEST_F(ExportersGbm, NodesHandleIsTriedFirst) {
  driver.handles = true;
  kernel.forget_calls();
  EXPECT_TRUE(allocate({}));
  EXPECT_EQ(kernel.count("F_SETFD"), 1U);
  EXPECT_EQ(kernel.count(fmt::format("{:#x}", DRM_IOCTL_PRIME_HANDLE_TO_FD)), 1U);
  kernel.fail_next(fmt::format("{:#x}", DRM_IOCTL_PRIME_HANDLE_TO_FD), EMFILE);
  expect_refusal(allocate({}), Errc::OutOfFds, "GEM handle 77");
}

TEST_F(ExportersGbm, NothingIsKeptWhateverCallFails) {
  driver.handles = true;
  for (const int system_errno : {EMFILE, ENOMEM, EINTR, EAGAIN}) {
    for_each_failing_call(system_errno, [&](const std::string& failing) {
      {
        const auto frame = allocate({});
        EXPECT_TRUE(frame || !failing.empty());
      }
      EXPECT_EQ(driver.devices, 0);
    });
  }
}

}  // namespace
}  // namespace causeway::test

#endif
