// SPDX-License-Identifier: Apache-2.0
// Accesses with fences: what they wait for, and what comes out.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "host/opencl_fake.hpp"

namespace causeway::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Stands for a sync_file: the fake driver polls what it is given.
struct Pending {
  UniqueFd fd{::eventfd(0, EFD_CLOEXEC)};
  cw_fence fence = plugin::sized<cw_fence>();
  explicit Pending(cw_fence_kind kind = CW_FENCE_SYNC_FILE) {
    fence.kind = kind;
    fence.fd = fd.get();
    fence.handle = 0xffff;
  }
  void signal() const {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(fd.get(), &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
  }
};

class OpenclAccess : public FakeOpencl {
protected:
  void SetUp() override {
    FakeOpencl::SetUp();
    device_ = std::make_unique<OpenclDevice>(host_, kAble);
    ASSERT_TRUE(device_->opened()) << device_->opened();
    attached_ = std::make_unique<OpenclAttached>(*device_, AttachWords(dma_buf()));
    ASSERT_TRUE(attached_->outcome()) << attached_->outcome();
    icd().calls.clear();
  }
  void TearDown() override {
    attached_.reset();
    device_.reset();
    FakeOpencl::TearDown();
  }
  std::unique_ptr<OpenclDevice> device_;
  std::unique_ptr<OpenclAttached> attached_;
};

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
  EXPECT_EQ(device_->wait(after, INT64_MAX).status, CW_OUT_OF_MEMORY) << "the work's own failure";
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

TEST_F(OpenclAccess, TheCallersOwnSubmissionsArePartOfTheEnd) {
  const auto elsewhere = host_.make_event();
  cw_fence after{};
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&after, {&elsewhere, 1}));
  EXPECT_THAT(icd().calls, ElementsAre("acquire", "user event", "barrier", "release", "marker"));
  EXPECT_FALSE(device_->is_done(after));
  host_.signal(elsewhere);
  EXPECT_TRUE(device_->is_done(after));
  device_->release(after);
  host_.destroy(elsewhere);
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

TEST_F(OpenclAccess, AFenceForOthersIsMadeWhenTheyAskForIt) {
  icd().hold = true;
  cw_fence fence{};
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&fence));
  EXPECT_EQ(host_.live_events(), 0U);
  cw_fence exported{};
  ASSERT_TRUE(device_->export_fence(fence, exported));
  EXPECT_EQ(exported.kind, static_cast<std::uint32_t>(CW_FENCE_HOST_EVENT));
  device_->release(fence);
  EXPECT_FALSE(host_.signalled(exported));
  icd().hold = false;
  icd().pump();
  EXPECT_TRUE(host_.signalled(exported)) << "though the device's own fence is gone";
  EXPECT_EQ(host_.error_of(exported), 0);
}

TEST_F(OpenclAccess, AFenceForOthersIsASyncFileWhereTheDriverMakesThem) {
  icd().semaphore_exports = true;
  const OpenclDevice device(host_, kAble);
  const OpenclAttached attached(device, AttachWords(dma_buf()));
  icd().hold = true;
  cw_fence fence{};
  ASSERT_TRUE(attached.begin());
  ASSERT_TRUE(attached.end(&fence));
  icd().calls.clear();
  cw_fence exported{};
  ASSERT_TRUE(device.export_fence(fence, exported));
  EXPECT_THAT(icd().calls, ElementsAre("signal a semaphore"));
  ASSERT_EQ(exported.kind, static_cast<std::uint32_t>(CW_FENCE_SYNC_FILE));
  const UniqueFd sync_file(exported.fd);
  const auto ready = [&] {
    pollfd entry{sync_file.get(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  };
  EXPECT_FALSE(ready());
  device.release(fence);
  icd().hold = false;
  icd().pump();
  EXPECT_TRUE(ready()) << "though the device's own fence is gone";
  EXPECT_EQ(host_.live_events(), 0U) << "it needs no event of the host";
}

TEST_F(OpenclAccess, AFenceForOthersIsAnEventWhereTheSyncFileFails) {
  icd().semaphore_exports = true;
  const OpenclDevice device(host_, kAble);
  const OpenclAttached attached(device, AttachWords(dma_buf()));
  icd().hold = true;
  cw_fence fence{};
  ASSERT_TRUE(attached.begin());
  ASSERT_TRUE(attached.end(&fence));
  icd().fail_after = 0;
  cw_fence exported{};
  ASSERT_TRUE(device.export_fence(fence, exported));
  EXPECT_TRUE(icd().failed);
  EXPECT_EQ(exported.kind, static_cast<std::uint32_t>(CW_FENCE_HOST_EVENT));
  device.release(fence);
  icd().hold = false;
  icd().pump();
  EXPECT_TRUE(host_.signalled(exported));
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

TEST_F(OpenclAccess, AnEndThatIsDoneAlreadyNeedsNoFence) {
  cw_fence fence{};
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&fence));
  EXPECT_EQ(fence.kind, static_cast<std::uint32_t>(CW_FENCE_NONE));
}

/// What opencl::end_with calls.
std::int32_t end_with(const cw_opencl_view_v1& view, cl_event event) {
  auto failure = plugin::sized<cw_error>();
  return view.sync->end_with(view.owner, view.attachment, event, &failure);
}

TEST_F(OpenclAccess, TheCallersLastCommandSavesTheMarker) {
  const OpenclDevice bare(host_, kBare);
  const OpenclAttached attached(bare, AttachWords(memory_.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  icd().hold = true;
  ASSERT_TRUE(attached.begin());
  cl_event last = nullptr;
  ASSERT_EQ(clEnqueueMarkerWithWaitList(attached.view().queue, 0, nullptr, &last), CL_SUCCESS);
  ASSERT_EQ(end_with(attached.view(), last), CW_OK);
  clReleaseEvent(last);
  icd().calls.clear();
  cw_fence fence{};
  ASSERT_TRUE(attached.end(&fence));
  EXPECT_EQ(count("marker"), 0);
  EXPECT_EQ(bare.wait(fence, 0).status, CW_TIMED_OUT);
  icd().hold = false;
  EXPECT_TRUE(bare.wait(fence));
  bare.release(fence);

  ASSERT_TRUE(attached.begin());
  ASSERT_TRUE(attached.end());
  EXPECT_EQ(count("marker"), 1) << "it was for one end";
}

TEST_F(OpenclAccess, WhatTheEndEnqueuesComesAfterTheCallersLastCommand) {
  ASSERT_TRUE(attached_->begin());
  cl_event last = nullptr;
  ASSERT_EQ(clEnqueueMarkerWithWaitList(attached_->view().queue, 0, nullptr, &last), CL_SUCCESS);
  ASSERT_EQ(end_with(attached_->view(), last), CW_OK);
  clReleaseEvent(last);
  icd().calls.clear();
  ASSERT_TRUE(attached_->end());
  EXPECT_THAT(icd().calls, ElementsAre("release", "marker"));
}

TEST_F(OpenclAccess, AnEventOfAnotherQueueEndsNothing) {
  const OpenclDevice other(host_, kAble);
  const OpenclAttached elsewhere(other, AttachWords(dma_buf()));
  cl_event theirs = nullptr;
  ASSERT_EQ(clEnqueueMarkerWithWaitList(elsewhere.view().queue, 0, nullptr, &theirs), CL_SUCCESS);
  cl_int result = CL_SUCCESS;
  cl_event nobodys = clCreateUserEvent(attached_->view().context, &result);
  ASSERT_EQ(result, CL_SUCCESS);
  for (cl_event event : {theirs, nobodys, cl_event{}}) {
    EXPECT_EQ(end_with(attached_->view(), event), CW_INVALID_ARGUMENT);
  }
  clSetUserEventStatus(nobodys, CL_COMPLETE);
  clReleaseEvent(theirs);
  clReleaseEvent(nobodys);
}

TEST_F(OpenclAccess, WithoutRoomForAFenceTheCpuWaitsAndCounts) {
  icd().hold = true;
  ASSERT_TRUE(attached_->begin());
  std::thread driver([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    icd().hold = false;
  });
  EXPECT_TRUE(attached_->end());
  driver.join();
  EXPECT_EQ(host_.cpu_waits(), 1U);
}

TEST_F(OpenclAccess, WorkThatFailedIsToldByItsFence) {
  const auto failed = [&](cl_int state, cw_fence& exported) {
    icd().hold = true;
    cw_fence fence{};
    EXPECT_TRUE(attached_->begin());
    EXPECT_TRUE(attached_->end(&fence));
    EXPECT_TRUE(device_->export_fence(fence, exported));
    icd().end_with = state;
    icd().hold = false;
    const auto outcome = device_->wait(fence);
    device_->release(fence);
    return outcome.status;
  };
  cw_fence exported{};
  EXPECT_EQ(failed(CL_MEM_OBJECT_ALLOCATION_FAILURE, exported), CW_OUT_OF_MEMORY);
  EXPECT_EQ(host_.error_of(exported), EIO);
  EXPECT_EQ(failed(CL_DEVICE_NOT_AVAILABLE, exported), CW_DEVICE_LOST);
  EXPECT_EQ(host_.error_of(exported), ENODEV);
  EXPECT_EQ(attached_->begin().status, CW_DEVICE_LOST);
}

TEST_F(OpenclAccess, WorkThatFailsAtOnceFailsTheEnd) {
  ASSERT_TRUE(attached_->begin());
  icd().end_with = CL_DEVICE_NOT_AVAILABLE;
  EXPECT_EQ(attached_->end().status, CW_DEVICE_LOST);
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

TEST_F(OpenclAccess, ADriverThatNeverEndsLeavesNoWaiterHanging) {
  OpenclDevice stuck(host_, kBare);
  cw_fence exported{};
  {
    const OpenclAttached attached(stuck, AttachWords(memory_.object()));
    icd().hold = true;
    cw_fence fence{};
    ASSERT_TRUE(attached.begin());
    ASSERT_TRUE(attached.end(&fence));
    ASSERT_TRUE(stuck.export_fence(fence, exported));
    stuck.release(fence);
  }
  stuck.close();
  EXPECT_EQ(host_.error_of(exported), ENODEV);
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("did not end an access")));
  icd().hold = false;
  icd().pump();  // the late call does nothing
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

TEST_F(OpenclAccess, AQueueOutOfOrderNeedsTheMarkerAllTheSame) {
  const CallersOpencl caller(kBare, false, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  const OpenclDevice device(host_, caller.words());
  const OpenclAttached attached(device, AttachWords(memory_.object()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  ASSERT_TRUE(attached.begin());
  cl_event last = nullptr;
  ASSERT_EQ(clEnqueueMarkerWithWaitList(attached.view().queue, 0, nullptr, &last), CL_SUCCESS);
  ASSERT_EQ(end_with(attached.view(), last), CW_OK);
  clReleaseEvent(last);
  icd().calls.clear();
  ASSERT_TRUE(attached.end());
  EXPECT_EQ(count("marker"), 1);
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
