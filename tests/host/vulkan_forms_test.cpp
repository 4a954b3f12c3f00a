// SPDX-License-Identifier: Apache-2.0
// Which form a frame takes: one image, an image a plane, a buffer; and what is refused before a driver is
// asked.
#include <cmath>

#include "host/vulkan_image_harness.hpp"
#include "host/vulkan_ycbcr_reference.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint32_t kSampled = CW_USAGE_READ | CW_USAGE_SAMPLED;
constexpr std::uint32_t kWidth = 50;
constexpr std::uint32_t kHeight = 24;  // lavapipe rounds rows up to four, and 12 are of chroma

class VulkanForms : public VulkanImages {
protected:
  /// Luma first, chroma right behind it: as cameras and decoders write NV12.
  [[nodiscard]] std::vector<PlaneAt> tight(std::uint32_t stride = 64) const {
    return {{&memory_, 0, stride}, {&memory_, std::uint64_t{stride} * kHeight, stride}};
  }
  [[nodiscard]] Outcome refuse(Format format, std::uint32_t width, std::uint32_t height,
                               const std::vector<PlaneAt>& planes,
                               std::uint32_t usage = kSampled | CW_USAGE_AS_PLANES) const {
    return device_.attach_once(*words_of(format, width, height, planes, usage));
  }
  /// Every texel of a plane, in the numbers of its format.
  [[nodiscard]] std::vector<std::array<unsigned, 4>> numbers(const Attached& attached, std::uint32_t p,
                                                             double most) const {
    std::vector<std::array<unsigned, 4>> found;
    for (const Texel& texel :
         sample(device_.handles(), plane(attached.view(), p), attached.view().acquire_from)) {
      auto& numbers = found.emplace_back();
      for (std::size_t c = 0; c < 4; ++c) {
        numbers.at(c) = static_cast<unsigned>(std::lround(double(texel.at(c)) * most));
      }
    }
    return found;
  }

  const TestMemory memory_ = shared_memory(16384);
};

TEST_F(VulkanForms, PlanesOfNv12AreR8AndRg8) {
  const auto picture = Picture::make(kWidth, kHeight, 2, 2);
  const std::uint32_t stride = modifiers() ? 192 : 64;  // by modifier any will do
  const auto planes = tight(stride);
  put_luma<std::uint8_t>(picture, planes[0].bytes(), stride);
  put_chroma<std::uint8_t>(picture, planes[1].bytes(), stride);
  const Attached attached(device_,
                          *words_of(formats::kNV12, kWidth, kHeight, planes, kSampled | CW_USAGE_AS_PLANES));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  const auto& view = attached.view();
  ASSERT_EQ(view.kind, static_cast<std::uint32_t>(CW_VULKAN_PLANES)) << view.why_not;
  EXPECT_EQ(view.image, VkImage{VK_NULL_HANDLE});
  EXPECT_EQ(view.plane_formats[0], VK_FORMAT_R8_UNORM);
  EXPECT_EQ(view.plane_formats[1], VK_FORMAT_R8G8_UNORM);
  EXPECT_EQ(view.images_in_buffers, 1U);
  EXPECT_EQ(attached.mapping().imported_as, CW_IMPORTED_AS_IMAGES);
  const auto luma = numbers(attached, 0, 255);
  const auto chroma = numbers(attached, 1, 255);
  ASSERT_EQ(luma.size(), picture.y.size());
  ASSERT_EQ(chroma.size(), picture.cb.size());
  for (std::size_t i = 0; i < luma.size(); ++i) {
    ASSERT_EQ(luma[i][0], picture.y[i]) << "pixel " << i;
  }
  for (std::size_t i = 0; i < chroma.size(); ++i) {
    ASSERT_EQ(chroma[i][0], picture.cb[i]) << "sample " << i;
    ASSERT_EQ(chroma[i][1], picture.cr[i]) << "sample " << i;
  }
}

TEST_F(VulkanForms, PlanesOfP010AreR16AndRg16InTwoObjects) {
  const auto other = shared_memory(8192);
  const auto picture = Picture::make(kWidth, kHeight, 2, 2, 10);
  const std::vector<PlaneAt> planes{{&memory_, 0, 128}, {&other, 1024, 128}};
  put_luma<std::uint16_t>(picture, planes[0].bytes(), 128);
  put_chroma<std::uint16_t>(picture, planes[1].bytes(), 128);
  const Attached attached(device_,
                          *words_of(formats::kP010, kWidth, kHeight, planes, kSampled | CW_USAGE_AS_PLANES));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  const auto luma = numbers(attached, 0, 65535);
  const auto chroma = numbers(attached, 1, 65535);
  ASSERT_EQ(luma.size(), picture.y.size());
  for (std::size_t i = 0; i < luma.size(); ++i) {
    ASSERT_EQ(luma[i][0], picture.y[i] << 6U) << "pixel " << i;
  }
  for (std::size_t i = 0; i < chroma.size(); ++i) {
    ASSERT_EQ(chroma[i][0], picture.cb[i] << 6U) << "sample " << i;
    ASSERT_EQ(chroma[i][1], picture.cr[i] << 6U) << "sample " << i;
  }
}

TEST_F(VulkanForms, ThePlaneOfYuyvIsRgba8OfHalfTheWidth) {
  const auto picture = Picture::make(kWidth, kHeight, 2, 1);
  put_yuyv(picture, memory_.bytes(), 128);
  const Attached attached(device_, *words_of(formats::kYUYV, kWidth, kHeight, {{&memory_, 0, 128}},
                                             kSampled | CW_USAGE_AS_PLANES));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(attached.view().plane_widths[0], kWidth / 2);
  const auto texels = numbers(attached, 0, 255);
  ASSERT_EQ(texels.size(), picture.cb.size());
  for (std::size_t i = 0; i < texels.size(); ++i) {
    ASSERT_EQ(texels[i],
              (std::array<unsigned, 4>{picture.y[2 * i], picture.cb[i], picture.y[2 * i + 1], picture.cr[i]}))
        << "pair " << i;
  }
}

TEST_F(VulkanForms, OneImageComesFirstWhereTheMemorySuffices) {
  const Attached attached(device_, *words_of(formats::kNV12, kWidth, kHeight, tight(), kSampled));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  EXPECT_EQ(attached.view().kind, static_cast<std::uint32_t>(CW_VULKAN_IMAGE)) << attached.view().why_not;
}

TEST_F(VulkanForms, WhereItDoesNotThePlanesComeAndThenTheBuffer) {
  // lavapipe wants room for the whole image behind the start of each plane: a frame that ends with its object
  // is too short for it, and long enough for planes.
  const auto words = words_of(formats::kNV12, kWidth, kHeight, tight(), kSampled);
  words->objects[0].size = std::uint64_t{64} * kHeight * 3 / 2;
  const Attached planes(device_, *words);
  ASSERT_TRUE(planes.outcome()) << planes.outcome();
  EXPECT_EQ(planes.view().kind, static_cast<std::uint32_t>(CW_VULKAN_PLANES));
  EXPECT_THAT(planes.view().why_not, AllOf(HasSubstr("as one image"), HasSubstr("the object has 2304")));
  // Planes that begin between the multiples of 64 suit no image, and bytes are bytes; by modifiers they do.
  const auto odd =
      words_of(formats::kNV12, kWidth, kHeight, {{&memory_, 0, 64}, {&memory_, 1538, 64}}, kSampled);
  const Attached buffer(device_, *odd);
  ASSERT_TRUE(buffer.outcome()) << buffer.outcome();
  EXPECT_EQ(buffer.view().kind,
            static_cast<std::uint32_t>(modifiers() ? CW_VULKAN_PLANES : CW_VULKAN_BUFFER));
  EXPECT_THAT(buffer.view().why_not, HasSubstr("wants a multiple of 64"));
}

TEST_F(VulkanForms, AFormThatIsAskedForIsThatFormOrNone) {
  const auto short_for_one = [&](std::uint32_t usage) {
    const auto words = words_of(formats::kNV12, kWidth, kHeight, tight(), kSampled | usage);
    words->objects[0].size = std::uint64_t{64} * kHeight * 3 / 2;
    return device_.attach_once(*words);
  };
  const auto one = short_for_one(CW_USAGE_AS_IMAGE);
  EXPECT_EQ(one.status, CW_UNSUPPORTED);
  EXPECT_THAT(one.text, HasSubstr("the object has 2304"));
  EXPECT_TRUE(short_for_one(CW_USAGE_AS_PLANES));
  EXPECT_TRUE(short_for_one(CW_USAGE_AS_BUFFER));
  EXPECT_TRUE(refuse(formats::kNV12, kWidth, kHeight, tight(), kSampled | CW_USAGE_AS_IMAGE))
      << "it has room";
  const AttachWords bytes(memory_.object(), CW_USAGE_READ | CW_USAGE_AS_IMAGE);
  EXPECT_THAT(device_.attach_once(bytes).text, HasSubstr("plain bytes are no image"));
}

TEST_F(VulkanForms, AStrideThatTheDriverHasNotGoesByModifiersAlone) {
  const auto outcome =
      refuse(formats::kR8, kWidth, kHeight, {{&memory_, 0, 192}}, kSampled | CW_USAGE_AS_IMAGE);
  if (modifiers()) {
    EXPECT_TRUE(outcome) << outcome;
    return;
  }
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("stride of 192"), HasSubstr("would work with 64")));
}

TEST_F(VulkanForms, LayoutsThatAreWrongNeverReachTheDriver) {
  // A stride that is shorter than the row: lavapipe accepts it.
  EXPECT_THAT(refuse(formats::kNV12, kWidth, kHeight, tight(48)).text,
              AllOf(HasSubstr("plane 0 has a stride of 48"), HasSubstr("at least 50")));
  // Chroma over luma: nobody asks.
  EXPECT_THAT(refuse(formats::kNV12, kWidth, kHeight, {{&memory_, 0, 64}, {&memory_, 640, 64}}).text,
              AllOf(HasSubstr("planes 0 and 1 overlap"), HasSubstr("object 0")));
  // Side by side in rows of one stride they do not.
  EXPECT_TRUE(refuse(formats::kNV12, kWidth, kHeight, {{&memory_, 0, 128}, {&memory_, 64, 128}},
                     kSampled | CW_USAGE_AS_BUFFER));
  EXPECT_THAT(refuse(formats::kNV12, 51, kHeight, tight()).text, HasSubstr("51x24 is no possible size"));
  EXPECT_THAT(refuse(formats::kYUYV, 51, kHeight, {{&memory_, 0, 128}}).text, HasSubstr("no possible size"));
  EXPECT_THAT(refuse(formats::kP010, kWidth, kHeight, {{&memory_, 0, 128}, {&memory_, 4097, 128}}).text,
              HasSubstr("a multiple of its texels' 4 bytes"));
  EXPECT_THAT(refuse(formats::kNV12, kWidth, kHeight, {{&memory_, 0, 64}}).text,
              HasSubstr("NV12 has 2 planes, and 1 were given"));
  EXPECT_THAT(refuse(formats::kNV12, kWidth, kHeight, {{&memory_, 0, 64}, {&memory_, 16384 - 704, 64}}).text,
              AllOf(HasSubstr("from byte 15680 on"), HasSubstr("object 0 has 16384")));
  EXPECT_TRUE(refuse(formats::kNV12, kWidth, kHeight, {{&memory_, 0, 64}, {&memory_, 16384 - 768, 64}}));
  EXPECT_THAT(refuse(formats::kR8, kWidth, 0xffffffffU, {{&memory_, 8192, 0xffffffffU}}).text,
              HasSubstr("object 0 has 16384"));
}

TEST_F(VulkanForms, TwoDescriptorsOfOneDmaBufAreOneObject) {
  // The overlap is seen through them, as is the one memory.
  const auto words = words_of(formats::kNV12, kWidth, kHeight, tight(), kSampled | CW_USAGE_AS_PLANES);
  words->objects.push_back(words->objects[0]);
  for (auto& object : words->objects) {
    object.device_number = 7;
    object.inode = 42;
  }
  words->info.objects = words->objects.data();
  words->info.object_count = 2;
  words->planes[1] = {1, 64, 640};
  EXPECT_THAT(device_.attach_once(*words).text, HasSubstr("overlap"));
  words->objects[1].inode = 43;
  EXPECT_TRUE(device_.attach_once(*words)) << "of another object these are other bytes";
}

TEST_F(VulkanForms, AHundredRoundsOfEachFormKeepTheBooksEven) {
  const auto planes = words_of(formats::kNV12, kWidth, kHeight, tight(), kSampled | CW_USAGE_AS_PLANES);
  const auto image = words_of(formats::kNV12, kWidth, kHeight, tight(), kSampled | CW_USAGE_AS_IMAGE);
  const auto none = words_of(formats::kNV12, kWidth, kHeight, tight(48), kSampled | CW_USAGE_AS_IMAGE);
  ASSERT_TRUE(device_.attach_once(*planes));
  const auto before = open_descriptors();
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(device_.attach_once(*planes));
    ASSERT_TRUE(device_.attach_once(*image));
    ASSERT_FALSE(device_.attach_once(*none));
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(VulkanForms, ConstraintsOfAFormMakeItPossible) {
  const auto ask = [&](Format format, std::uint32_t usage, cw_constraints& out) {
    auto image = plugin::sized<cw_image_desc>();
    image.format = format.fourcc;
    image.width = kWidth;
    image.height = kHeight;
    out = plugin::sized<cw_constraints>();
    out.stride_align = out.offset_align = out.object_size_align = 1;
    return attempt([&](cw_error* error) {
      return vulkan_table().query_constraints(device_.raw(), &image, usage, &out, error);
    });
  };
  cw_constraints out{};
  ASSERT_TRUE(ask(formats::kNV12, kSampled | CW_USAGE_AS_IMAGE, out));
  EXPECT_EQ(out.exact_stride[0], 64U);
  EXPECT_EQ(out.exact_stride[1], 64U);
  EXPECT_EQ(out.offset_align % 64, 0U);
  EXPECT_GE(out.min_object_size[0], std::uint64_t{64} * kHeight + out.min_object_size[1]);
  ASSERT_TRUE(ask(formats::kNV12, kSampled, out));
  EXPECT_EQ(out.exact_stride[0], 0U) << "cameras have strides of their own, and a buffer will do";
  EXPECT_EQ(out.stride_align, 64U);
  EXPECT_EQ(out.min_object_size[0], 0U);
  const auto none = ask(Format{1}, kSampled | CW_USAGE_AS_IMAGE, out);
  EXPECT_EQ(none.status, CW_UNSUPPORTED);
  EXPECT_THAT(none.text, HasSubstr("no image format"));
  EXPECT_EQ(ask(formats::kNV12, CW_USAGE_READ | CW_USAGE_STORAGE | CW_USAGE_AS_IMAGE, out).status,
            CW_UNSUPPORTED);
  EXPECT_TRUE(ask(formats::kNV12, CW_USAGE_READ | CW_USAGE_STORAGE | CW_USAGE_AS_PLANES, out));
}

}  // namespace
}  // namespace causeway::test
