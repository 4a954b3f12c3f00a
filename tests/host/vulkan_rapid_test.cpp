// SPDX-License-Identifier: Apache-2.0
// Imported and released over and over, and with the driver out of memory each time: nothing is left behind,
// be it a descriptor, memory, or an object of Vulkan's. Without the validation layer, whose books are slower
// than the calls.
#include <gmock/gmock.h>
#include <malloc.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

#include <causeway/causeway.hpp>
#include <causeway/vulkan.hpp>

#include "host/vulkan_caller.hpp"
#include "host/vulkan_counted_driver.hpp"
#include "host/vulkan_fake_driver.hpp"
#include "host/vulkan_fake_queue.hpp"
#include "host/vulkan_fence_runtime.hpp"
#include "host/vulkan_harness.hpp"

namespace causeway::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kRounds = 100'000;

/// Always 0 under AddressSanitizer, which stores what was freed, and looks for leaks itself.
std::size_t resident_bytes() {
#ifdef __SANITIZE_ADDRESS__
  return 0;
#else
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  statm >> size >> resident;
  return resident * 4096;
#endif
}

/// Neither layer nor its memory, while this object lives.
class WithoutValidation {
public:
  WithoutValidation() : before_(validation_wanted()) { ::setenv("CAUSEWAY_VULKAN_VALIDATION", "0", 1); }
  WithoutValidation(const WithoutValidation&) = delete;
  WithoutValidation& operator=(const WithoutValidation&) = delete;
  ~WithoutValidation() { ::setenv("CAUSEWAY_VULKAN_VALIDATION", before_ ? "1" : "0", 1); }

private:
  bool before_;
};

struct Path {
  const char* name;
  std::uint32_t step;
  bool image;
};

class VulkanRapid : public ::testing::TestWithParam<Path> {
protected:
  void SetUp() override {
    const CallerDevice bare({});
    ASSERT_TRUE(bare.made()) << bare.why();
    const auto& raw = bare.words();
    const auto wanted =
        vulkan::wanted_extensions(raw.get_instance_proc_addr, raw.instance, raw.physical_device);
    ASSERT_TRUE(wanted) << wanted.error().message();
    const auto has_images = std::any_of(wanted->begin(), wanted->end(), [](std::string_view name) {
      return name == VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME;
    });
    if (GetParam().image && !has_images) {
      GTEST_SKIP()
          << "lavapipe has no VK_EXT_image_drm_format_modifier on this machine (it wants /dev/udmabuf)";
    }
    caller_.emplace(*wanted, true);
    ASSERT_TRUE(caller_->made()) << caller_->why();
    auto words = CountedDriver::before(caller_->words());
    words.flags = CW_VULKAN_ADOPT_SUBMITS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE;
    device_.emplace(host_, words);
    ASSERT_TRUE(device_->opened()) << device_->opened();
    const auto* table = static_cast<const cw_vulkan_device_v1*>(
        vulkan_table().get_interface(device_->raw(), CW_VULKAN_DEVICE_V1));
    table->pin_import(device_->raw(), GetParam().step);
    // A dma-buf where there are some, which is what lavapipe takes in the guest, too.
    memory_.emplace(TestMemory::udmabuf(kSize));
    if (!memory_->valid()) {
      memory_.emplace(TestMemory::memfd(kSize));
    }
  }

  [[nodiscard]] AttachWords words() const {
    return GetParam().image ? AttachWords(memory_->object(), formats::kXRGB8888, 64, 64, 256,
                                          CW_USAGE_READ | CW_USAGE_WRITE | CW_USAGE_TRANSFER)
                            : AttachWords(memory_->object());
  }
  /// One import and its release; gives whether it went.
  Outcome round() { return device_->attach_once(words()); }

  /// Runs body count times, and tells what is not as it was, but for what the first tenth may have taken for
  /// good.
  template <class Body>
  std::vector<std::string> left_behind(int count, Body body) {
    for (int i = 0; i < count / 10; ++i) {
      body(i);
    }
    ::malloc_trim(0);
    const auto descriptors = open_descriptors();
    const auto before = CountedDriver::instance();
    const auto resident = resident_bytes();
    for (int i = 0; i < count && !HasFailure(); ++i) {
      body(i);
    }
    ::malloc_trim(0);
    const auto after = CountedDriver::instance();
    EXPECT_GE(after.allocations - before.allocations, count) << "imported less often than was asked for";
    std::vector<std::string> found;
    const auto compare = [&](const char* what, auto now, auto then) {
      if (now != then) {
        found.push_back(std::string(what) + ": " + std::to_string(now) + " instead of " +
                        std::to_string(then));
      }
    };
    compare("VkDeviceMemory", after.memories, before.memories);
    compare("VkBuffer", after.buffers, before.buffers);
    compare("VkImage", after.images, before.images);
    compare("descriptors", open_descriptors().size(), descriptors.size());
    // A leak of 64 bytes a round would be more.
    const std::size_t bound =
        resident + std::size_t{64} * static_cast<std::size_t>(count) + (std::size_t{1} << 20U);
    if (const auto now = resident_bytes(); now > bound) {
      compare("resident bytes", now, resident);
    }
    return found;
  }

  static constexpr std::size_t kSize = 64 * 256;
  WithoutValidation quiet_;
  VulkanHost host_;
  std::optional<CallerDevice> caller_;
  std::optional<OpenedDevice> device_;
  std::optional<TestMemory> memory_;
};

TEST_P(VulkanRapid, NothingIsLeftBehind) {
  const auto begun = std::chrono::steady_clock::now();
  const auto left = left_behind(kRounds, [this](int) {
    const auto outcome = round();
    ASSERT_TRUE(outcome) << outcome;
  });
  EXPECT_THAT(left, IsEmpty());
  const auto taken = std::chrono::steady_clock::now() - begun;
  std::printf("%s: %d rounds, %.1f us each\n", GetParam().name, kRounds,
              std::chrono::duration<double, std::micro>(taken).count() / kRounds / 1.1);
}

// Who closes the descriptor of a failed import is the driver's habit; lavapipe closes it, against the
// specification. Were it closed by us too, or by nobody, the table of descriptors would tell.
TEST_P(VulkanRapid, NorWhenTheDriverRunsOutOfMemoryEachTime) {
  using Fail = CountedDriver::Fail;
  const bool by_fd = GetParam().step == CW_VULKAN_IMPORT_DMA_BUF;
  const auto left = left_behind(kRounds, [&](int i) {
    auto& driver = CountedDriver::instance();
    switch (i % 3) {
      case 0: driver.allocate = Fail::Host; break;
      case 1: (by_fd ? driver.allocate = Fail::Device : driver.allocate = Fail::Host); break;
      default: driver.create_buffer = Fail::Host; break;
    }
    const auto failed = round();
    ASSERT_EQ(failed.status, CW_OUT_OF_MEMORY) << failed;
    ASSERT_THAT(failed.text, HasSubstr("VK_ERROR_OUT_OF_"));
    const auto next = round();
    ASSERT_TRUE(next) << next;
  });
  EXPECT_THAT(left, IsEmpty());
  for (const auto& message : host_.messages()) {
    EXPECT_THAT(message, ::testing::Not(HasSubstr("it is left alone"))) << "a habit that was not learnt";
  }
}

// So that the two above are known to see.
TEST_P(VulkanRapid, AReleaseThatIsForgottenIsSeen) {
  std::vector<cw_attachment*> forgotten;
  const auto left = left_behind(100, [&](int) {
    cw_attachment* attachment = nullptr;
    ASSERT_TRUE(device_->attach(words(), &attachment));
    forgotten.push_back(attachment);
  });
  EXPECT_THAT(left, Contains(HasSubstr("VkDeviceMemory")));
  EXPECT_THAT(left, Contains(HasSubstr("VkBuffer")));
  for (cw_attachment* attachment : forgotten) {
    vulkan_table().detach(device_->raw(), attachment);
  }
}

INSTANTIATE_TEST_SUITE_P(Paths, VulkanRapid,
                         ::testing::Values(Path{"DmaBuf", CW_VULKAN_IMPORT_DMA_BUF, false},
                                           Path{"DmaBufAsImage", CW_VULKAN_IMPORT_DMA_BUF, true},
                                           Path{"HostPointer", CW_VULKAN_IMPORT_HOST_POINTER, false}),
                         [](const auto& info) { return info.param.name; });

// The whole library: a foreign descriptor comes in, is proved on the device, and goes.
TEST(VulkanRapidRuntime, ForeignMemoryComesAndGoes) {
  const WithoutValidation quiet;
  auto runtime = watched_runtime();
  const auto device = vulkan::open(runtime, "llvmpipe").value();
  const auto memory = TestMemory::memfd(65536);
  const auto round = [&] {
    auto buffer = DmaBuf::from_fd(runtime, BorrowedFd(memory.fd())).value();
    auto attachment = buffer.attach(device, Usage::ReadWrite).value();
    const auto mapping = attachment.map(Direction::Bidirectional).value();
    ASSERT_EQ(mapping.verdict(), AliasVerdict::Aliased);
  };
  for (int i = 0; i < 100; ++i) {
    round();
  }
  const auto descriptors = open_descriptors();
  const auto resident = resident_bytes();
  for (int i = 0; i < kRounds / 50; ++i) {
    round();
  }
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_LT(resident_bytes(), resident + (std::size_t{4} << 20U));
}

// ---------------------------------------------------------------- a device that is lost

class VulkanLoss : public VulkanFenceRuntime {
protected:
  void SetUp() override {
    VulkanFenceRuntime::SetUp();
    FakeQueue::reset();
  }
};

TEST_F(VulkanLoss, OtherDevicesGoOnWithTheSameMemory) {
  const auto words =
      FakeDriver::words_with_fences(CW_VULKAN_ADOPT_SUBMITS | CW_VULKAN_ADOPT_TIMELINE_SEMAPHORE);
  const auto breaks =
      runtime_->open_device("vulkan", {.id = {}, .adopt_interface = CW_VULKAN_ADOPT_V1, .adopt = &words})
          .value();
  const auto gpu = open_gpu();
  auto buffer = runtime_->allocate(65536, "memfd").value();
  auto broken_attachment = buffer.attach(breaks, Usage::ReadWrite).value();
  auto on_broken = broken_attachment.map(Direction::Bidirectional, true).value();  // the fake moves no bytes
  const OnDevice on_gpu(buffer, gpu);
  VulkanCommands commands(*vulkan::handles(gpu));
  const auto works = [&](std::uint32_t value) {
    auto access = on_gpu.mapping.begin_access(Usage::Write, Deadline::in(60s));
    ASSERT_TRUE(access) << access.error().message();
    commands.fill(on_gpu.view(), value);
    ASSERT_TRUE(access->end());
    expect_filled(buffer, value);
  };
  works(1);
  auto doomed = on_broken.begin_access(Usage::Write, Deadline::in(5s));
  ASSERT_TRUE(doomed) << doomed.error().message();
  FakeQueue::instance().lost = true;  // in the middle of its turn
  const auto ended = doomed->end();
  if (ended) {  // the loss shows when the end is asked for
    for (const auto& fence : *ended) {
      static_cast<void>(fence.wait(Deadline::in(5s)));
      EXPECT_EQ(fence.error(), ENODEV);
    }
  } else {
    EXPECT_EQ(ended.error().code(), Errc::DeviceLost) << ended.error().message();
  }
  const auto again = on_broken.begin_access(Usage::Write, Deadline::in(5s));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Errc::DeviceLost) << again.error().message();
  works(2);  // written anew, so what the lost one left half done is over
  const auto attached_anew = buffer.attach(breaks, Usage::ReadWrite);
  ASSERT_FALSE(attached_anew);
  EXPECT_EQ(attached_anew.error().code(), Errc::DeviceLost);
}

}  // namespace
}  // namespace causeway::test
