// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <causeway/deadline.hpp>
#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "node.hpp"

namespace causeway::v4l2_backend {

/// The driver's queue of buffers, and whose turn each buffer is. A dma-buf gets one index for as long as it
/// is attached: the driver keeps its import of it only while index and buffer stay together.
///
///   attach -> Free -> (start, give_back) -> Queued -> (dequeue) -> Held -> (give_back) -> Queued or Free
///
/// A Held buffer belongs to a consumer, past the end of the stream and into the next: no start() takes it.
///
/// Threads: thread-safe.
class BufferQueue {
public:
  explicit BufferQueue(Node& node) noexcept : node_(node) {}
  BufferQueue(const BufferQueue&) = delete;
  BufferQueue& operator=(const BufferQueue&) = delete;

  struct Place {
    std::uint32_t index;
    std::uint64_t ticket;  ///< never the same twice
  };

  /// Takes a frame's memory in, and lets the driver try it at once, so that memory which it cannot reach is
  /// refused now. Errors: Busy (streaming, or no index left), Unsupported (the driver cannot use this
  /// memory), DeviceLost.
  [[nodiscard]] Result<Place> attach(std::vector<UniqueFd> fds, std::span<const PlaneMemory> memory);
  /// Stops the stream if the driver still has the buffer. With the last one all are given back to the driver.
  void detach(std::uint32_t index) noexcept;

  /// Queues those of the buffers that are free, and starts. Errors: WrongState, InvalidArgument, Io,
  /// DeviceLost.
  [[nodiscard]] Status start(std::span<const Place> buffers);
  [[nodiscard]] Status stop();
  /// Waits for a filled buffer, which is Held from then on. Errors: TimedOut, WrongState, Io, DeviceLost.
  [[nodiscard]] Result<Filled> dequeue(Deadline deadline, std::uint64_t& ticket);
  /// A holder is done. A ticket of former times is ignored. Errors: WrongState (nobody holds it), Io,
  /// DeviceLost.
  [[nodiscard]] Status give_back(std::uint32_t index, std::uint64_t ticket);
  /// Lets the camera fill this buffer once, and takes everything back. Errors: as start and dequeue.
  [[nodiscard]] Status fill_once(Place place, Deadline deadline);

  [[nodiscard]] bool is_held(std::uint32_t index, std::uint64_t ticket) const;
  [[nodiscard]] bool streaming() const;
  [[nodiscard]] std::size_t attached() const;

private:
  enum class Turn : std::uint8_t { Free, Queued, Held };
  struct Slot {
    bool used = false;
    bool in_stream = false;  ///< belongs to the stream that runs
    Turn turn = Turn::Free;
    std::uint64_t ticket = 0;
    std::vector<UniqueFd> fds{};
    std::vector<PlaneMemory> memory{};
  };

  // All of these with mutex_ held.
  [[nodiscard]] Status ask_for_indices();
  [[nodiscard]] Status try_memory(std::uint32_t index);
  [[nodiscard]] Status put(std::uint32_t index);
  void take_all_back() noexcept;
  [[nodiscard]] std::size_t count(Turn turn) const noexcept;
  [[nodiscard]] Error nothing_came(Deadline::Clock::duration waited) const;

  Node& node_;
  mutable std::mutex mutex_;
  std::condition_variable returned_;
  std::array<Slot, VIDEO_MAX_FRAME> slots_{};
  std::uint32_t granted_ = 0;  ///< indices that the driver has made
  std::uint64_t tickets_ = 0;
  bool streaming_ = false;
  bool prepares_ = true;  ///< VIDIOC_PREPARE_BUF is there, as far as is known
};

}  // namespace causeway::v4l2_backend
