// SPDX-License-Identifier: Apache-2.0
#pragma once

// A device of the fake driver with memory attached, ready for an access.
#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <memory>

#include "host/opencl_fake.hpp"

namespace causeway::test {

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

/// What opencl::end_with calls.
inline std::int32_t end_with(const cw_opencl_view_v1& view, cl_event event) {
  auto failure = plugin::sized<cw_error>();
  return view.sync->end_with(view.owner, view.attachment, event, &failure);
}

}  // namespace causeway::test
