// SPDX-License-Identifier: Apache-2.0
//
// Dumb buffers and counted GEM handles, on a card that is scripted.
#include <drm.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <causeway/runtime.hpp>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "exporters_card.hpp"
#include "support/fake_kernel_fixture.hpp"
#include "uapi/drm_handles.hpp"

namespace causeway::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kCard = "/dev/dri/card0";
constexpr const char* kExporter = "drm_dumb:/dev/dri/card0";
constexpr std::uint64_t kPage = 4096;

class ExportersCard : public FakeKernelTest {
protected:
  Runtime make_runtime() {
    auto made = Runtime::create({.syscalls = kernel.syscalls()});
    EXPECT_TRUE(made) << made.error().message();
    return std::move(*made);
  }
  // Messages of a failed allocation of 64 KiB.
  Error refusal(std::string_view exporter = kExporter) {
    auto runtime = make_runtime();
    auto buffer = runtime.allocate(65536, exporter);
    EXPECT_FALSE(buffer);
    return buffer ? Error(Errc::Internal, "", "") : buffer.error();
  }
  void expect_no_handle_left() {
    EXPECT_EQ(card.open_handles(), 0U);
    EXPECT_EQ(card.wrong_closes(), 0U);
  }

  FakeCard card{kernel, kCard};
  uapi::Kernel uapi{*kernel.syscalls()};
};

TEST_F(ExportersCard, DumbBufferIsADmaBufThatAllMayWrite) {
  auto runtime = make_runtime();
  auto buffer = runtime.allocate(3 * kPage + 1, kExporter, "shown");
  ASSERT_TRUE(buffer) << buffer.error().message();
  EXPECT_EQ(buffer->size(), 4 * kPage);
  EXPECT_TRUE(buffer->is_dma_buf());
  EXPECT_FALSE(buffer->read_only());
  EXPECT_FALSE(buffer->has_pinnable_view());
  EXPECT_EQ(buffer->exporter(), kExporter);
  expect_no_handle_left();
  EXPECT_EQ(card.masters_dropped(), 1U);
}

TEST_F(ExportersCard, DumbIsNotOnTheLadder) {
  auto runtime = make_runtime();
  kernel.configure([](FakeConfig& config) { config.udmabuf = false; });
  auto buffer = runtime.allocate(kPage);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(buffer->exporter(), "dma_heap:system");
  EXPECT_EQ(runtime.allocate(kPage, "drm_dumb")->exporter(), kExporter);
}

TEST_F(ExportersCard, ThereIsNoCardExporterWithoutACard) {
  FakeKernel bare;
  auto runtime = Runtime::create({.syscalls = bare.syscalls()});
  ASSERT_TRUE(runtime);
  for (const auto& exporter : runtime->exporters()) {
    EXPECT_THAT(exporter.name, ::testing::Not(::testing::AnyOf(HasSubstr("drm"), HasSubstr("gbm"))));
  }
}

// A frame of any size is covered: long buffers get longer rows, not more of them than a card takes.
TEST_F(ExportersCard, DumbBuffersCoverTheSize) {
  const auto handles = uapi::GemHandles::open(uapi, kCard);
  ASSERT_TRUE(handles);
  for (const std::uint64_t size : {kPage, 33'177'600UL, (1UL << 30U) + kPage, 1UL << 38U}) {
    const auto dumb = (*handles)->make_dumb(size);
    ASSERT_TRUE(dumb) << dumb.error().message();
    EXPECT_GE(dumb->size, size);
    EXPECT_LT(dumb->size - size, size / 4096 + kPage);
  }
  const auto none = (*handles)->make_dumb(1UL << 50U);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Errc::InvalidArgument);
}

TEST_F(ExportersCard, RefusalsSayWhatToDo) {
  card.dumb_errno = ENOSYS;
  EXPECT_THAT(refusal().message(), HasSubstr("this driver has no dumb buffers"));
  card.dumb_errno = EACCES;
  EXPECT_THAT(refusal().message(), HasSubstr("never on render nodes"));
  card.dumb_errno = ENOMEM;
  EXPECT_EQ(refusal().code(), Errc::OutOfMemory);
  card.dumb_errno = 0;
  card.smaller_by = kPage;
  EXPECT_THAT(refusal().message(), HasSubstr("exported 61440 bytes, and 65536 were asked for"));
  EXPECT_EQ(refusal("drm_dumb:/dev/dri/card7").code(), Errc::NotFound);
  expect_no_handle_left();
}

TEST_F(ExportersCard, ForbiddenNodeNamesTheGroup) {
  auto runtime = make_runtime();
  kernel.fail_next("open", EACCES);
  const auto buffer = runtime.allocate(kPage, kExporter);
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.error().code(), Errc::Permission);
  EXPECT_THAT(buffer.error().message(), HasSubstr("join the group video"));
}

// As the fake kernel names a request that it does not know.
const std::string kGemClose = fmt::format("{:#x}", DRM_IOCTL_GEM_CLOSE);

TEST_F(ExportersCard, NothingIsKeptWhateverCallFails) {
  for (const int system_errno : {EMFILE, ENOMEM, EINTR, EAGAIN}) {
    for_each_failing_call(system_errno, [&](const std::string& failing) {
      const auto refused = card.open_handles();  // those that the kernel would not close
      auto runtime = Runtime::create({.syscalls = kernel.syscalls()});
      if (runtime) {
        const auto buffer = runtime->allocate(65536, kExporter);
        EXPECT_TRUE(buffer || !failing.empty());
      }
      const bool close_fails =
          failing.find(kGemClose) != std::string::npos && system_errno != EINTR && system_errno != EAGAIN;
      EXPECT_EQ(card.open_handles(), refused + (close_fails ? 1 : 0));
    });
    EXPECT_EQ(card.wrong_closes(), 0U);
  }
}

// ---- Counting

TEST_F(ExportersCard, TwoImportsAreOneHandleThatTheLastOneCloses) {
  const UniqueFd buffer(kernel.make_dma_buf({.size = kPage}));
  const auto handles = uapi::GemHandles::open(uapi, kCard);
  ASSERT_TRUE(handles);
  std::optional<uapi::GemHandle> first = (*handles)->import(buffer.borrow()).value();
  const auto number = first->get();
  {
    const auto second = (*handles)->import(buffer.borrow());
    ASSERT_TRUE(second);
    EXPECT_EQ(second->get(), number);
    EXPECT_EQ((*handles)->count(number), 2U);
  }
  EXPECT_EQ((*handles)->count(number), 1U);
  EXPECT_EQ(card.open_handles(), 1U);
  EXPECT_TRUE((*handles)->export_fd(*first));
  first.reset();
  EXPECT_EQ((*handles)->count(number), 0U);
  expect_no_handle_left();
}

TEST_F(ExportersCard, OwnBufferImportedAgainIsTheSameHandle) {
  const auto handles = uapi::GemHandles::open(uapi, kCard);
  ASSERT_TRUE(handles);
  {
    const auto dumb = (*handles)->make_dumb(kPage);
    ASSERT_TRUE(dumb);
    const auto fd = (*handles)->export_fd(dumb->handle);
    ASSERT_TRUE(fd);
    const auto again = (*handles)->import(fd->borrow());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->get(), dumb->handle.get());
  }
  expect_no_handle_left();
}

TEST_F(ExportersCard, DescriptionsCountApart) {
  const UniqueFd buffer(kernel.make_dma_buf({.size = kPage}));
  const auto one = uapi::GemHandles::open(uapi, kCard);
  const auto two = uapi::GemHandles::open(uapi, kCard);
  ASSERT_TRUE(one && two);
  const auto in_one = (*one)->import(buffer.borrow());
  {
    const auto in_two = (*two)->import(buffer.borrow());
    ASSERT_TRUE(in_one && in_two);
    EXPECT_EQ((*two)->count(in_two->get()), 1U);
  }
  EXPECT_EQ((*one)->count(in_one->get()), 1U);
  EXPECT_EQ(card.open_handles(), 1U);
}

TEST_F(ExportersCard, HandleKeepsItsDescriptionOpen) {
  std::optional<uapi::GemHandle> handle;
  {
    auto handles = uapi::GemHandles::open(uapi, kCard);
    ASSERT_TRUE(handles);
    handle = std::move((*handles)->make_dumb(kPage)->handle);
  }
  EXPECT_EQ(card.open_handles(), 1U);
  handle.reset();
  expect_no_handle_left();
}

}  // namespace
}  // namespace causeway::test
