// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>

#include <array>
#include <causeway/deadline.hpp>
#include <causeway/fd.hpp>
#include <causeway/result.hpp>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
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
  /// Waits for a filled buffer, which is Held from then on. Errors: TimedOut, WrongState, Io, DeviceLost;
  /// if there are others (maybe an empty list), Busy once one of them shows its event, or after interrupt().
  [[nodiscard]] Result<Filled> dequeue(Deadline deadline, std::uint64_t& ticket,
                                       std::optional<std::span<pollfd>> others = {});
  /// Makes a dequeue with others come back: the one that waits, or the next.
  void interrupt() noexcept;
  /// A holder is done. A ticket of former times is ignored. Errors: WrongState (nobody holds it), Io,
  /// DeviceLost.
  [[nodiscard]] Status give_back(std::uint32_t index, std::uint64_t ticket);
  /// A Free buffer is Held from now on, as if dequeued. Errors: WrongState (it is not free).
  [[nodiscard]] Status hold(std::uint32_t index, std::uint64_t ticket);
  /// Lets the camera fill this buffer once, and takes everything back. Errors: as start and dequeue.
  [[nodiscard]] Status fill_once(Place place, Deadline deadline);

  [[nodiscard]] bool is_held(std::uint32_t index, std::uint64_t ticket) const;
  [[nodiscard]] bool streaming() const;
  /// Whether the driver has a buffer to fill.
  [[nodiscard]] bool has_queued() const;
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
  [[nodiscard]] Status make_bell();
  /// Wakes the dequeue that waits, if one does.
  void ring() noexcept;
  /// The driver's answer to DQBUF; empty if no buffer is ready.
  [[nodiscard]] Result<std::optional<Filled>> take(std::uint64_t& ticket);

  Node& node_;
  mutable std::mutex mutex_;
  UniqueFd bell_;         ///< an eventfd: a dequeue that waits is to look again
  bool waits_ = false;    ///< a dequeue does
  bool starves_ = false;  ///< it does, and the driver has no buffer
  bool called_ = false;   ///< by interrupt()
  std::array<Slot, VIDEO_MAX_FRAME> slots_{};
  std::uint32_t granted_ = 0;  ///< indices that the driver has made
  std::uint64_t tickets_ = 0;
  bool streaming_ = false;
  bool prepares_ = true;  ///< VIDIOC_PREPARE_BUF is there, as far as is known
};

}  // namespace causeway::v4l2_backend
