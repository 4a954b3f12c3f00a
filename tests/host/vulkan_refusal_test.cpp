// SPDX-License-Identifier: Apache-2.0
// What cannot be imported is refused by a sentence, and no descriptor is lost or closed twice over it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

#include "host/vulkan_caller.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class VulkanRefusal : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_TRUE(device_.opened()) << device_.opened();
    static_cast<void>(
        device_.attach_once(AttachWords(good_.object())));  // whatever is kept from the first time
    before_ = open_descriptors();
  }
  void TearDown() override {
    EXPECT_EQ(open_descriptors(), before_);
    // The device still does its work.
    const auto outcome = device_.attach_once(AttachWords(good_.object()));
    EXPECT_TRUE(outcome) << outcome;
    EXPECT_THAT(host_.complaints(), IsEmpty());
  }
  [[nodiscard]] Outcome refuse(const cw_object& object) const {
    return device_.attach_once(AttachWords(object));
  }
  static cw_object object_of(int fd, std::uint64_t size) {
    auto object = plugin::sized<cw_object>();
    object.fd = fd;
    object.pinnable_fd = -1;
    object.size = size;
    return object;
  }

  VulkanHost host_;
  OpenedDevice device_{host_, "llvmpipe"};
  TestMemory good_ = TestMemory::memfd(8192);
  std::map<int, std::string> before_;
};

TEST_F(VulkanRefusal, FileTooSmall) {
  auto object = good_.object();
  object.size = 1U << 20U;
  const auto outcome = refuse(object);
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("holds 8192 bytes"), HasSubstr("1048576")));
}

TEST_F(VulkanRefusal, SizeZero) {
  auto object = good_.object();
  object.size = 0;
  const auto outcome = refuse(object);
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, HasSubstr("size 0"));
}

TEST_F(VulkanRefusal, Pipe) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const auto outcome = refuse(object_of(ends[0], 4096));
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, HasSubstr("is a pipe"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(VulkanRefusal, CharacterDevice) {
  const UniqueFd zero(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  const auto outcome = refuse(object_of(zero.get(), 4096));
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, HasSubstr("is a character device"));
}

TEST_F(VulkanRefusal, NumberThatIsNotOpen) {
  const auto outcome = refuse(object_of(9999, 4096));
  EXPECT_EQ(outcome.status, CW_INVALID_ARGUMENT);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("9999"), HasSubstr("is not open")));
}

TEST_F(VulkanRefusal, WriteSealedMemfd) {
  const UniqueFd sealed(::memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(sealed.get(), 4096), 0);
  ASSERT_EQ(::fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  const auto outcome = refuse(object_of(sealed.get(), 4096));
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("as a dma-buf: it is read-only"),
                                  HasSubstr("by host pointer: it is read-only")));
}

TEST_F(VulkanRefusal, MemfdThatPassesForADmaBuf) {
  // A lying flag must not get it past the checks into trouble: it is memory after all.
  auto object = good_.object();
  object.flags |= CW_OBJECT_IS_DMA_BUF;
  const auto outcome = refuse(object);
  EXPECT_TRUE(outcome) << outcome;
}

TEST_F(VulkanRefusal, PlanesThatAreNowhere) {
  AttachWords words(good_.object(), formats::kR8, 64, 64, 64, CW_USAGE_READ);
  words.planes[0].object = 1;
  EXPECT_EQ(device_.attach_once(words).status, CW_INVALID_ARGUMENT);
  words.planes[0] = {0, 64, 8192};
  EXPECT_THAT(device_.attach_once(words).text, HasSubstr("starts at byte 8192 of object 0, which has 8192"));
  words.planes[0].offset = 0;
  words.info.object_count = 0;
  EXPECT_EQ(device_.attach_once(words).status, CW_INVALID_ARGUMENT);
  words.info.object_count = 1;
  words.info.image.height = 0;
  EXPECT_EQ(device_.attach_once(words).status, CW_INVALID_ARGUMENT);
}

TEST_F(VulkanRefusal, TiledMemoryIsNoBufferUnlessAskedFor) {
  AttachWords words(good_.object(), formats::kXRGB8888, 16, 16, 64, CW_USAGE_READ);
  words.info.image.modifier = 0x0100000000000001;  // Intel's X tiling
  const auto outcome = device_.attach_once(words);
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("cannot be imported as an image"));
  words.info.usage |= CW_USAGE_AS_BUFFER;
  const auto as_bytes = device_.attach_once(words);
  EXPECT_TRUE(as_bytes) << as_bytes;
}

TEST_F(VulkanRefusal, FullDescriptorTable) {
  std::vector<UniqueFd> fillers;
  while (true) {
    UniqueFd next(::fcntl(good_.fd(), F_DUPFD_CLOEXEC, 0));
    if (!next.valid()) {
      break;
    }
    fillers.push_back(std::move(next));
  }
  // Without a descriptor for the driver, the address still serves; without that one, the sentence names both.
  auto object = good_.object();
  const auto by_address = refuse(object);
  EXPECT_TRUE(by_address) << by_address;
  object.ref = nullptr;
  const auto outcome = refuse(object);
  fillers.clear();
  EXPECT_EQ(outcome.status, CW_OUT_OF_FDS) << outcome;
  EXPECT_THAT(outcome.text, HasSubstr("could not be duplicated"));
}

// The driver's own failures, which the checks normally keep from it: the size is right when it is checked and
// wrong when the driver looks.
TEST_F(VulkanRefusal, AThousandFailedAndGoodImportsKeepTheBooksEven) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  for (int round = 0; round < 1000; ++round) {
    EXPECT_TRUE(device_.attach_once(AttachWords(good_.object())));
    auto large = good_.object();
    large.size = 65536;
    EXPECT_FALSE(refuse(large));
    EXPECT_FALSE(refuse(object_of(ends[0], 4096)));
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace causeway::test
