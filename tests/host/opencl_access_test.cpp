// SPDX-License-Identifier: Apache-2.0
// Accesses with fences: what they wait for, and what comes out.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <chrono>
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

TEST_F(OpenclAccess, TheDeviceWaitsForASyncFileAndNotTheCpu) {
  const Pending before;
  cw_fence after{};
  ASSERT_TRUE(attached_->begin({&before.fence, 1}));
  ASSERT_TRUE(attached_->end(&after));
  EXPECT_THAT(icd().calls, ElementsAre("wait for a semaphore", "barrier", "acquire", "release", "marker"));
  ASSERT_EQ(after.kind, static_cast<std::uint32_t>(CW_FENCE_HOST_EVENT));
  icd().pump();
  EXPECT_FALSE(host_.signalled(after)) << "what it waits for is pending";
  before.signal();
  icd().pump();
  EXPECT_TRUE(host_.signalled(after));
  EXPECT_EQ(host_.error_of(after), 0);
  EXPECT_EQ(host_.cpu_waits(), 0U);
}

TEST_F(OpenclAccess, WhatIsSignalledAlreadyIsNotWaitedFor) {
  const Pending before;
  before.signal();
  const Pending event(CW_FENCE_HOST_EVENT);
  event.signal();
  const cw_fence fences[] = {before.fence, event.fence, plugin::sized<cw_fence>()};
  ASSERT_TRUE(attached_->begin(fences));
  ASSERT_TRUE(attached_->end());
  EXPECT_THAT(icd().calls, ElementsAre("acquire", "release", "marker"));
}

TEST_F(OpenclAccess, ItsOwnFenceIsWaitedForByTheDevice) {
  icd().hold = true;
  cw_fence first{};
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&first));
  ASSERT_EQ(first.kind, static_cast<std::uint32_t>(CW_FENCE_HOST_EVENT));
  cw_fence second{};
  ASSERT_TRUE(attached_->begin({&first, 1}));
  ASSERT_TRUE(attached_->end(&second));
  EXPECT_EQ(count("barrier"), 1);
  icd().hold = false;
  icd().pump();
  EXPECT_TRUE(host_.signalled(first));
  EXPECT_TRUE(host_.signalled(second));
  EXPECT_EQ(host_.cpu_waits(), 0U);
}

TEST_F(OpenclAccess, AFenceThatTheDeviceCannotWaitForIsLeftToTheHost) {
  const Pending foreign(CW_FENCE_HOST_EVENT);
  auto outcome = attached_->begin({&foreign.fence, 1});
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("it waits for sync_files and for its own"));
  EXPECT_THAT(icd().calls, ::testing::IsEmpty()) << "nothing was begun";

  icd().semaphores = false;
  const OpenclDevice without(host_, kAble);
  const OpenclAttached attached(without, AttachWords(dma_buf()));
  const Pending file;
  outcome = attached.begin({&file.fence, 1});
  EXPECT_EQ(outcome.status, CW_UNSUPPORTED);
  EXPECT_THAT(outcome.text, HasSubstr("cl_khr_external_semaphore_sync_fd"));
}

TEST_F(OpenclAccess, AnEndThatIsDoneAlreadyNeedsNoFence) {
  cw_fence fence{};
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&fence));
  EXPECT_EQ(fence.kind, static_cast<std::uint32_t>(CW_FENCE_NONE));
  EXPECT_EQ(host_.live_events(), 0U);
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

TEST_F(OpenclAccess, WhereNoFenceCanBeMadeTheCpuWaitsToo) {
  host_.refuse_events();
  icd().hold = true;
  ASSERT_TRUE(attached_->begin());
  std::thread driver([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    icd().hold = false;
  });
  cw_fence fence{};
  EXPECT_TRUE(attached_->end(&fence));
  driver.join();
  EXPECT_EQ(fence.kind, static_cast<std::uint32_t>(CW_FENCE_NONE));
  EXPECT_EQ(host_.cpu_waits(), 1U);
}

TEST_F(OpenclAccess, WorkThatFailedIsToldByItsFence) {
  icd().hold = true;
  cw_fence broken{};
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&broken));
  icd().end_with = CL_MEM_OBJECT_ALLOCATION_FAILURE;
  icd().hold = false;
  icd().pump();
  EXPECT_EQ(host_.error_of(broken), EIO);

  icd().hold = true;
  cw_fence gone{};
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&gone));
  icd().end_with = CL_DEVICE_NOT_AVAILABLE;
  icd().hold = false;
  icd().pump();
  EXPECT_EQ(host_.error_of(gone), ENODEV);
}

TEST_F(OpenclAccess, WorkThatFailsAtOnceFailsTheEnd) {
  ASSERT_TRUE(attached_->begin());
  icd().end_with = CL_DEVICE_NOT_AVAILABLE;
  EXPECT_EQ(attached_->end().status, CW_DEVICE_LOST);
}

TEST_F(OpenclAccess, ClosingWaitsForWhatIsOut) {
  icd().hold = true;
  cw_fence fence{};
  ASSERT_TRUE(attached_->begin());
  ASSERT_TRUE(attached_->end(&fence));
  std::thread driver([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    icd().hold = false;
    icd().pump();
  });
  // Detaching comes first; the commands hold the memory no longer than the driver does.
  driver.join();
  attached_.reset();
  device_.reset();
  EXPECT_TRUE(host_.signalled(fence));
  EXPECT_EQ(host_.error_of(fence), 0);
}

TEST_F(OpenclAccess, ADriverThatNeverEndsLeavesNoWaiterHanging) {
  const OpenclDevice stuck(host_, kBare);
  cw_fence fence{};
  {
    const OpenclAttached attached(stuck, AttachWords(memory_.object()));
    icd().hold = true;
    ASSERT_TRUE(attached.begin());
    ASSERT_TRUE(attached.end(&fence));
  }
  const_cast<OpenclDevice&>(stuck).close();
  EXPECT_EQ(host_.error_of(fence), ENODEV);
  EXPECT_THAT(host_.messages(), Contains(HasSubstr("did not end an access")));
  icd().hold = false;
  icd().pump();  // the late call does nothing
}

TEST_F(OpenclAccess, AQueueOutOfOrderIsKeptInOrderByBarriers) {
  const CallersOpencl caller(kAble, false, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  const OpenclDevice device(host_, caller.words());
  const OpenclAttached attached(device, AttachWords(dma_buf()));
  ASSERT_TRUE(attached.outcome()) << attached.outcome();
  icd().calls.clear();
  ASSERT_TRUE(attached.begin());
  ASSERT_TRUE(attached.end());
  EXPECT_THAT(icd().calls, ElementsAre("acquire", "barrier", "barrier", "release", "marker"));
}

// The real driver calls back from threads of its own.
TEST(OpenclAccessOnPocl, FencesOfKernelsEndWhenTheirWorkIsSeen) {
  constexpr std::size_t kInts = 1U << 16U;
  const OpenclHost host;
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
  cw_fence previous = plugin::sized<cw_fence>();
  int fences = 0;
  for (cl_uint round = 1; round <= 50; ++round) {
    ASSERT_TRUE(attached.begin({&previous, 1}));
    ASSERT_EQ(clSetKernelArg(kernel, 0, sizeof(cl_mem), &view.buffers[0]), CL_SUCCESS);
    ASSERT_EQ(clSetKernelArg(kernel, 1, sizeof(round), &round), CL_SUCCESS);
    ASSERT_EQ(clEnqueueNDRangeKernel(view.queue, kernel, 1, nullptr, &kInts, nullptr, 0, nullptr, nullptr),
              CL_SUCCESS);
    ASSERT_TRUE(attached.end(&previous));
    if (previous.kind == CW_FENCE_HOST_EVENT) {
      ++fences;
      pollfd look{previous.fd, POLLIN, 0};
      ASSERT_EQ(::poll(&look, 1, 20'000), 1);
      EXPECT_EQ(host.error_of(previous), 0);
    }
    for (const std::size_t at : {std::size_t{0}, kInts / 2, kInts - 1}) {
      cl_uint seen = 0;
      std::memcpy(&seen, &memory.bytes()[at * 4], sizeof(seen));
      ASSERT_EQ(seen, round);
    }
  }
  EXPECT_GT(fences, 0) << "no round was long enough to need a fence";
  EXPECT_EQ(host.cpu_waits(), 0U);
  clReleaseKernel(kernel);
  clReleaseProgram(program);
}

}  // namespace
}  // namespace causeway::test
