// SPDX-License-Identifier: Apache-2.0
// Memory of Vulkan's own, exported as a dma-buf: lavapipe does that where /dev/udmabuf is.
#include <gmock/gmock.h>
#include <sys/mman.h>

#include <algorithm>
#include <causeway/plugin/backend.hpp>
#include <causeway/runtime.hpp>
#include <causeway/vulkan.hpp>
#include <chrono>
#include <string_view>

#include "host/vulkan_caller.hpp"
#include "host/vulkan_fake_driver.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kLinear = 0;
constexpr std::uint64_t kTiled = 0x0100000000000001;  // Intel's X tiling

/// What allocate() is told.
struct AllocateWords {
  std::vector<std::uint64_t> modifiers;
  cw_allocate_info info = plugin::sized<cw_allocate_info>();

  AllocateWords(Format format, std::uint32_t width, std::uint32_t height, std::uint32_t usage,
                std::vector<std::uint64_t> acceptable = {kLinear})
      : modifiers(std::move(acceptable)) {
    info.usage = usage;
    info.image = plugin::sized<cw_image_desc>();
    info.image.format = format.fourcc;
    info.image.width = width;
    info.image.height = height;
    info.modifier_count = static_cast<std::uint32_t>(modifiers.size());
    info.modifiers = modifiers.data();
  }
  AllocateWords(const AllocateWords&) = delete;
  AllocateWords& operator=(const AllocateWords&) = delete;
};

AllocateWords bytes_words(std::uint32_t size) {
  return {formats::kBytes, size, 1, CW_USAGE_READ | CW_USAGE_WRITE};
}

/// An allocation, its descriptor, and a CPU mapping of it; given back at the end.
class Exported {
public:
  Exported(const OpenedDevice& device, const AllocateWords& words) : device_(device) {
    outcome_ = attempt(
        [&](cw_error* error) { return vulkan_table().allocate(device.raw(), &words.info, &made_, error); });
    if (!outcome_) {
      return;
    }
    fd_.reset(made_.fds[0]);
    void* address = ::mmap(nullptr, size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    EXPECT_NE(address, MAP_FAILED);
    if (address != MAP_FAILED) {
      bytes_ = {static_cast<std::byte*>(address), size()};
    }
  }
  Exported(const Exported&) = delete;
  Exported& operator=(const Exported&) = delete;
  ~Exported() {
    release();
    if (!bytes_.empty()) {
      ::munmap(bytes_.data(), bytes_.size());
    }
  }

  /// Vulkan's part ends; the dma-buf lives on.
  void release() {
    if (made_.token != nullptr) {
      vulkan_table().release(device_.raw(), std::exchange(made_.token, nullptr));
    }
  }
  [[nodiscard]] const Outcome& outcome() const { return outcome_; }
  [[nodiscard]] const cw_allocation& made() const { return made_; }
  [[nodiscard]] std::size_t size() const { return made_.sizes[0]; }
  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  [[nodiscard]] cw_object object() const {
    auto object = plugin::sized<cw_object>();
    object.flags = CW_OBJECT_IS_DMA_BUF;
    object.fd = fd_.get();
    object.pinnable_fd = -1;
    object.size = size();
    return object;
  }

private:
  const OpenedDevice& device_;
  cw_allocation made_ = plugin::sized<cw_allocation>();
  Outcome outcome_;
  UniqueFd fd_;
  std::span<std::byte> bytes_;
};

/// On a machine where lavapipe exports: the one with /dev/udmabuf.
class VulkanExport : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_TRUE(device_.opened()) << device_.opened();
    if (!TestMemory::udmabuf(4096).valid()) {
      GTEST_SKIP() << "/dev/udmabuf cannot be opened, and lavapipe exports nothing without it";
    }
  }
  void TearDown() override { EXPECT_THAT(host_.complaints(), IsEmpty()); }

  VulkanHost host_;
  OpenedDevice device_{host_, "llvmpipe"};
};

TEST_F(VulkanExport, BytesAreSharedByCpuExporterAndImport) {
  Exported exported(device_, bytes_words(10000));
  ASSERT_TRUE(exported.outcome()) << exported.outcome();
  const auto& made = exported.made();
  EXPECT_EQ(made.object_count, 1U);
  EXPECT_EQ(made.plane_count, 1U);
  EXPECT_EQ(made.modifier, kLinear);
  EXPECT_EQ(made.planes[0].stride, 10000U) << "plain bytes are one row";
  EXPECT_GE(exported.size(), 10000U);
  EXPECT_EQ(exported.size() % 4096, 0U);
  {
    const Attached attached(device_, AttachWords(exported.object()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    EXPECT_STREQ(attached.mapping().import_path, "dma-buf");
    expect_shared(attached, exported.bytes());
  }
  exported.release();
  const Attached later(device_, AttachWords(exported.object()));
  ASSERT_TRUE(later.outcome()) << later.outcome();
  expect_shared(later, exported.bytes());
}

TEST_F(VulkanExport, AnImageHasTheDriversLayoutAndComesBackAsAnImage) {
  const auto names = device_.handles();
  const bool images = std::any_of(
      names.extensions, names.extensions + names.extension_count,
      [](std::string_view name) { return name == VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME; });
  ASSERT_TRUE(images) << "lavapipe has VK_EXT_image_drm_format_modifier where /dev/udmabuf is";
  const std::uint32_t usage = CW_USAGE_READ | CW_USAGE_WRITE | CW_USAGE_SAMPLED | CW_USAGE_TRANSFER;
  const Exported exported(device_, AllocateWords(formats::kXRGB8888, 200, 100, usage, {kTiled, kLinear}));
  ASSERT_TRUE(exported.outcome()) << exported.outcome();
  const auto& made = exported.made();
  EXPECT_EQ(made.modifier, kLinear);
  EXPECT_EQ(made.plane_count, 1U);
  EXPECT_GE(made.planes[0].stride, 800U);
  EXPECT_GE(exported.size(), made.planes[0].offset + std::uint64_t{made.planes[0].stride} * 100);
  AttachWords words(exported.object(), formats::kXRGB8888, 200, 100, made.planes[0].stride, usage);
  words.planes[0] = made.planes[0];
  const Attached attached(device_, words);
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(attached.view().kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE));
  expect_shared(attached, exported.bytes());
}

TEST_F(VulkanExport, WhatIsNoImageIsBytesInALayoutOfItsFormat) {
  const Exported exported(
      device_, AllocateWords(formats::kNV12, 640, 480, CW_USAGE_READ | CW_USAGE_WRITE | CW_USAGE_AS_BUFFER));
  ASSERT_TRUE(exported.outcome()) << exported.outcome();
  const auto& made = exported.made();
  EXPECT_EQ(made.object_count, 1U);
  ASSERT_EQ(made.plane_count, 2U);
  EXPECT_EQ(made.planes[0].stride, 640U);
  EXPECT_EQ(made.planes[1].stride, 640U);
  EXPECT_GE(made.planes[1].offset, std::uint64_t{640} * 480);
  EXPECT_GE(exported.size(), made.planes[1].offset + std::uint64_t{640} * 240);
  const Attached attached(device_, AttachWords(exported.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  expect_shared(attached, exported.bytes());
}

TEST_F(VulkanExport, WithoutACommonModifierItIsRefused) {
  const Exported exported(device_, AllocateWords(formats::kXRGB8888, 64, 64, CW_USAGE_READ, {kTiled}));
  EXPECT_EQ(exported.outcome().status, CW_UNSUPPORTED);
  EXPECT_THAT(exported.outcome().text, AllOf(HasSubstr("LINEAR"), HasSubstr("not among the modifiers")));
}

TEST_F(VulkanExport, NonsenseIsRefused) {
  EXPECT_EQ(Exported(device_, bytes_words(0)).outcome().status, CW_INVALID_ARGUMENT);
  const std::uint32_t usage = CW_USAGE_READ | CW_USAGE_AS_BUFFER;
  EXPECT_EQ(Exported(device_, AllocateWords(formats::kNV12, 63, 64, usage)).outcome().status,
            CW_INVALID_ARGUMENT);
  EXPECT_EQ(Exported(device_, AllocateWords(Format{1}, 64, 64, usage)).outcome().status, CW_UNSUPPORTED);
}

TEST_F(VulkanExport, AHundredRoundsKeepTheBooksEven) {
  static_cast<void>(Exported(device_, bytes_words(65536)));  // whatever is kept from the first time
  const auto before = open_descriptors();
  for (int round = 0; round < 100; ++round) {
    const Exported bytes(device_, bytes_words(65536));
    const Exported image(device_, AllocateWords(formats::kXRGB8888, 64, 64, CW_USAGE_READ));
    ASSERT_TRUE(bytes.outcome()) << bytes.outcome();
    ASSERT_TRUE(image.outcome()) << image.outcome();
    EXPECT_TRUE(device_.attach_once(AttachWords(bytes.object())));
    EXPECT_FALSE(
        Exported(device_, AllocateWords(formats::kXRGB8888, 64, 64, CW_USAGE_READ, {kTiled})).outcome());
  }
  EXPECT_EQ(open_descriptors(), before);
}

/// A frame of the GPU's own in the hands of the library: what the CPU wrote is there for two devices, proved.
void expect_aliased(const Frame& frame, const Device& device) {
  auto attachment = frame.attach(device, Usage::ReadWrite);
  ASSERT_TRUE(attachment) << attachment.error().message();
  auto mapping = attachment->map(Direction::Bidirectional);
  ASSERT_TRUE(mapping) << mapping.error().message();
  EXPECT_EQ(mapping->verdict(), AliasVerdict::Aliased) << device.name();
}

TEST(VulkanExportRuntime, FramesOfTheGpuAreAliasedByItselfAndByOthers) {
  auto runtime = Runtime::create(watched_options());
  ASSERT_TRUE(runtime) << runtime.error().message();
  auto gpu = vulkan::open(*runtime, "llvmpipe");
  ASSERT_TRUE(gpu) << gpu.error().message();
  auto other = runtime->open_device("null");
  ASSERT_TRUE(other) << other.error().message();
  const FrameDesc desc{.format = formats::kXRGB8888, .width = 320, .height = 200};
  if (!TestMemory::udmabuf(4096).valid()) {
    const auto refused = runtime->allocate_on(*gpu, desc, Usage::ReadWrite);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::Unsupported);
    EXPECT_THAT(refused.error().message(), HasSubstr("/dev/udmabuf"));
    return;
  }
  for (const Usage usage : {Usage::ReadWrite, Usage::ReadWrite | Usage::AsBuffer}) {
    auto frame = runtime->allocate_on(*gpu, desc, usage);
    ASSERT_TRUE(frame) << frame.error().message();
    EXPECT_TRUE(frame->objects()[0].is_dma_buf());
    auto access = frame->begin_cpu_access(Usage::ReadWrite, Deadline::in(std::chrono::seconds(5)));
    ASSERT_TRUE(access) << access.error().message();
    const auto pixels = pattern(access->plane(0).size(), 5);
    std::copy(pixels.begin(), pixels.end(), access->plane(0).begin());
    ASSERT_TRUE(access->end());
    expect_aliased(*frame, *gpu);
    expect_aliased(*frame, *other);
    auto again = frame->begin_cpu_access(Usage::Read, Deadline::in(std::chrono::seconds(5)));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_TRUE(std::equal(pixels.begin(), pixels.end(), again->plane(0).begin()));
  }
}

TEST(VulkanExportRefused, WithoutUdmabufTheSentenceSaysSoAndNothingIsLeft) {
  if (TestMemory::udmabuf(4096).valid()) {
    GTEST_SKIP() << "here lavapipe does export";
  }
  const VulkanHost host;
  {
    const OpenedDevice device(host, "llvmpipe");
    ASSERT_TRUE(device.opened()) << device.opened();
    const auto before = open_descriptors();
    for (int round = 0; round < 10; ++round) {
      const Exported bytes(device, bytes_words(4096));
      EXPECT_EQ(bytes.outcome().status, CW_UNSUPPORTED);
      EXPECT_THAT(bytes.outcome().text, AllOf(HasSubstr("exports none"), HasSubstr("/dev/udmabuf")));
      const Exported image(device, AllocateWords(formats::kXRGB8888, 64, 64, CW_USAGE_READ));
      EXPECT_EQ(image.outcome().status, CW_UNSUPPORTED);
    }
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_TRUE(device.attach_once(AttachWords(TestMemory::memfd(8192).object())));
  }
  EXPECT_THAT(host.complaints(), IsEmpty());
}

TEST(VulkanExportRefused, WithoutTheExtensionsTheyAreNamed) {
  const VulkanHost host;
  const CallerDevice caller({VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME});
  ASSERT_TRUE(caller.made()) << caller.why();
  const OpenedDevice device(host, caller.words());
  ASSERT_TRUE(device.opened()) << device.opened();
  const Exported exported(device, bytes_words(4096));
  EXPECT_EQ(exported.outcome().status, CW_UNSUPPORTED);
  EXPECT_THAT(exported.outcome().text,
              AllOf(HasSubstr("VK_KHR_external_memory_fd"), HasSubstr("VK_EXT_external_memory_dma_buf")));
}

/// A driver that exports, but fails at each step in turn, leaves nothing behind.
TEST(VulkanExportRefused, EachFailureOfTheDriverLeavesNothing) {
  FakeDriver::reset();
  auto& driver = FakeDriver::instance();
  driver.exports = true;
  const VulkanHost host;
  const OpenedDevice device(host, FakeDriver::words());
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto fails = [&](const char* step) {
    const Exported exported(device, bytes_words(4096));
    EXPECT_FALSE(exported.outcome()) << step;
    EXPECT_EQ(exported.outcome().operation, step);
    EXPECT_EQ(driver.buffers, 0) << step;
    EXPECT_EQ(driver.memories, 0) << step;
  };
  driver.buffer_fails = VK_ERROR_OUT_OF_HOST_MEMORY;
  fails("vkCreateBuffer");
  driver.allocate_fails = VK_ERROR_OUT_OF_DEVICE_MEMORY;
  fails("vkAllocateMemory");
  driver.bind_fails = VK_ERROR_OUT_OF_DEVICE_MEMORY;
  fails("vkBindBufferMemory");
  fails("vkGetMemoryFdKHR");  // its answer is no descriptor
}

}  // namespace
}  // namespace causeway::test
