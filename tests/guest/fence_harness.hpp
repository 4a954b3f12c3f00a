// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "guest/exporters_guest.hpp"
#include "guest/vgem_fence.hpp"

namespace causeway::test {

using namespace std::chrono_literals;

/// The value, or the end of the test with the error's own words: GoogleTest reports the exception.
template <class T>
T must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message());
  }
  return std::move(*result);
}

inline bool shows(const Pollable& pollable, std::chrono::milliseconds within = {}) {
  pollfd entry{.fd = pollable.fd.get(), .events = pollable.events, .revents = 0};
  return ::poll(&entry, 1, static_cast<int>(within.count())) == 1;
}

/// A runtime on the guest's kernel, and vgem.
class FenceGuest : public ::testing::Test {
protected:
  void SetUp() override {
    if (!Vgem::is_there()) {
      GTEST_SKIP() << "there is no vgem, which makes fences that are truly pending";
    }
    descriptors_ = open_descriptors();
    runtime.emplace(must(Runtime::create()));
  }
  void TearDown() override {
    runtime.reset();
    if (!IsSkipped() && !HasFatalFailure()) {
      EXPECT_EQ(open_descriptors(), descriptors_) << "descriptors leaked";
    }
  }
  /// A buffer of this exporter; "vgem" is memory of that driver's, which came in from outside.
  DmaBuf buffer(const std::string& exporter) {
    if (exporter == "vgem") {
      Vgem vgem;
      const auto fd = vgem.export_buffer(vgem.make_buffer());
      return must(DmaBuf::from_fd(*runtime, fd.borrow()));
    }
    return must(runtime->allocate(4096, exporter));
  }
  SyncFile sync_file(const PendingSyncFile& pending) {
    return must(SyncFile::from_fd(*runtime, pending.fd()));
  }
  [[nodiscard]] std::uint64_t cpu_waits() const { return runtime->counters().cpu_waits; }

  std::optional<Runtime> runtime;

private:
  std::size_t descriptors_ = 0;
};

/// The same over each kind of kernel buffer.
class FenceGuestOn : public FenceGuest, public ::testing::WithParamInterface<const char*> {};
inline std::string name_of(const ::testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  for (char& letter : name) {
    letter = letter == ':' ? '_' : letter;
  }
  return name;
}

}  // namespace causeway::test
