// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <causeway/plugin/backend_abi.h>

#include <causeway/device.hpp>
#include <cstddef>
#include <functional>
#include <memory>

namespace causeway::test {

/// A backend "testqueue" of devices that work later, as a GPU does: what is submitted between the begin and
/// the end of an access runs when its turn comes on the device's queue and what it waits for has signalled.
///
/// The id says how a device deals with fences, in words between commas:
///   fences=device|event|none   what end_access gives: fences of its own, events, or none although there may
///                              be work left: a driver that forgets them
///   waits                      it takes sync_files and events to wait for; without it only its own fences
///   export                     its own fences can be made into events
///   thread                     a thread of its own runs the queue; else QueueDevice::run() does
///   via_cpu                    it works through the CPU's mapping
///   lost                       wait_idle never succeeds
const cw_backend* testqueue_backend(std::uint32_t host_version);
/// The same, "testqueue12", as a plugin of ABI 1.2.
const cw_backend* testqueue12_backend(std::uint32_t host_version);

/// The program's side of such a device. Threads: thread-safe.
class QueueDevice {
public:
  /// Of a device of the backend above.
  static QueueDevice& of(const Device& device);

  /// Work for the access that this thread has begun. error: what the fence of that work is to fail with.
  virtual void submit(std::function<void()> work, int error = 0) = 0;
  /// Runs what can run, in the order of submission; how many pieces that were.
  virtual std::size_t run() = 0;
  /// Pieces that are not done.
  [[nodiscard]] virtual std::size_t left() const = 0;
  /// How many fences were handed over to be waited for, and made into others, so far.
  [[nodiscard]] virtual std::size_t waits_taken() const = 0;
  [[nodiscard]] virtual std::size_t exports() const = 0;

  /// The next end of an access fails, though what was submitted is still to run.
  virtual void fail_next_end() = 0;
  /// The next question about one of its fences cannot be asked, for want of memory.
  virtual void refuse_next_question() = 0;
  /// cw_access_begin.flags of the access that began last.
  [[nodiscard]] virtual std::uint32_t last_flags() const = 0;

protected:
  ~QueueDevice() = default;
};

}  // namespace causeway::test
