// SPDX-License-Identifier: Apache-2.0
// Accesses with fences: what their begin waits for, on which queue, and for how long.
#include <chrono>
#include <cstring>
#include <thread>

#include "host/opencl_access.hpp"

namespace causeway::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(OpenclAccess, SaysWhatItWaitsFor) {
  const auto waits = [&] {
    return OpenclDevice(host_, kAble).info().capabilities &
           (CW_CAP_WAITS_SYNC_FILE | CW_CAP_WAITS_SYNCOBJ | CW_CAP_WAITS_HOST_EVENT);
  };
  EXPECT_EQ(waits(), CW_CAP_WAITS_SYNC_FILE | CW_CAP_WAITS_HOST_EVENT);
  icd().semaphores = false;
  EXPECT_EQ(waits(), CW_CAP_WAITS_HOST_EVENT);
  host_.be_old();
  EXPECT_EQ(waits(), 0U);
}

TEST_F(OpenclAccess, TheDeviceWaitsForASyncFileAndNotTheCpu) {
  const Pending before;
  cw_fence after{};
  ASSERT_TRUE(attached_->begin({&before.fence, 1}));
  ASSERT_TRUE(attached_->end(&after));
  EXPECT_THAT(icd().calls, ElementsAre("wait for a semaphore", "barrier", "acquire", "release", "marker"));
  ASSERT_EQ(after.kind, static_cast<std::uint32_t>(CW_FENCE_DEVICE));
  EXPECT_EQ(device_->wait(after, 0).status, CW_TIMED_OUT) << "what it waits for is pending";
  EXPECT_EQ(device_->wait(after, INT64_MIN).status, CW_TIMED_OUT);
  before.signal();
  EXPECT_TRUE(device_->wait(after));
  device_->release(after);
  EXPECT_EQ(host_.cpu_waits(), 0U);
}

TEST_F(OpenclAccess, AWaitWithoutADeadlineEndsWithTheWork) {
  const Pending before;
  cw_fence after{};
  ASSERT_TRUE(attached_->begin({&before.fence, 1}));
  ASSERT_TRUE(attached_->end(&after));
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    before.signal();
  });
  EXPECT_TRUE(device_->wait(after, INT64_MAX));
  other.join();
  EXPECT_TRUE(device_->is_done(after));
  device_->release(after);

  icd().hold = true;
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&after));
  icd().end_with = CL_MEM_OBJECT_ALLOCATION_FAILURE;
  icd().hold = false;
  EXPECT_EQ(device_->wait(after, INT64_MAX).status, CW_IO) << "the work's own failure";
  device_->release(after);
}

TEST_F(OpenclAccess, TheDeviceWaitsForAnEventOfTheHost) {
  for (const int error : {0, EIO}) {  // its waiters go on in either case
    const auto before = host_.make_event();
    icd().calls.clear();
    cw_fence after{};
    ASSERT_TRUE(attached_->begin({&before, 1}));
    ASSERT_TRUE(attached_->end(&after));
    EXPECT_THAT(icd().calls, ElementsAre("user event", "barrier", "acquire", "release", "marker"));
    EXPECT_FALSE(device_->is_done(after));
    host_.signal(before, error);
    EXPECT_TRUE(device_->is_done(after));
    device_->release(after);
    host_.destroy(before);
  }
  EXPECT_EQ(host_.cpu_waits(), 0U);
}

TEST_F(OpenclAccess, AnEventThatWasSignalledMeanwhileIsNotWaitedFor) {
  const auto before = host_.make_event();
  host_.signal(before);
  ASSERT_TRUE(attached_->begin({&before, 1}));
  ASSERT_TRUE(attached_->end());
  EXPECT_EQ(count("barrier"), 0);
  host_.destroy(before);
}

TEST_F(OpenclAccess, ItsOwnFenceCostsTheQueueNothing) {
  icd().hold = true;
  cw_fence first{};
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&first));
  ASSERT_EQ(first.kind, static_cast<std::uint32_t>(CW_FENCE_DEVICE));
  cw_fence second{};
  ASSERT_TRUE(attached_->begin({&first, 1}));
  ASSERT_TRUE(attached_->end(&second));
  EXPECT_EQ(second.handle, first.handle) << "points of one timeline";
  EXPECT_GT(second.value, first.value);
  EXPECT_EQ(count("barrier"), 0);
  icd().hold = false;
  EXPECT_TRUE(device_->is_done(second));
  EXPECT_TRUE(device_->is_done(first));
  device_->release(first);
  device_->release(second);
  EXPECT_EQ(device_->wait(first).status, CW_INVALID_ARGUMENT) << "released";
}

TEST_F(OpenclAccess, AFenceThatTheDeviceCannotWaitForIsLeftToTheHost) {
  const Pending syncobj(CW_FENCE_SYNCOBJ_POINT);
  auto outcome = attached_->begin({&syncobj.fence, 1});
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("it waits for sync_files, events of programs and its own"));
  EXPECT_THAT(icd().calls, ::testing::IsEmpty()) << "nothing was begun";

  icd().semaphores = false;
  const OpenclDevice without(host_, kAble);
  const OpenclAttached attached(without, AttachWords(dma_buf()));
  const Pending file;
  outcome = attached.begin({&file.fence, 1});
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("it waits for events of programs and its own"));
}

TEST_F(OpenclAccess, AFenceThatTheDriverRefusesIsWaitedForOnTheCpu) {
  host_.may_wait = true;
  const Pending file;
  const auto event = host_.make_event();
  std::uint64_t waits = 0;
  for (const auto& fence : {file.fence, event}) {
    icd().failed = false;
    icd().fail_after = 0;
    ASSERT_TRUE(attached_->begin({&fence, 1}));
    EXPECT_TRUE(icd().failed);
    ASSERT_TRUE(attached_->end());
    EXPECT_EQ(host_.cpu_waits(), ++waits);
  }
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("the CPU waits instead of the device")));
  host_.destroy(event);
}

// The fake driver wants the device named.
TEST_F(OpenclAccess, InAContextOfSeveralDevicesTheOneThatWaitsIsNamed) {
  const CallersOpencl caller(kAble, true);
  const OpenclDevice device(host_, caller.words());
  const OpenclAttached attached(device, AttachWords(dma_buf()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  const Pending before;
  cw_fence after{};
  ASSERT_TRUE(attached.begin({&before.fence, 1}));
  ASSERT_TRUE(attached.end(&after));
  EXPECT_FALSE(device.is_done(after));
  before.signal();
  EXPECT_TRUE(device.is_done(after));
  device.release(after);
}

TEST_F(OpenclAccess, IdleIsWhenEverythingIsDone) {
  EXPECT_TRUE(device_->wait_idle(0)) << "nothing was submitted";
  icd().hold = true;
  cw_fence fence{};
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&fence));
  EXPECT_EQ(device_->wait_idle(0).status, CW_TIMED_OUT);
  icd().hold = false;
  EXPECT_TRUE(device_->wait_idle(0));
  device_->release(fence);
}

TEST_F(OpenclAccess, AQueueOutOfOrderIsKeptInOrderByBarriers) {
  const CallersOpencl caller(kAble, false, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  const OpenclDevice device(host_, caller.words());
  const OpenclAttached attached(device, AttachWords(dma_buf()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  icd().hold = true;
  icd().calls.clear();
  cw_fence first{};
  ASSERT_TRUE(attached.begin());
  ASSERT_TRUE(attached.end(&first));
  EXPECT_THAT(icd().calls, ElementsAre("acquire", "barrier", "barrier", "release", "marker"));
  icd().calls.clear();
  ASSERT_TRUE(attached.begin({&first, 1}));
  EXPECT_THAT(icd().calls, ElementsAre("barrier", "acquire", "barrier")) << "its own fence needs one here";
  icd().hold = false;
  ASSERT_TRUE(attached.end());
  device.release(first);
}

// The real driver calls back from threads of its own.
TEST(OpenclAccessOnPocl, KernelsWaitForFencesAndEndWithFences) {
  constexpr std::size_t kInts = 1U << 16U;
  OpenclHost host;
  const OpenclDevice device(host, pocl_id());
  ASSERT_TRUE(device.opened()) << device.opened();
  const auto memory = TestMemory::memfd(kInts * 4);
  const OpenclAttached attached(device, AttachWords(memory.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  const auto& view = attached.view();
  const char* source =
      "__kernel void work(__global uint* all, uint round) {"
      "  uint i = get_global_id(0), sum = 0;"
      "  for (uint k = 0; k < 400; ++k) sum += (i ^ k) & 1;"
      "  all[i] = round + (sum - sum); }";
  cl_int result = CL_SUCCESS;
  cl_program program = clCreateProgramWithSource(view.context, 1, &source, nullptr, &result);
  ASSERT_EQ(clBuildProgram(program, 1, &view.device, "", nullptr, nullptr), CL_SUCCESS);
  cl_kernel kernel = clCreateKernel(program, "work", &result);
  ASSERT_EQ(result, CL_SUCCESS);
  for (cl_uint round = 1; round <= 50; ++round) {
    const auto before = host.make_event();
    cw_fence own{};
    cw_fence exported{};
    ASSERT_TRUE(attached.begin({&before, 1}));
    ASSERT_EQ(set_argument(kernel, 0, view.buffers[0]), CL_SUCCESS);
    ASSERT_EQ(set_argument(kernel, 1, round), CL_SUCCESS);
    cl_event last = nullptr;
    ASSERT_EQ(clEnqueueNDRangeKernel(view.queue, kernel, 1, nullptr, &kInts, nullptr, 0, nullptr, &last),
              CL_SUCCESS);
    if (round % 2 == 0) {  // else the end enqueues a marker
      ASSERT_EQ(end_with(view, last), CW_OK);
    }
    clReleaseEvent(last);
    ASSERT_TRUE(attached.end(&own));
    ASSERT_EQ(own.kind, static_cast<std::uint32_t>(CW_FENCE_DEVICE)) << "it cannot be done before it begins";
    ASSERT_TRUE(device.export_fence(own, exported));
    EXPECT_EQ(device.wait(own, 0).status, CW_TIMED_OUT);
    cl_uint seen = 0;
    std::memcpy(&seen, memory.bytes().data(), sizeof seen);
    EXPECT_EQ(seen, round - 1) << "the kernel ran before its fence was signalled";
    host.signal(before);
    ASSERT_TRUE(device.wait(own));
    for (const std::size_t at : {std::size_t{0}, kInts / 2, kInts - 1}) {
      std::memcpy(&seen, &memory.bytes()[at * 4], sizeof seen);
      ASSERT_EQ(seen, round);
    }
    device.release(own);
    host.destroy(before);
  }
  EXPECT_EQ(host.cpu_waits(), 0U);
  clReleaseKernel(kernel);
  clReleaseProgram(program);
}

}  // namespace
}  // namespace causeway::test
