// SPDX-License-Identifier: Apache-2.0
//
// For the test of the suite itself: FramePool::acquire, slowed down by a millisecond. The linker puts it in
// the way (--wrap), so that neither the library nor the rows know of it.
#include <causeway/frame_pool.hpp>

#include <chrono>
#include <thread>

namespace causeway {

extern Result<FrameLease> acquire_at_full_speed(FramePool* pool, Deadline deadline) asm(
    "__real__ZN8causeway9FramePool7acquireENS_8DeadlineE");
extern Result<FrameLease> acquire_slowly(FramePool* pool, Deadline deadline) asm(
    "__wrap__ZN8causeway9FramePool7acquireENS_8DeadlineE");

Result<FrameLease> acquire_slowly(FramePool* pool, Deadline deadline) {
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return acquire_at_full_speed(pool, deadline);
}

}  // namespace causeway
