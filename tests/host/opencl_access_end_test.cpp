// SPDX-License-Identifier: Apache-2.0
// Accesses with fences: what comes out at their end.
#include <fcntl.h>
#include <poll.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <thread>

#include "host/opencl_access.hpp"

namespace causeway::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
  EXPECT_EQ(::fcntl(sync_file.get(), F_GETFD), FD_CLOEXEC);
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

TEST_F(OpenclAccess, AnEndThatIsDoneAlreadyNeedsNoFence) {
  cw_fence fence{};
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&fence));
  EXPECT_EQ(fence.kind, static_cast<std::uint32_t>(CW_FENCE_NONE));
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
  ASSERT_TRUE(attached_->begin());
  for (cl_event event : {theirs, nobodys, cl_event{}}) {
    EXPECT_EQ(end_with(attached_->view(), event), CW_INVALID_ARGUMENT);
  }
  ASSERT_TRUE(attached_->end());
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
  EXPECT_EQ(failed(CL_MEM_OBJECT_ALLOCATION_FAILURE, exported), CW_IO);
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

// The thread that ends an access may be the one that signals what its work waits for.
TEST_F(OpenclAccess, AnEndThatFailsDoesNotWaitForTheWork) {
  const auto event = host_.make_event();
  ASSERT_TRUE(attached_->begin({&event, 1}));
  icd().fail_after = 0;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(attached_->end().status, CW_OUT_OF_MEMORY);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_EQ(device_->wait_idle(0).status, CW_TIMED_OUT) << "which is what the host asks after a failure";
  host_.signal(event);
  EXPECT_TRUE(device_->wait_idle(0));
  host_.destroy(event);
}

// The host may be gone once the device is closed, so a call of the driver's that has begun is let finish.
TEST_F(OpenclAccess, ALateCallOfTheDriversIsOverBeforeTheDeviceIsClosed) {
  OpenclDevice slow(host_, kBare);
  cw_fence exported{};
  {
    const OpenclAttached attached(slow, AttachWords(memory_.object()));
    icd().hold = true;
    cw_fence fence{};
    ASSERT_TRUE(attached.begin());
    ASSERT_TRUE(attached.end(&fence));
    ASSERT_TRUE(slow.export_fence(fence, exported));
    slow.release(fence);
  }
  icd().keep_calls = true;
  icd().hold = false;
  icd().pump();
  ASSERT_EQ(icd().kept_calls.size(), 1U);
  struct {
    std::promise<void> begun;
    std::atomic<bool> over = false;
  } call;
  std::uint32_t added = 0;
  host_.raw()->fence_notify(
      host_.raw()->context, &exported,
      [](void* user, std::int32_t) {
        auto& self = *static_cast<decltype(call)*>(user);
        self.begun.set_value();
        std::this_thread::sleep_for(std::chrono::seconds(3));  // longer than the device waits for a call
        self.over = true;
      },
      &call, &added, nullptr);
  std::thread driver(icd().kept_calls.front());
  call.begun.get_future().wait();
  slow.close();
  EXPECT_TRUE(call.over);
  driver.join();
  EXPECT_EQ(host_.error_of(exported), 0);
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

// A later point of the timeline speaks for all before it, so that it must not be a command that came earlier.
TEST_F(OpenclAccess, AccessesThatOverlapNeedTheMarkerAllTheSame) {
  const OpenclDevice bare(host_, kBare);
  const OpenclAttached first(bare, AttachWords(memory_.object()));
  const OpenclAttached second(bare, AttachWords(memory_.object()));
  ASSERT_TRUE(first.begin());
  cl_event last = nullptr;
  ASSERT_EQ(clEnqueueMarkerWithWaitList(first.view().queue, 0, nullptr, &last), CL_SUCCESS);
  ASSERT_EQ(end_with(first.view(), last), CW_OK);
  clReleaseEvent(last);
  ASSERT_TRUE(second.begin());
  icd().calls.clear();
  ASSERT_TRUE(second.end());
  EXPECT_EQ(count("marker"), 1);
  ASSERT_TRUE(first.end());
  EXPECT_EQ(count("marker"), 2);
}

TEST_F(OpenclAccess, AnEventThatEndsNoAccessIsRefused) {
  cl_event last = nullptr;
  ASSERT_EQ(clEnqueueMarkerWithWaitList(attached_->view().queue, 0, nullptr, &last), CL_SUCCESS);
  EXPECT_EQ(end_with(attached_->view(), last), CW_WRONG_STATE);
  ASSERT_TRUE(attached_->begin());
  EXPECT_EQ(end_with(attached_->view(), last), CW_OK);
  ASSERT_TRUE(attached_->end());
  EXPECT_EQ(end_with(attached_->view(), last), CW_WRONG_STATE);
  clReleaseEvent(last);
}

}  // namespace
}  // namespace causeway::test
