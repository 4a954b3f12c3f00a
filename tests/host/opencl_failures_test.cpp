// SPDX-License-Identifier: Apache-2.0
// Every call of the driver that allocates or submits fails once, with every code; and devices that are gone.
#include <gmock/gmock.h>
#include <sys/eventfd.h>

#include <chrono>
#include <thread>

#include "host/opencl_fake.hpp"

namespace causeway::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr cl_int kCodes[] = {CL_OUT_OF_HOST_MEMORY, CL_OUT_OF_RESOURCES,     CL_MEM_OBJECT_ALLOCATION_FAILURE,
                             CL_INVALID_VALUE,      CL_INVALID_BUFFER_SIZE,  CL_INVALID_OPERATION,
                             CL_INVALID_PROPERTY,   CL_DEVICE_NOT_AVAILABLE, CL_INVALID_CONTEXT};

class OpenclFailures : public FakeOpencl {
protected:
  /// Everything that a device does in its life, as far as it comes; what failed, or nothing.
  [[nodiscard]] Outcome life_of_a_device(std::uint32_t path) {
    const OpenclDevice device(host_, kAble, path);
    if (!device.opened()) {
      return device.opened();
    }
    AttachWords words(dma_buf(), formats::kNV12, 128, 64, 128, CW_USAGE_READ | CW_USAGE_WRITE);
    words.planes.push_back({0, 128, 8192});
    words.info.plane_count = 2;
    words.info.planes = words.planes.data();
    const OpenclAttached attached(device, words);
    if (!attached.outcome()) {
      return attached.outcome();
    }
    std::vector<std::byte> seen(16);
    for (const std::uint32_t flags : {0U, CW_PROBE_MAY_COPY}) {
      if (auto written = attached.write(64, pattern(16, 1), flags); !written) {
        return written;
      }
      if (auto read = attached.read(64, seen, flags); !read) {
        return read;
      }
    }
    const UniqueFd ready(::eventfd(0, EFD_CLOEXEC));
    auto wait = plugin::sized<cw_fence>();
    wait.kind = CW_FENCE_SYNC_FILE;
    wait.fd = ready.get();
    const auto event = host_.make_event();
    const cw_fence waits[] = {wait, event};
    auto begun = attached.begin(waits);
    host_.signal(event);
    host_.destroy(event);
    // Until it is signalled the driver waits, whatever has failed.
    std::thread signaller([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(300));
      const std::uint64_t one = 1;
      EXPECT_EQ(::write(ready.get(), &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
    });
    cw_fence fence{};
    auto ended = begun ? attached.end(&fence) : begun;
    signaller.join();
    icd().pump();
    if (ended && fence.kind == CW_FENCE_DEVICE) {
      ++fences_;
      cw_fence exported{};
      ended = device.export_fence(fence, exported);
      const UniqueFd sync_file(exported.kind == CW_FENCE_SYNC_FILE ? exported.fd : -1);
      sync_files_ += sync_file.valid() ? 1 : 0;
      device.release(fence);
    }
    return ended;
  }

  int fences_ = 0;
  int sync_files_ = 0;
};

TEST_F(OpenclFailures, EachCallFailsOnceWithEachCodeAndNothingIsLost) {
  int most = 0;
  for (const auto path : {CW_OPENCL_EXTERNAL_MEMORY, CW_OPENCL_ARM_IMPORT, CW_OPENCL_HOST_POINTER}) {
    for (const cl_int code : kCodes) {
      for (int call = 0;; ++call) {
        SCOPED_TRACE(::testing::Message() << "path " << path << ", call " << call << ", code " << code);
        const auto before = open_descriptors();
        icd().reset();
        icd().semaphore_exports = path == CW_OPENCL_EXTERNAL_MEMORY;
        icd().fail_after = call;
        icd().fail_with = code;
        host_.may_wait = true;  // what the driver does not wait for
        const auto outcome = life_of_a_device(path);
        EXPECT_TRUE(icd().nothing_left());
        EXPECT_THAT(icd().violations, ::testing::IsEmpty());
        EXPECT_EQ(open_descriptors(), before);
        EXPECT_EQ(host_.live_events(), 0U);
        most = std::max(most, call);
        if (!icd().failed) {
          EXPECT_TRUE(outcome) << outcome;
          break;
        }
        if (!outcome) {  // planes that are no image, and ends without a fence, are none
          EXPECT_THAT(outcome.status, AnyOf(CW_OUT_OF_MEMORY, CW_UNSUPPORTED, CW_DEVICE_LOST)) << outcome;
          EXPECT_GT(std::count(outcome.text.begin(), outcome.text.end(), ' '), 3) << outcome;
        }
        ASSERT_FALSE(HasFailure());
      }
    }
  }
  EXPECT_GT(most, 20) << "a life has many calls";
  EXPECT_GT(fences_, 0) << "the making of fences was part of it";
  EXPECT_GT(sync_files_, 0);
}

TEST_F(OpenclFailures, TheCodeOfTheFirstThatRanOutIsTold) {
  icd().every_import = CL_OUT_OF_HOST_MEMORY;
  const OpenclDevice device(host_, kAble);
  const auto outcome = device.attach_once(AttachWords(dma_buf()));
  EXPECT_EQ(outcome.status, CW_OUT_OF_MEMORY);
  EXPECT_THAT(outcome.text, HasSubstr("CL_OUT_OF_HOST_MEMORY"));
}

TEST_F(OpenclFailures, ADeviceThatIsNotAvailableIsLostForGoodAndOthersGoOn) {
  const OpenclDevice other(host_, kBare);
  const OpenclDevice device(host_, kAble);
  {
    const OpenclAttached attached(device, AttachWords(dma_buf()));
    ASSERT_TRUE(attached.outcome()) << attached.outcome();
    icd().every_import = CL_DEVICE_NOT_AVAILABLE;
    icd().calls.clear();
    auto outcome = device.attach_once(AttachWords(dma_buf()));
    EXPECT_EQ(outcome.status, CW_DEVICE_LOST);
    EXPECT_THAT(outcome.text, HasSubstr("the device is gone"));
    EXPECT_EQ(count("arm-import"), 0) << "no other step is tried on it";
    icd().every_import = CL_SUCCESS;
    outcome = device.attach_once(AttachWords(dma_buf()));
    EXPECT_EQ(outcome.status, CW_DEVICE_LOST);
    EXPECT_THAT(outcome.text, HasSubstr("was lost earlier"));
    EXPECT_EQ(attached.write(0, pattern(16, 1)).status, CW_DEVICE_LOST);
    EXPECT_EQ(attached.begin().status, CW_DEVICE_LOST);
  }
  const OpenclAttached attached(other, AttachWords(memory_.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  expect_shared(attached, memory_.bytes());
}

TEST_F(OpenclFailures, OutOfResourcesIsALossOnlyIfTheDeviceIsNotAvailable) {
  {
    const OpenclDevice device(host_, kAble, CW_OPENCL_EXTERNAL_MEMORY);
    icd().every_import = CL_OUT_OF_RESOURCES;
    EXPECT_EQ(device.attach_once(AttachWords(dma_buf())).status, CW_OUT_OF_MEMORY);
    icd().available = false;
    const auto outcome = device.attach_once(AttachWords(dma_buf()));
    EXPECT_EQ(outcome.status, CW_DEVICE_LOST);
    EXPECT_THAT(outcome.text, HasSubstr("no longer available"));
  }
}

}  // namespace
}  // namespace causeway::test
