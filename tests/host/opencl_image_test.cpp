// SPDX-License-Identifier: Apache-2.0
// Frames as OpenCL images, on PoCL, pixel by pixel.
#include <gmock/gmock.h>

#include "host/opencl_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr std::uint32_t kWidth = 60;
constexpr std::uint32_t kHeight = 32;
constexpr std::uint32_t kUsage = CW_USAGE_READ | CW_USAGE_WRITE;

class OpenclImage : public ::testing::Test {
protected:
  void SetUp() override { ASSERT_TRUE(device_.opened()) << device_.opened(); }

  OpenclHost host_;
  OpenclDevice device_{host_, pocl_id()};
  TestMemory memory_ = TestMemory::memfd(65536);
};

TEST_F(OpenclImage, PixelsAreWhereTheStrideSays) {
  constexpr std::uint32_t kStride = 320;  // 80 bytes more than a row needs
  const AttachWords words(memory_.object(), formats::kARGB8888, kWidth, kHeight, kStride, kUsage);
  const OpenclAttached attached(device_, words);
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  const auto& view = attached.view();
  ASSERT_NE(view.images[0], nullptr) << ::testing::PrintToString(host_.messages());
  EXPECT_EQ(attached.mapping().imported_as, CW_IMPORTED_AS_IMAGES_APART) << "PoCL makes none from buffers";
  EXPECT_EQ(view.image_formats[0].image_channel_order, cl_channel_order{CL_BGRA});
  EXPECT_EQ(view.image_widths[0], kWidth);
  EXPECT_EQ(view.image_heights[0], kHeight);

  const auto before = pattern(memory_.bytes().size(), 3);
  std::copy(before.begin(), before.end(), memory_.bytes().begin());
  ASSERT_TRUE(attached.begin());
  // Blue and red change places, so that the order of channels is seen; the rest is turned over.
  run_kernel(view,
             "__kernel void work(read_write image2d_t image) {"
             "  int2 at = (int2)(get_global_id(0), get_global_id(1));"
             "  float4 pixel = read_imagef(image, at);"
             "  write_imagef(image, at, (float4)(pixel.z, 1.0f - pixel.y, pixel.x, pixel.w)); }",
             {view.images, 1}, kWidth, kHeight);
  ASSERT_TRUE(attached.end());
  const auto value = [](std::byte byte) { return std::to_integer<int>(byte); };
  for (std::size_t at = 0; at < memory_.bytes().size(); ++at) {
    const std::size_t row = at / kStride;
    const std::size_t column = at % kStride;
    int expected = value(before[at]);
    if (row < kHeight && column < std::size_t{kWidth} * 4) {
      const std::size_t pixel = at - column % 4;
      const int channels[] = {value(before[pixel + 2]), 255 - value(before[pixel + 1]), value(before[pixel]),
                              value(before[pixel + 3])};
      expected = channels[column % 4];
    }
    ASSERT_EQ(value(memory_.bytes()[at]), expected) << "row " << row << ", byte " << column;
  }
}

TEST_F(OpenclImage, Nv12IsR8AndRg8) {
  AttachWords words(memory_.object(), formats::kNV12, 64, 64, 64, kUsage);
  words.planes.push_back({0, 64, 4096});
  words.info.planes = words.planes.data();
  words.info.plane_count = 2;
  const OpenclAttached attached(device_, words);
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  const auto& view = attached.view();
  EXPECT_NE(view.images[0], nullptr);
  EXPECT_EQ(view.image_formats[0].image_channel_order, cl_channel_order{CL_R});
  EXPECT_EQ(view.image_formats[1].image_channel_order, cl_channel_order{CL_RG});
  EXPECT_EQ(view.image_widths[1], 32U);
  EXPECT_EQ(view.image_heights[1], 32U);
  EXPECT_EQ(view.plane_offsets[1], 4096U);
  if (view.images[1] == nullptr) {
    // PoCL 3.1 has no images of two channels; the plane is there as bytes, and the log has the reason.
    EXPECT_EQ(attached.mapping().imported_as, CW_IMPORTED_AS_BYTES);
    EXPECT_THAT(host_.messages(),
                Contains(AllOf(HasSubstr("plane 1"), HasSubstr("no images of channel order"))));
  }

  // Luma by the image, chroma by the buffer.
  std::fill(memory_.bytes().begin(), memory_.bytes().end(), std::byte{0x40});
  ASSERT_TRUE(attached.begin());
  const cl_mem both[] = {view.images[0], view.buffers[0]};
  run_kernel(
      view,
      "__kernel void work(write_only image2d_t luma, __global uchar* bytes) {"
      "  int x = get_global_id(0), y = get_global_id(1);"
      "  write_imagef(luma, (int2)(x, y), (float4)((x + y) / 255.0f));"
      "  if (x < 32 && y < 32) { bytes[4096 + y * 64 + 2 * x] = x; bytes[4096 + y * 64 + 2 * x + 1] = y; } }",
      both, 64, 64);
  ASSERT_TRUE(attached.end());
  for (std::uint32_t y = 0; y < 64; ++y) {
    for (std::uint32_t x = 0; x < 64; ++x) {
      ASSERT_EQ(std::to_integer<unsigned>(memory_.bytes()[y * 64 + x]), x + y);
      if (y < 32) {
        ASSERT_EQ(std::to_integer<unsigned>(memory_.bytes()[4096 + y * 64 + x]), x % 2 == 0 ? x / 2 : y);
      }
    }
  }
  EXPECT_EQ(memory_.bytes()[4096 + 2048], std::byte{0x40});
}

TEST_F(OpenclImage, AStrideBetweenPixelsGivesABufferAlone) {
  const AttachWords words(memory_.object(), formats::kARGB8888, kWidth, kHeight, 242, kUsage);
  const OpenclAttached attached(device_, words);
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(attached.view().images[0], nullptr);
  EXPECT_THAT(host_.messages(),
              Contains(AllOf(HasSubstr("its stride is 242"), HasSubstr("a multiple of 4"))));
  expect_shared(attached, memory_.bytes());
}

TEST_F(OpenclImage, AnImageBeyondItsObjectIsABufferAlone) {
  const AttachWords words(memory_.object(), formats::kARGB8888, 128, 129, 512, kUsage);
  const OpenclAttached attached(device_, words);
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(attached.view().images[0], nullptr);
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("it ends at byte 66048 of an object of 65536 bytes")));
}

TEST_F(OpenclImage, AsBufferMakesNoImages) {
  const AttachWords words(memory_.object(), formats::kARGB8888, kWidth, kHeight, 256,
                          kUsage | CW_USAGE_AS_BUFFER);
  const OpenclAttached attached(device_, words);
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(attached.mapping().imported_as, CW_IMPORTED_AS_BYTES);
  EXPECT_EQ(attached.view().images[0], nullptr);
  EXPECT_EQ(attached.view().width, kWidth);
}

TEST_F(OpenclImage, AFormThatIsAskedForIsThatFormOrNone) {
  const AttachWords fits(memory_.object(), formats::kARGB8888, kWidth, kHeight, 256,
                         kUsage | CW_USAGE_AS_PLANES);
  EXPECT_TRUE(device_.attach_once(fits));
  const AttachWords between(memory_.object(), formats::kARGB8888, kWidth, kHeight, 242,
                            kUsage | CW_USAGE_AS_PLANES);
  EXPECT_THAT(device_.attach_once(between).text, HasSubstr("a multiple of 4"));
  AttachWords two(memory_.object(), formats::kNV12, 64, 64, 64, kUsage | CW_USAGE_AS_IMAGE);
  two.planes.push_back({0, 64, 4096});
  two.info.planes = two.planes.data();
  two.info.plane_count = 2;
  const auto refused = device_.attach_once(two);
  EXPECT_EQ(refused.status, CW_UNSUPPORTED);
  EXPECT_THAT(refused.text, HasSubstr("Usage::AsPlanes"));
}

TEST_F(OpenclImage, TiledMemoryIsNoImageAndABufferOnlyIfAskedFor) {
  AttachWords words(memory_.object(), formats::kXRGB8888, 16, 16, 64, CW_USAGE_READ);
  words.info.image.modifier = 0x0100000000000001;  // Intel's X tiling
  const auto outcome = device_.attach_once(words);
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("LINEAR alone"), HasSubstr("AsBuffer")));
  words.info.usage |= CW_USAGE_AS_BUFFER;
  const auto as_bytes = device_.attach_once(words);
  EXPECT_TRUE(as_bytes) << as_bytes;
}

TEST_F(OpenclImage, ConstraintsComeFromTheDevice) {
  auto image = plugin::sized<cw_image_desc>();
  image.format = formats::kARGB8888.fourcc;
  image.width = kWidth;
  image.height = kHeight;
  auto needs = plugin::sized<cw_constraints>();
  needs.stride_align = needs.offset_align = needs.object_size_align = 1;
  ASSERT_EQ(opencl_table().query_constraints(device_.raw(), &image, kUsage, &needs, nullptr), CW_OK);
  cl_uint bits = 0;
  cl_ulong most = 0;
  const auto device = device_.handles().device;
  ASSERT_EQ(clGetDeviceInfo(device, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof(bits), &bits, nullptr), CL_SUCCESS);
  ASSERT_EQ(clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(most), &most, nullptr), CL_SUCCESS);
  EXPECT_EQ(needs.offset_align, bits / 8);
  EXPECT_EQ(needs.stride_align, 4U);
  EXPECT_EQ(needs.max_object_size, most);
  EXPECT_EQ(needs.object_size_align, 4096U);
  EXPECT_EQ(needs.modifier_count, 1U);
  EXPECT_EQ(needs.modifiers[0], 0U);

  needs = plugin::sized<cw_constraints>();
  needs.stride_align = needs.offset_align = needs.object_size_align = 1;
  ASSERT_EQ(
      opencl_table().query_constraints(device_.raw(), &image, kUsage | CW_USAGE_AS_BUFFER, &needs, nullptr),
      CW_OK);
  EXPECT_EQ(needs.offset_align, 4U) << "kernels on bytes can start at any word";
}

}  // namespace
}  // namespace causeway::test
